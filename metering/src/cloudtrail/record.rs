//! One record: is it about metering, and if so, what does it say?
//!
//! Most records of an account are about something else. The [`Header`] tells so, and only what passes is
//! read in full.

use jiff::Timestamp;
use serde::Deserialize;

use super::file::Record;
use super::header::Header;
use super::{EventKind, ImageTag, InstanceEvent, Tag};

/// What a record means for metering.
pub(super) enum Meaning {
    Instances(Vec<InstanceEvent>),
    Tags(Vec<ImageTag>),
    None(Reason),
}

/// Why a sound record means nothing for metering.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason {
    OtherSource,
    FailedCall,
    ReadOnly,
    Irrelevant,
}

/// What is wrong with a record.
#[derive(Debug, thiserror::Error)]
pub(super) enum Malformed {
    #[error("not the shape of a CloudTrail record: {0}")]
    Header(serde_json::Error),
    #[error("{name}: {source}")]
    Body {
        name: String,
        source: serde_json::Error,
    },
    #[error("{name} {id} has no {what}")]
    Missing {
        name: String,
        id: String,
        what: &'static str,
    },
}

pub(super) fn read(record: Record<'_>) -> Result<Meaning, Malformed> {
    let header = match record.header {
        Some(header) => header,
        None => Header::read(record.bytes).map_err(Malformed::Header)?,
    };
    let action = match action(&header) {
        Ok(action) => action,
        Err(reason) => return Ok(Meaning::None(reason)),
    };
    let mut body: Body =
        serde_json::from_slice(record.bytes).map_err(|source| Malformed::Body {
            name: header.name.clone().into_owned(),
            source,
        })?;
    let meaning = match action {
        Action::Power(kind) => body.power(kind),
        Action::TypeChange => body.type_change(),
        Action::Tags { present } => body.tags(present),
    };
    meaning.map_err(|what| Malformed::Missing {
        name: header.name.into_owned(),
        id: body.event_id,
        what,
    })
}

enum Action {
    Power(EventKind),
    TypeChange,
    Tags { present: bool },
}

fn action(header: &Header<'_>) -> Result<Action, Reason> {
    // Auto Scaling has one call of its own that ends an instance; all else comes from EC2, also when
    // another service asks EC2 for it.
    let relevant_source = match &*header.source {
        "ec2.amazonaws.com" => true,
        "autoscaling.amazonaws.com" => header.name == END_BY_AUTO_SCALING,
        _ => false,
    };
    if !relevant_source {
        return Err(Reason::OtherSource);
    }
    if header.failed {
        return Err(Reason::FailedCall);
    }
    if header.read_only {
        return Err(Reason::ReadOnly);
    }
    match &*header.name {
        // The singular is not what EC2 calls it today; old logs are said to have it.
        "RunInstances" | "StartInstances" | "StartInstance" => {
            Ok(Action::Power(EventKind::PowerOn))
        }
        // A spot instance that AWS takes back has no call that ends it, only this event.
        "StopInstances" | "TerminateInstances" | END_BY_AUTO_SCALING | "BidEvictedEvent" => {
            Ok(Action::Power(EventKind::PowerOff))
        }
        "ModifyInstanceAttribute" => Ok(Action::TypeChange),
        "CreateTags" => Ok(Action::Tags { present: true }),
        "DeleteTags" => Ok(Action::Tags { present: false }),
        _ => Err(Reason::Irrelevant),
    }
}

const END_BY_AUTO_SCALING: &str = "TerminateInstanceInAutoScalingGroup";

/// The fields of a relevant record that count. CloudTrail writes `null` for parts a call does not have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    #[serde(rename = "eventID")]
    event_id: String,
    event_time: Timestamp,
    aws_region: String,
    user_identity: Option<UserIdentity>,
    recipient_account_id: Option<String>,
    request_parameters: Option<Request>,
    response_elements: Option<Response>,
    service_event_details: Option<ServiceEventDetails>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserIdentity {
    account_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    instance_id: Option<String>,
    instance_type: Option<AttributeValue>,
    attribute: Option<String>,
    value: Option<AttributeValue>,
    instances_set: Option<Items<Instance>>,
    resources_set: Option<Items<Resource>>,
    tag_set: Option<Items<TagKey>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    instances_set: Option<Items<Instance>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceEventDetails {
    instance_id_set: Option<Vec<String>>,
}

/// How EC2 writes a list.
#[derive(Deserialize)]
struct Items<T> {
    items: Option<Vec<T>>,
}

impl<T> Items<T> {
    fn of(list: Option<Self>) -> Vec<T> {
        list.and_then(|list| list.items).unwrap_or_default()
    }
}

/// An instance as requests and responses name it. A launch request has an item with an image and no id.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Instance {
    instance_id: Option<String>,
    image_id: Option<String>,
    instance_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    resource_id: String,
}

