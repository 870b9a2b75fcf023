mod documents;

use rstest::rstest;
use serde_json::{Value, json};

use super::{
    EventKind, ImageTag, InstanceEvent, LogError, LogFile, LookReason, LookRequest, Tag, parse,
};

const ACCOUNT: &str = "210987654321";
const TIME: &str = "2026-11-22T10:00:00Z";

/// A record as EC2 writes it, with `parts` put over it. A part that is null is written as null.
fn record(name: &str, parts: Value) -> Value {
    let mut record = json!({
        "eventVersion": "1.10",
        "userIdentity": {"type": "AssumedRole", "accountId": ACCOUNT, "sessionContext": {"attributes": {}}},
        "eventTime": TIME,
        "eventSource": "ec2.amazonaws.com",
        "eventName": name,
        "awsRegion": "us-east-1",
        "sourceIPAddress": "198.51.100.7",
        "requestParameters": null,
        "responseElements": null,
        "eventID": "e-1",
        "readOnly": false,
        "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT,
    });
    for (key, value) in parts.as_object().cloned().unwrap_or_default() {
        record[key] = value;
    }
    record
}

fn read(records: &[Value]) -> LogFile {
    parse(json!({ "Records": records }).to_string().as_bytes()).expect("a log file")
}

fn event(kind: EventKind, instance_id: &str) -> InstanceEvent {
    InstanceEvent {
        event_id: "e-1".into(),
        account_id: ACCOUNT.into(),
        region: "us-east-1".into(),
        instance_id: instance_id.into(),
        image_id: None,
        instance_type: None,
        at: TIME.parse().expect("a time"),
        kind,
    }
}

fn tag(tag: Tag, present: bool, image_id: &str) -> ImageTag {
    ImageTag {
        event_id: "e-1".into(),
        account_id: ACCOUNT.into(),
        region: "us-east-1".into(),
        image_id: image_id.into(),
        tag,
        present,
        at: TIME.parse().expect("a time"),
    }
}

#[test]
fn a_launch_of_several_types_gives_each_instance_its_own() {
    let file = read(&[record(
        "RunInstances",
        json!({
            "requestParameters": {
                "instancesSet": {"items": [{"imageId": "ami-1", "minCount": 1, "maxCount": 3}]},
                "instanceType": "t3.micro",
            },
            "responseElements": {"reservationId": "r-1", "instancesSet": {"items": [
                {"instanceId": "i-1", "imageId": "ami-1", "instanceType": "t3.micro", "instanceState": {"code": 0}},
                {"instanceId": "i-2", "imageId": "ami-1", "instanceType": "m5.large"},
                {"instanceId": "i-3", "imageId": "ami-1"},
            ]}},
        }),
    )]);
    let launched = |id, instance_type: &str| InstanceEvent {
        image_id: Some("ami-1".into()),
        instance_type: Some(instance_type.into()),
        ..event(EventKind::PowerOn, id)
    };
    assert_eq!(
        file.instance_events,
        [
            launched("i-1", "t3.micro"),
            launched("i-2", "m5.large"),
            launched("i-3", "t3.micro")
        ]
    );
    assert_eq!(file.records, 1);
}

#[rstest]
#[case("StartInstances", EventKind::PowerOn)]
#[case("StartInstance", EventKind::PowerOn)]
#[case("StopInstances", EventKind::PowerOff)]
#[case("TerminateInstances", EventKind::PowerOff)]
fn a_call_that_names_many_instances_is_an_event_for_each(
    #[case] name: &str,
    #[case] kind: EventKind,
) {
    let instances =
        json!({"instancesSet": {"items": [{"instanceId": "i-1"}, {"instanceId": "i-2"}]}});
    let file = read(&[record(
        name,
        json!({"requestParameters": instances, "responseElements": instances}),
    )]);
    assert_eq!(
        file.instance_events,
        [event(kind, "i-1"), event(kind, "i-2")]
    );
}

#[test]
fn a_left_out_response_is_made_up_for_by_the_request() {
    let file = read(&[record(
        "StopInstances",
        json!({
            "requestParameters": {"instancesSet": {"items": [{"instanceId": "i-1"}]}, "force": false},
            "responseElements": {"omitted": true, "originalSize": 123_456, "reason": "too large"},
        }),
    )]);
    assert_eq!(file.instance_events, [event(EventKind::PowerOff, "i-1")]);
}

