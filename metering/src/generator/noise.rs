//! All other records of an account, some of which only look relevant.

use super::envelope::{CallerIdentity, Envelope};
use super::lives::{GeneratedInstance, event_id};
use super::random::Random;

/// The reason under which a record without effect is to be counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Skip {
    OtherSource,
    FailedCall,
    ReadOnly,
    Irrelevant,
    Malformed,
}

/// Source, name, whether it only reads, request and response of some call.
type Shape = (&'static str, &'static str, bool, &'static str, &'static str);

const SHAPES: [Shape; 12] = [
    (
        "s3.amazonaws.com",
        "PutObject",
        false,
        r#"{"bucketName":"acme-artifacts-prod","Host":"acme-artifacts-prod.s3.us-east-1.amazonaws.com","key":"builds/2026/01/service-catalog/4711/output {final}.tar.gz","x-amz-server-side-encryption":"aws:kms","x-amz-storage-class":"STANDARD","x-amz-server-side-encryption-aws-kms-key-id":"arn:aws:kms:us-east-1:210987654321:key/1b2c3d4e-5f60-7182-93a4-b5c6d7e8f901"}"#,
        r#"{"x-amz-server-side-encryption":"aws:kms","x-amz-version-id":"3HL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY","x-amz-id-2":"eftixk72aD6Ap51TnqcoF8eFidJG9Z/2mkiDFu8yU9AS1ed4OpIszj7UDNEHGran"}"#,
    ),
    (
        "kms.amazonaws.com",
        "Decrypt",
        true,
        r#"{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::acme-artifacts-prod/builds/2026/01/service-catalog/4711","aws:lambda:FunctionArn":"arn:aws:lambda:us-east-1:210987654321:function:resize"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT","keyId":"arn:aws:kms:us-east-1:210987654321:key/1b2c3d4e-5f60-7182-93a4-b5c6d7e8f901"}"#,
        "null",
    ),
    (
        "sts.amazonaws.com",
        "AssumeRole",
        true,
        r#"{"roleArn":"arn:aws:iam::210987654321:role/service-role/pipeline","roleSessionName":"pipeline-4711","externalId":"b6e0","policy":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"ec2:*\",\"Resource\":\"*\",\"Condition\":{\"StringEquals\":{\"aws:SourceAccount\":\"210987654321\"}}}]}","durationSeconds":3600}"#,
        r#"{"credentials":{"accessKeyId":"ASIAIOSFODNN7EXAMPLE","sessionToken":"IQoJb3JpZ2luX2VjEMv//////////wEaCXVzLWVhc3QtMSJHMEUCIFhKk0b0Y3n7mBr3mJ3Vg8m2y6qzqTqfY3o8F8Z5n0KLAiEAo9sZkQ4x0w","expiration":"Jan 1, 2026, 1:00:00 PM"},"assumedRoleUser":{"assumedRoleId":"AROAIOSFODNN7EXAMPLE:pipeline-4711","arn":"arn:aws:sts::210987654321:assumed-role/pipeline/pipeline-4711"}}"#,
    ),
    (
        "logs.amazonaws.com",
        "CreateLogStream",
        false,
        r#"{"logGroupName":"/aws/lambda/resize-images","logStreamName":"2026/01/01/[$LATEST]8c7d6e5f4a3b2c1d0e9f8a7b6c5d4e3f"}"#,
        "null",
    ),
    (
        "dynamodb.amazonaws.com",
        "DescribeTable",
        true,
        r#"{"tableName":"sessions","returnConsumedCapacity":"TOTAL","expected":{"owner":[{"exists":true,"value":"[]{}\\"}]}}"#,
        "null",
    ),
    (
        "lambda.amazonaws.com",
        "UpdateFunctionCode20150331v2",
        false,
        r#"{"functionName":"arn:aws:lambda:us-east-1:210987654321:function:resize","publish":false,"dryRun":false,"s3Bucket":"acme-artifacts-prod","s3Key":"lambda/resize/4711.zip"}"#,
        r#"{"functionName":"resize","runtime":"python3.12","role":"arn:aws:iam::210987654321:role/resize","handler":"main.handler","codeSize":1048576,"description":"Größe ändern – \"schnell\" \u00fcberall","timeout":30,"memorySize":512,"codeSha256":"bm90IGEgcmVhbCBoYXNoLCBidXQgbG9uZw==","version":"$LATEST","vpcConfig":{"subnetIds":[],"securityGroupIds":[]},"environment":{}}"#,
    ),
    (
        "iam.amazonaws.com",
        "PutRolePolicy",
        false,
        r#"{"roleName":"batch-node","policyName":"inline","policyDocument":"{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n      \"Action\": [\"s3:GetObject\", \"s3:ListBucket\"],\n      \"Resource\": \"arn:aws:s3:::acme-*\"\n    }\n  ]\n}"}"#,
        "null",
    ),
    // EC2's name in places that do not count.
    (
        "events.amazonaws.com",
        "PutRule",
        false,
        r#"{"name":"instances","eventPattern":"{\"source\":[\"aws.ec2\"],\"detail\":{\"eventSource\":\"ec2.amazonaws.com\",\"eventName\":[\"RunInstances\"]}}","state":"ENABLED","eventSource":"ec2.amazonaws.com","eventName":"RunInstances"}"#,
        r#"{"ruleArn":"arn:aws:events:us-east-1:210987654321:rule/instances"}"#,
    ),
    (
        "autoscaling.amazonaws.com",
        "DescribeAutoScalingGroups",
        true,
        r#"{"maxRecords":100,"autoScalingGroupNames":["web","batch"]}"#,
        "null",
    ),
    (
        "ec2.amazonaws.com",
        "DescribeInstances",
        true,
        r#"{"maxResults":1000,"instancesSet":{},"filterSet":{"items":[{"name":"instance-state-name","valueSet":{"items":[{"value":"running"}]}}]}}"#,
        "null",
    ),
    (
        "ec2.amazonaws.com",
        "CreateNetworkInterface",
        false,
        r#"{"subnetId":"subnet-0a1b2c3d4e5f60718","description":"ELB app/web/50dc6c495c0c9188","groupSet":{"items":[{"groupId":"sg-0a1b2c3d4e5f60718"}]},"privateIpAddressesSet":{},"clientToken":"2f1c"}"#,
        r#"{"requestId":"0a1b","networkInterface":{"networkInterfaceId":"eni-0a1b2c3d4e5f60718","subnetId":"subnet-0a1b2c3d4e5f60718","vpcId":"vpc-0f9e8d7c6b5a40312","availabilityZone":"us-east-1a","ownerId":"210987654321","requesterManaged":false,"status":"pending","macAddress":"0a:1b:2c:3d:4e:5f","privateIpAddress":"10.0.1.17","sourceDestCheck":true,"groupSet":{"items":[{"groupId":"sg-0a1b2c3d4e5f60718","groupName":"web"}]}}}"#,
    ),
    (
        "ec2.amazonaws.com",
        "CreateTags",
        false,
        r#"{"resourcesSet":{"items":[{"resourceId":"i-0a1b2c3d4e5f60718"},{"resourceId":"vol-0a1b2c3d4e5f60718"}]},"tagSet":{"items":[{"key":"cloudigrade-rhel-present","value":""},{"key":"Name","value":"web"}]}}"#,
        r#"{"requestId":"0a1b","_return":true}"#,
    ),
];