#[derive(Deserialize)]
struct TagKey {
    key: String,
}

/// A launch writes a type as a string, a change of attribute as an object.
#[derive(Deserialize)]
#[serde(untagged)]
enum AttributeValue {
    Plain(String),
    Wrapped { value: String },
}

impl From<AttributeValue> for String {
    fn from(value: AttributeValue) -> Self {
        match value {
            AttributeValue::Plain(value) | AttributeValue::Wrapped { value } => value,
        }
    }
}

/// What a record lacks that its kind must have.
type Lack = &'static str;

impl Body {
    fn power(&mut self, kind: EventKind) -> Result<Meaning, Lack> {
        let account_id = self.account_id()?;
        let request = self.request_parameters.take().unwrap_or_default();
        let launched_type = request.instance_type.map(String::from);
        let mut instances = Items::of(
            self.response_elements
                .take()
                .unwrap_or_default()
                .instances_set,
        );
        if instances.is_empty() {
            // CloudTrail leaves out a response that is too large; a service's own event never has one.
            instances = Items::of(request.instances_set);
            let named = self
                .service_event_details
                .take()
                .and_then(|details| details.instance_id_set);
            instances.extend(
                named
                    .into_iter()
                    .flatten()
                    .chain(request.instance_id)
                    .map(Instance::named),
            );
        }
        let events: Vec<_> = instances
            .into_iter()
            .filter_map(|instance| {
                // Each instance of a mixed launch has its own type; the request knows but one.
                let instance_type = instance.instance_type.or_else(|| launched_type.clone());
                Some(InstanceEvent {
                    image_id: instance.image_id,
                    instance_type,
                    ..self.event(&account_id, instance.instance_id?, kind)
                })
            })
            .collect();
        if events.is_empty() {
            Err("instance id")
        } else {
            Ok(Meaning::Instances(events))
        }
    }

    fn type_change(&mut self) -> Result<Meaning, Lack> {
        let request = self.request_parameters.take().unwrap_or_default();
        // The same change can be asked for in two ways: by the type's own parameter, or by attribute name.
        let by_name = request
            .value
            .filter(|_| request.attribute.as_deref() == Some("instanceType"));
        let Some(instance_type) = request.instance_type.or(by_name).map(String::from) else {
            return Ok(Meaning::None(Reason::Irrelevant));
        };
        let account_id = self.account_id()?;
        let instance_id = request.instance_id.ok_or("instance id")?;
        Ok(Meaning::Instances(vec![InstanceEvent {
            instance_type: Some(instance_type),
            ..self.event(&account_id, instance_id, EventKind::AttributeChange)
        }]))
    }

    fn tags(&mut self, present: bool) -> Result<Meaning, Lack> {
        let request = self.request_parameters.take().unwrap_or_default();
        let resources = Items::of(request.resources_set);
        if resources.is_empty() {
            return Err("resource id");
        }
        let keys = Items::of(request.tag_set);
        // To delete tags without naming any is to delete all of them.
        let all = keys.is_empty() && !present;
        let tags = Tag::ALL
            .into_iter()
            .filter(|tag| all || keys.iter().any(|item| item.key == tag.key()));
        let images: Vec<_> = resources
            .into_iter()
            .map(|resource| resource.resource_id)
            .filter(|id| id.starts_with("ami-"))
            .collect();
        let tags: Vec<_> = tags
            .flat_map(|tag| images.iter().map(move |image| (tag, image)))
            .collect();
        if tags.is_empty() {
            return Ok(Meaning::None(Reason::Irrelevant));
        }
        let account_id = self.account_id()?;
        let tags = tags.into_iter().map(|(tag, image_id)| ImageTag {
            event_id: self.event_id.clone(),
            account_id: account_id.clone(),
            region: self.aws_region.clone(),
            image_id: image_id.clone(),
            tag,
            present,
            at: self.event_time,
        });
        Ok(Meaning::Tags(tags.collect()))
    }

    /// Whose instance or image it is. What AWS does by itself has no caller's account, only a recipient.
    fn account_id(&self) -> Result<String, Lack> {
        let caller = self
            .user_identity
            .as_ref()
            .and_then(|identity| identity.account_id.as_ref());
        let known = |id: &&String| !id.is_empty();
        let account = caller
            .filter(known)
            .or(self.recipient_account_id.as_ref().filter(known));
        account.cloned().ok_or("account id")
    }

    fn event(&self, account_id: &str, instance_id: String, kind: EventKind) -> InstanceEvent {
        InstanceEvent {
            event_id: self.event_id.clone(),
            account_id: account_id.to_owned(),
            region: self.aws_region.clone(),
            instance_id,
            image_id: None,
            instance_type: None,
            at: self.event_time,
            kind,
        }
    }
}

impl Instance {
    fn named(id: String) -> Self {
        Self {
            instance_id: Some(id),
            image_id: None,
            instance_type: None,
        }
    }
}
