//! The records of calls about instances and images, in the notation of EC2 and Auto Scaling.

use std::fmt::Write;

use super::envelope::{CallerIdentity, Envelope, REGIONS};
use super::lives::{ApiCall, CallKind, Lives};
use super::random::Random;

const EC2: &str = "ec2.amazonaws.com";
const AUTO_SCALING: &str = "autoscaling.amazonaws.com";

pub(super) fn write(
    out: &mut String,
    call: &ApiCall,
    lives: &Lives,
    account: &str,
    random: &mut Random,
) {
    let ids = items(call, lives, |out, id, _| {
        let _ = write!(out, r#"{{"instanceId":"{id}"}}"#);
    });
    let named = format!(r#"{{"instancesSet":{ids}}}"#);
    let envelope = Envelope {
        account,
        region: REGIONS[call.region],
        at: call.at,
        source: EC2,
        name: "",
        event_id: &call.event_id,
        caller: CallerIdentity::Role,
        read_only: false,
        error: None,
    };
    let (name, caller, request, response) = match call.kind {
        CallKind::Launch { fleet, wanted } => {
            let caller = if fleet {
                CallerIdentity::ServiceRole(AUTO_SCALING)
            } else {
                CallerIdentity::Role
            };
            (
                "RunInstances",
                caller,
                launch_request(call, lives, wanted),
                launched(call, lives, account),
            )
        }
        CallKind::Start => (
            "StartInstances",
            CallerIdentity::Role,
            named,
            changed(call, lives, (0, "pending"), (80, "stopped")),
        ),
        CallKind::Stop => (
            "StopInstances",
            CallerIdentity::Role,
            named,
            changed(call, lives, (64, "stopping"), (16, "running")),
        ),
        CallKind::StopUnanswered => {
            let left_out =
                r#"{"omitted":true,"originalSize":123456,"reason":"responseElements too large"}"#;
            (
                "StopInstances",
                CallerIdentity::Role,
                named,
                left_out.to_owned(),
            )
        }
        CallKind::Terminate => terminated(CallerIdentity::Role, named, call, lives),
        CallKind::TerminateByService => {
            terminated(CallerIdentity::Service(AUTO_SCALING), named, call, lives)
        }
        CallKind::ScaleIn => {
            let envelope = Envelope {
                source: AUTO_SCALING,
                ..envelope
            };
            return scale_in(out, envelope, call, lives, random);
        }
        CallKind::Evict => return evict(out, envelope, call, lives, random),
        CallKind::Resize { by_name } => (
            "ModifyInstanceAttribute",
            CallerIdentity::Role,
            resize(call, lives, by_name),
            DONE.to_owned(),
        ),
        CallKind::Tag | CallKind::Untag | CallKind::UntagAll => {
            let name = if call.kind == CallKind::Tag {
                "CreateTags"
            } else {
                "DeleteTags"
            };
            (
                name,
                CallerIdentity::Role,
                tag(call, lives),
                DONE.to_owned(),
            )
        }
    };
    Envelope {
        name,
        caller,
        ..envelope
    }
    .write(out, random, &request, &response);
}

const DONE: &str = r#"{"requestId":"59dbff89-35bd-4eac-99ed-be587EXAMPLE","_return":true}"#;

type Parts = (&'static str, CallerIdentity, String, String);

fn terminated(caller: CallerIdentity, request: String, call: &ApiCall, lives: &Lives) -> Parts {
    let response = changed(call, lives, (32, "shutting-down"), (16, "running"));
    ("TerminateInstances", caller, request, response)
}

/// `{"items":[…]}` with one item for each instance.
fn items(call: &ApiCall, lives: &Lives, mut write: impl FnMut(&mut String, &str, &str)) -> String {
    let mut list = String::from(r#"{"items":["#);
    for (position, (instance, instance_type)) in call.instances.iter().enumerate() {
        if position > 0 {
            list.push(',');
        }
        write(&mut list, &lives.instances[*instance].id, instance_type);
    }
    list.push_str("]}");
    list
}

fn changed(call: &ApiCall, lives: &Lives, now: (u8, &str), before: (u8, &str)) -> String {
    let items = items(call, lives, |out, id, _| {
        let _ = write!(
            out,
            r#"{{"instanceId":"{id}","currentState":{{"code":{},"name":"{}"}},"previousState":{{"code":{},"name":"{}"}}}}"#,
            now.0, now.1, before.0, before.1
        );
    });
    format!(r#"{{"requestId":"7b1d0c7e-9ad4-4f0b-8e6d-c2a7d6b0aa11","instancesSet":{items}}}"#)
}

fn launch_request(call: &ApiCall, lives: &Lives, wanted: usize) -> String {
    let image = &lives.images[call.image].id;
    // The request of a mixed launch names one of the types.
    let instance_type = call.instances.first().map_or("", |(_, of)| of);
    format!(
        r#"{{"instancesSet":{{"items":[{{"imageId":"{image}","minCount":1,"maxCount":{wanted},"keyName":"ops"}}]}},"instanceType":"{instance_type}","blockDeviceMapping":{{}},"availabilityZone":"{}a","monitoring":{{"enabled":false}},"disableApiTermination":false,"clientToken":"{}","tagSpecificationSet":{{"items":[{{"resourceType":"instance","tags":[{{"key":"Name","value":"web \"blue\" {{1}}"}}]}}]}}}}"#,
        REGIONS[call.region], call.event_id
    )
}

fn launched(call: &ApiCall, lives: &Lives, account: &str) -> String {
    let image = &lives.images[call.image].id;
    let region = REGIONS[call.region];
    let mut index = 0;
    let items = items(call, lives, |out, id, instance_type| {
        let _ = write!(
            out,
            r#"{{"instanceId":"{id}","imageId":"{image}","instanceState":{{"code":0,"name":"pending"}},"privateDnsName":"ip-10-0-1-{index}.ec2.internal","keyName":"ops","amiLaunchIndex":{index},"productCodes":{{}},"instanceType":"{instance_type}","launchTime":{}000,"placement":{{"availabilityZone":"{region}a","tenancy":"default"}},"monitoring":{{"state":"disabled"}},"subnetId":"subnet-0a1b2c3d4e5f60718","vpcId":"vpc-0f9e8d7c6b5a40312","privateIpAddress":"10.0.1.{index}","stateReason":{{"code":"pending","message":"pending"}},"architecture":"x86_64","rootDeviceType":"ebs","rootDeviceName":"/dev/xvda","blockDeviceMapping":{{}},"virtualizationType":"hvm","hypervisor":"xen","ebsOptimized":false,"enaSupport":true}}"#,
            call.at
        );
        index += 1;
    });
    format!(
        r#"{{"requestId":"b7c2-{}","reservationId":"r-0{:016x}","ownerId":"{account}","groupSet":{{}},"instancesSet":{items}}}"#,
        call.event_id, call.at
    )
}

fn resize(call: &ApiCall, lives: &Lives, by_name: bool) -> String {
    let mut request = String::new();
    for (instance, instance_type) in &call.instances {
        let id = &lives.instances[*instance].id;
        let _ = if by_name {
            write!(
                request,
                r#"{{"instanceId":"{id}","attribute":"instanceType","value":"{instance_type}"}}"#
            )
        } else {
            write!(
                request,
                r#"{{"instanceId":"{id}","instanceType":{{"value":"{instance_type}"}}}}"#
            )
        };
    }
    request
}

fn tag(call: &ApiCall, lives: &Lives) -> String {
    let image = &lives.images[call.image].id;
    let resources = format!(
        r#"{{"resourcesSet":{{"items":[{{"resourceId":"{image}"}},{{"resourceId":"snap-0123456789abcdef0"}}]}}"#
    );
    match call.kind {
        CallKind::UntagAll => format!("{resources}}}"),
        _ => format!(
            r#"{resources},"tagSet":{{"items":[{{"key":"Name","value":"golden"}},{{"key":"cloudigrade-rhel-present","value":""}}]}}}}"#
        ),
    }
}

fn scale_in(
    out: &mut String,
    envelope: Envelope<'_>,
    call: &ApiCall,
    lives: &Lives,
    random: &mut Random,
) {
    for (instance, _) in &call.instances {
        let id = &lives.instances[*instance].id;
        let request = format!(r#"{{"instanceId":"{id}","shouldDecrementDesiredCapacity":true}}"#);
        let response = format!(
            r#"{{"activity":{{"activityId":"{}","autoScalingGroupName":"web","statusCode":"InProgress","progress":0,"description":"Terminating EC2 instance: {id}","details":"{{\"Subnet ID\":\"subnet-0a1b\",\"Availability Zone\":\"a\"}}"}}}}"#,
            call.event_id
        );
        Envelope {
            name: "TerminateInstanceInAutoScalingGroup",
            ..envelope
        }
        .write(out, random, &request, &response);
    }
}

/// An eviction has no call, so there is neither a request nor a response.
fn evict(
    out: &mut String,
    envelope: Envelope<'_>,
    call: &ApiCall,
    lives: &Lives,
    random: &mut Random,
) {
    let ids: Vec<_> = call
        .instances
        .iter()
        .map(|(instance, _)| format!("\"{}\"", lives.instances[*instance].id))
        .collect();
    Envelope {
        name: "BidEvictedEvent",
        caller: CallerIdentity::Account,
        ..envelope
    }
    .write(out, random, "null", "null");
    out.pop();
    let _ = write!(
        out,
        r#","serviceEventDetails":{{"instanceIdSet":[{}]}}}}"#,
        ids.join(",")
    );
}