#[test]
fn a_spot_instance_taken_back_goes_off() {
    let file = read(&[record(
        "BidEvictedEvent",
        json!({
            "userIdentity": {"accountId": ACCOUNT, "invokedBy": "ec2.amazonaws.com"},
            "eventType": "AwsServiceEvent",
            "serviceEventDetails": {"instanceIdSet": ["i-1", "i-2"]},
        }),
    )]);
    assert_eq!(
        file.instance_events,
        [
            event(EventKind::PowerOff, "i-1"),
            event(EventKind::PowerOff, "i-2")
        ]
    );
}

#[test]
fn an_eviction_that_names_no_account_is_its_files() {
    // As recorded in 2026; the spelling with capitals is that of the first ones, of 2016.
    for capitals in [false, true] {
        let mut evicted = record(
            "BidEvictedEvent",
            json!({
                "userIdentity": {"invokedBy": "ec2.amazonaws.com"},
                "eventType": "AwsServiceEvent",
                "serviceEventDetails": {"instanceIdSet": ["i-1"]},
            }),
        );
        let fields = evicted.as_object_mut().expect("an object");
        fields.remove("recipientAccountId");
        fields.remove("userIdentity");
        if capitals {
            fields.remove("requestParameters");
            fields.remove("responseElements");
            fields.insert("RequestParameters".into(), Value::Null);
            fields.insert("ResponseElements".into(), Value::Null);
        }
        let expected = InstanceEvent {
            account_id: String::new(),
            ..event(EventKind::PowerOff, "i-1")
        };
        assert_eq!(read(&[evicted]).instance_events, [expected]);
    }
}

#[rstest]
#[case::auto_scaling_begins_to_end_it("TerminateInstanceInAutoScalingGroup", LookReason::AutoScalingTermination, json!({
    "eventSource": "autoscaling.amazonaws.com",
    "requestParameters": {"instanceId": "i-1", "shouldDecrementDesiredCapacity": true},
    "responseElements": {"activity": {"statusCode": "InProgress"}},
}))]
#[case::response_left_out("RunInstances", LookReason::IdsOmitted, json!({
    "requestParameters": {"instancesSet": {"items": [{"imageId": "ami-1", "minCount": 900, "maxCount": 900}]}, "instanceType": "m5.large"},
    "responseElements": {"omitted": true, "originalSize": 123_456, "reason": "too large"},
}))]
#[case::no_response("RunInstances", LookReason::IdsOmitted, json!({
    "requestParameters": {"instancesSet": {"items": [{"imageId": "ami-1"}]}},
}))]
#[case::list_left_out("RunInstances", LookReason::IdsOmitted, json!({
    "requestParameters": {"omitted": true}, "responseElements": {"reservationId": "r-1", "instancesSet": {"omitted": true}},
}))]
#[case::license_converted("CreateLicenseConversionTaskForResource", LookReason::LicenseConversion, json!({
    "eventSource": "license-manager.amazonaws.com",
    "requestParameters": {
        "resourceArn": "arn:aws:ec2:us-east-1:210987654321:instance/i-1",
        "sourceLicenseContext": {"usageOperation": "RunInstances:0010"},
        "destinationLicenseContext": {"usageOperation": "RunInstances:00g0"},
    },
    "responseElements": {"licenseConversionTaskId": "lct-1"},
}))]
#[case::root_replaced("CreateReplaceRootVolumeTask", LookReason::RootVolume, json!({
    "requestParameters": {"CreateReplaceRootVolumeTaskRequest": {"InstanceId": "i-1", "ImageId": "ami-2"}},
}))]
fn what_a_record_can_not_tell_is_asked_for(
    #[case] name: &str,
    #[case] reason: LookReason,
    #[case] parts: Value,
) {
    let file = read(&[record(name, parts)]);
    let expected = LookRequest {
        account_id: ACCOUNT.into(),
        region: "us-east-1".into(),
        at: TIME.parse().expect("a time"),
        reason,
    };
    assert_eq!(file.looks, [expected]);
    assert_eq!((file.instance_events.len(), skipped(&file)), (0, [0; 5]));
}

#[rstest]
#[case::no_account_of_the_caller(json!({"type": "AWSService", "invokedBy": "autoscaling.amazonaws.com"}))]
#[case::empty_account(json!({"accountId": ""}))]
#[case::no_caller(Value::Null)]
fn without_the_callers_account_the_recipients_counts(#[case] caller: Value) {
    let request = json!({"instancesSet": {"items": [{"instanceId": "i-1"}]}});
    let file = read(&[record(
        "TerminateInstances",
        json!({"userIdentity": caller, "requestParameters": request}),
    )]);
    assert_eq!(file.instance_events, [event(EventKind::PowerOff, "i-1")]);
}

