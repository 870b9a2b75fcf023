//! The envelope of a record: the fields that every kind has.

use std::fmt::Write;

use jiff::Timestamp;

use super::random::Random;

pub(super) const REGIONS: [&str; 8] = [
    "us-east-1",
    "eu-west-1",
    "us-west-2",
    "eu-central-1",
    "ap-southeast-1",
    "sa-east-1",
    "ap-northeast-1",
    "ca-central-1",
];

/// The caller of an API call.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum CallerIdentity {
    /// The session of a person or program.
    Role,
    /// A service, in a session of its own role.
    ServiceRole(&'static str),
    /// A service as itself, without an account.
    Service(&'static str),
    /// AWS, of its own accord, about this account.
    Account,
}

pub(super) struct Envelope<'a> {
    pub(super) account: &'a str,
    pub(super) region: &'a str,
    pub(super) at: i64,
    pub(super) source: &'a str,
    pub(super) name: &'a str,
    pub(super) event_id: &'a str,
    pub(super) caller: CallerIdentity,
    pub(super) read_only: bool,
    pub(super) error: Option<(&'a str, &'a str)>,
}

/// A time as CloudTrail writes it.
pub(super) struct Time(pub(super) i64);

impl std::fmt::Display for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Timestamp::from_second(self.0).unwrap_or_default().fmt(f)
    }
}

impl Envelope<'_> {
    /// Writes the record; `request` and `response` are JSON.
    pub(super) fn write(
        &self,
        out: &mut String,
        random: &mut Random,
        request: &str,
        response: &str,
    ) {
        let Self {
            account,
            region,
            at,
            source,
            name,
            event_id,
            ..
        } = self;
        out.push_str(r#"{"eventVersion":"1.10","userIdentity":"#);
        self.caller(out, random);
        let agent = match self.caller {
            CallerIdentity::Role => random.pick(&[
                "aws-cli/2.17.20 md/awscrt#0.20.11 ua/2.0 os/linux#5.10.0 md/arch#x86_64 lang/python#3.11.8 md/pyimpl#CPython cfg/retry-mode#standard md/installer#exe md/prompt#off md/command#ec2",
                "APN/1.0 HashiCorp/1.0 Terraform/1.9.2 (+https://www.terraform.io) terraform-provider-aws/5.58.0 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.30.1 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#amd64 api/ec2#1.168.0",
                "Boto3/1.34.131 md/Botocore#1.34.131 ua/2.0 os/linux#6.1.94-99.176.amzn2023.x86_64 md/arch#x86_64 lang/python#3.9.16 md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.34.131",
            ]),
            CallerIdentity::ServiceRole(service) | CallerIdentity::Service(service) => service,
            CallerIdentity::Account => source,
        };
        let address = random.next();
        let (a, b) = (address % 256, (address >> 8) % 256);
        let _ = write!(
            out,
            r#","eventTime":"{}","eventSource":"{source}","eventName":"{name}","awsRegion":"{region}","sourceIPAddress":"10.44.{a}.{b}","userAgent":"{agent}""#,
            Time(*at)
        );
        if let Some((code, message)) = self.error {
            let _ = write!(out, r#","errorCode":"{code}","errorMessage":"{message}""#);
        }
        let kind = if self.caller == CallerIdentity::Account {
            "AwsServiceEvent"
        } else {
            "AwsApiCall"
        };
        let _ = write!(
            out,
            r#","requestParameters":{request},"responseElements":{response},"requestID":"{:08x}-5c1f-4f9a-9d5e-{:012x}","eventID":"{event_id}","readOnly":{},"eventType":"{kind}","managementEvent":true,"recipientAccountId":"{account}","eventCategory":"Management""#,
            address >> 32,
            random.next() >> 16,
            self.read_only
        );
        if self.caller == CallerIdentity::Role {
            let host = source.strip_suffix(".amazonaws.com").unwrap_or(source);
            let _ = write!(
                out,
                r#","tlsDetails":{{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"{host}.{region}.amazonaws.com"}},"sessionCredentialFromConsole":"true""#
            );
        }
        out.push('}');
    }

    fn caller(&self, out: &mut String, random: &mut Random) {
        let account = self.account;
        match self.caller {
            CallerIdentity::Role | CallerIdentity::ServiceRole(_) => {
                let key = random.next() >> 8;
                let (role, path) = match self.caller {
                    CallerIdentity::Role => {
                        (random.pick(&["deploy", "platform-admin", "batch-node"]), "")
                    }
                    _ => (
                        "AWSServiceRoleForAutoScaling",
                        "aws-service-role/autoscaling.amazonaws.com/",
                    ),
                };
                let session = random.pick(&[
                    "i-0f3a9d2c4b5e6a7d8",
                    "jane.doe@example.com",
                    "pipeline-4711",
                ]);
                let _ = write!(
                    out,
                    r#"{{"type":"AssumedRole","principalId":"AROA{key:014X}XX:{session}","arn":"arn:aws:sts::{account}:assumed-role/{role}/{session}","accountId":"{account}","accessKeyId":"ASIA{key:014X}XX","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROA{key:014X}XX","arn":"arn:aws:iam::{account}:role/{path}{role}","accountId":"{account}","userName":"{role}"}},"attributes":{{"creationDate":"{}","mfaAuthenticated":"false"}}"#,
                    Time(self.at - 1_800)
                );
                if role == "batch-node" {
                    out.push_str(r#","ec2RoleDelivery":"2.0""#);
                }
                out.push('}');
                if let CallerIdentity::ServiceRole(service) = self.caller {
                    let _ = write!(out, r#","invokedBy":"{service}""#);
                }
                out.push('}');
            }
            CallerIdentity::Service(service) => {
                let _ = write!(out, r#"{{"type":"AWSService","invokedBy":"{service}"}}"#);
            }
            CallerIdentity::Account => {
                let _ = write!(
                    out,
                    r#"{{"accountId":"{account}","invokedBy":"ec2.amazonaws.com"}}"#
                );
            }
        }
    }
}