/// Account, region and time of a record.
pub(super) struct RecordOrigin<'a> {
    pub(super) account: &'a str,
    pub(super) region: &'a str,
    pub(super) at: i64,
}

impl RecordOrigin<'_> {
    fn envelope<'a>(&'a self, event_id: &'a str) -> Envelope<'a> {
        Envelope {
            account: self.account,
            region: self.region,
            at: self.at,
            source: "ec2.amazonaws.com",
            name: "StopInstances",
            event_id,
            caller: CallerIdentity::Role,
            read_only: false,
            error: None,
        }
    }

    /// A record of some other call.
    pub(super) fn other(&self, out: &mut String, random: &mut Random) -> Skip {
        // EC2's own calls are few beside those of all other services.
        let count = if random.chance(0.9) { 9 } else { SHAPES.len() };
        let (source, name, read_only, request, response) = SHAPES[random.index(count)];
        let id = event_id(random);
        let envelope = Envelope {
            source,
            name,
            read_only,
            ..self.envelope(&id)
        };
        envelope.write(out, random, request, response);
        match (source, read_only) {
            ("ec2.amazonaws.com", true) => Skip::ReadOnly,
            ("ec2.amazonaws.com", false) => Skip::Irrelevant,
            _ => Skip::OtherSource,
        }
    }

    /// A call that would have ended `instance`, had it not been refused.
    pub(super) fn failed(
        &self,
        out: &mut String,
        instance: &GeneratedInstance,
        random: &mut Random,
    ) -> Skip {
        let id = event_id(random);
        let refusal = random.pick(&[
            "Client.UnauthorizedOperation",
            "Client.DryRunOperation",
            "Server.InsufficientInstanceCapacity",
        ]);
        let error = Some((refusal, "You are not authorized to perform this operation."));
        let request = format!(
            r#"{{"instancesSet":{{"items":[{{"instanceId":"{}"}}]}},"force":false}}"#,
            instance.id
        );
        Envelope {
            error,
            ..self.envelope(&id)
        }
        .write(out, random, &request, "null");
        Skip::FailedCall
    }

    /// A record that is not of the shape of its kind.
    pub(super) fn broken(&self, out: &mut String, random: &mut Random) -> Skip {
        let id = event_id(random);
        match random.below(5) {
            0 => self.envelope(&id).write(out, random, "null", "null"),
            1 => {
                self.envelope(&id)
                    .write(out, random, r#"{"instancesSet":{"items":"i-1"}}"#, "null")
            }
            2 => Envelope {
                name: "RunInstances",
                ..self.envelope(&id)
            }
            .write(out, random, r#"{"instanceType":[]}"#, "[]"),
            3 => out.push_str("null"),
            _ => out.push_str(r#"{"eventSource":"ec2.amazonaws.com"}"#),
        }
        Skip::Malformed
    }
}