#[rstest]
#[case::own_parameter(json!({"instanceId": "i-1", "instanceType": {"value": "m5.large"}}))]
#[case::by_attribute_name(json!({"instanceId": "i-1", "attribute": "instanceType", "value": "m5.large"}))]
fn a_change_of_type_is_an_event(#[case] request: Value) {
    let file = read(&[record(
        "ModifyInstanceAttribute",
        json!({"requestParameters": request}),
    )]);
    let changed = InstanceEvent {
        instance_type: Some("m5.large".into()),
        ..event(EventKind::AttributeChange, "i-1")
    };
    assert_eq!(file.instance_events, [changed]);
}

#[rstest]
#[case::rhel("CreateTags", json!([{"key": "cloudigrade-rhel-present", "value": "no"}]), &[(Tag::Rhel, true)])]
#[case::openshift("CreateTags", json!([{"key": "cloudigrade-ocp-present"}, {"key": "Name"}]), &[(Tag::OpenShift, true)])]
#[case::removed("DeleteTags", json!([{"key": "cloudigrade-rhel-present"}]), &[(Tag::Rhel, false)])]
#[case::all_removed("DeleteTags", json!([]), &[(Tag::Rhel, false), (Tag::OpenShift, false)])]
fn tags_on_images(#[case] name: &str, #[case] keys: Value, #[case] expected: &[(Tag, bool)]) {
    let resources =
        json!([{"resourceId": "ami-1"}, {"resourceId": "i-1"}, {"resourceId": "snap-1"}]);
    let request = json!({"resourcesSet": {"items": resources}, "tagSet": {"items": keys}});
    let file = read(&[record(name, json!({"requestParameters": request}))]);
    let expected: Vec<_> = expected
        .iter()
        .map(|&(key, present)| tag(key, present, "ami-1"))
        .collect();
    assert_eq!(file.image_tags, expected);
}

#[rstest]
#[case::null(json!({"resourcesSet": {"items": [{"resourceId": "ami-1"}]}, "tagSet": null}))]
#[case::absent(json!({"resourcesSet": {"items": [{"resourceId": "ami-1"}]}}))]
#[case::empty(json!({"resourcesSet": {"items": [{"resourceId": "ami-1"}]}, "tagSet": {}}))]
fn deleting_without_a_list_of_keys_deletes_all(#[case] request: Value) {
    let file = read(&[record("DeleteTags", json!({"requestParameters": request}))]);
    assert_eq!(
        file.image_tags,
        [
            tag(Tag::Rhel, false, "ami-1"),
            tag(Tag::OpenShift, false, "ami-1")
        ]
    );
}

#[test]
fn several_images_are_tagged_at_once() {
    let request = json!({
        "resourcesSet": {"items": [{"resourceId": "ami-1"}, {"resourceId": "ami-2"}]},
        "tagSet": {"items": [{"key": "cloudigrade-rhel-present"}]},
    });
    let file = read(&[record("CreateTags", json!({"requestParameters": request}))]);
    assert_eq!(
        file.image_tags,
        [tag(Tag::Rhel, true, "ami-1"), tag(Tag::Rhel, true, "ami-2")]
    );
}

/// The counters in the order of [`super::Skipped`].
fn skipped(file: &LogFile) -> [u64; 5] {
    let skipped = &file.skipped;
    [
        skipped.other_source,
        skipped.failed_call,
        skipped.read_only,
        skipped.irrelevant,
        skipped.malformed,
    ]
}

#[rstest]
#[case::other_service("PutObject", json!({"eventSource": "s3.amazonaws.com"}), [1, 0, 0, 0, 0])]
#[case::other_call_of_auto_scaling("UpdateAutoScalingGroup", json!({"eventSource": "autoscaling.amazonaws.com"}), [1, 0, 0, 0, 0])]
#[case::refused("StopInstances", json!({"errorCode": "Client.UnauthorizedOperation"}), [0, 1, 0, 0, 0])]
#[case::dry_run("RunInstances", json!({"errorCode": "Client.DryRunOperation"}), [0, 1, 0, 0, 0])]
#[case::reads_only("DescribeInstances", json!({"readOnly": true}), [0, 0, 1, 0, 0])]
#[case::reboot("RebootInstances", json!({}), [0, 0, 0, 1, 0])]
#[case::other_attribute("ModifyInstanceAttribute", json!({"requestParameters": {"instanceId": "i-1", "ebsOptimized": {"value": true}}}), [0, 0, 0, 1, 0])]
#[case::other_attribute_by_name("ModifyInstanceAttribute", json!({"requestParameters": {"instanceId": "i-1", "attribute": "kernel", "value": "aki-1"}}), [0, 0, 0, 1, 0])]
#[case::other_tag("CreateTags", json!({"requestParameters": {"resourcesSet": {"items": [{"resourceId": "ami-1"}]}, "tagSet": {"items": [{"key": "Name"}]}}}), [0, 0, 0, 1, 0])]
#[case::no_image("CreateTags", json!({"requestParameters": {"resourcesSet": {"items": [{"resourceId": "i-1"}]}, "tagSet": {"items": [{"key": "cloudigrade-rhel-present"}]}}}), [0, 0, 0, 1, 0])]
#[case::creating_no_tags("CreateTags", json!({"requestParameters": {"resourcesSet": {"items": [{"resourceId": "ami-1"}]}}}), [0, 0, 0, 1, 0])]
fn what_changes_nothing_is_counted_by_reason(
    #[case] name: &str,
    #[case] parts: Value,
    #[case] expected: [u64; 5],
) {
    let file = read(&[record(name, parts)]);
    assert_eq!(skipped(&file), expected, "{:?}", file.skipped.reasons);
    assert_eq!((file.instance_events.len(), file.image_tags.len()), (0, 0));
}

#[rstest]
#[case::empty_error_code(json!({"errorCode": ""}))]
#[case::null_error_code(json!({"errorCode": null}))]
#[case::no_read_only(json!({"readOnly": null}))]
#[case::escaped_source(json!({}))]
fn success_is_success_however_it_is_written(#[case] parts: Value) {
    let mut stop = record("StopInstances", parts);
    stop["requestParameters"] = json!({"instancesSet": {"items": [{"instanceId": "i-1"}]}});
    let text = json!({ "Records": [stop] })
        .to_string()
        .replace("ec2.amazonaws.com", r"ec2.amazonaws.c\u006fm");
    let file = parse(text.as_bytes()).expect("a log file");
    assert_eq!(file.instance_events, [event(EventKind::PowerOff, "i-1")]);
}

#[rstest]
#[case::not_an_object(json!(42), "record 1: not the shape of a CloudTrail record")]
#[case::null(Value::Null, "record 1: not the shape of a CloudTrail record")]
#[case::no_name(json!({"eventSource": "ec2.amazonaws.com"}), "missing field `eventName`")]
#[case::bad_time(record("StopInstances", json!({"eventTime": "yesterday"})), "StopInstances: ")]
#[case::no_parameters(record("StopInstances", json!({})), "StopInstances e-1 has no instance id")]
#[case::list_of_the_wrong_type(record("TerminateInstances", json!({"responseElements": {"instancesSet": {"items": "i-1"}}})), "TerminateInstances: invalid type")]
#[case::nobodys(record("StopInstances", json!({"userIdentity": null, "recipientAccountId": null, "requestParameters": {"instancesSet": {"items": [{"instanceId": "i-1"}]}}})), "StopInstances e-1 has no account id")]
#[case::tags_on_nothing(record("DeleteTags", json!({})), "DeleteTags e-1 has no resource id")]
fn a_bad_record_is_counted_with_its_reason_and_the_rest_is_read(
    #[case] bad: Value,
    #[case] reason: &str,
) {
    let good = record(
        "StopInstances",
        json!({"requestParameters": {"instancesSet": {"items": [{"instanceId": "i-1"}]}}}),
    );
    let file = read(&[good.clone(), bad, good]);
    assert_eq!(skipped(&file), [0, 0, 0, 0, 1]);
    assert!(
        file.skipped.reasons[0].contains(reason),
        "{:?}",
        file.skipped.reasons
    );
    assert_eq!(file.instance_events.len(), 2);
    assert_eq!(file.records, 3);
}

#[test]
fn only_the_first_bad_records_are_described_and_briefly() {
    let bad = record("StopInstances", json!({"eventTime": "x".repeat(100_000)}));
    let file = read(&vec![bad; 1_000]);
    assert_eq!(file.skipped.malformed, 1_000);
    assert_eq!(file.skipped.reasons.len(), 5);
    assert!(
        file.skipped
            .reasons
            .iter()
            .all(|reason| reason.len() <= 300)
    );
}
