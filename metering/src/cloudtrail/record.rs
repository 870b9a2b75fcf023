//! The meaning of one record for metering.
//!
//! Most records of an account are about something else. The [`Header`] sorts these out; only the others are read in
//! full.

use super::body::{Body, InstanceItem, Items};
use super::file::Record;
use super::header::Header;
use super::{EventKind, ImageTag, InstanceEvent, LookReason, LookRequest, Tag};

/// The meaning of a record for metering.
pub(super) enum Meaning {
    Instances(Vec<InstanceEvent>),
    Tags(Vec<ImageTag>),
    Look(LookRequest),
    None(SkipReason),
}

/// Reason for a sound record to mean nothing for metering.
#[derive(Clone, Copy, Debug)]
pub(super) enum SkipReason {
    OtherSource,
    FailedCall,
    ReadOnly,
    Irrelevant,
}

/// A record that is not of the shape of its kind.
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
        Action::Power(kind) => body.power(kind, &header.name),
        Action::Look(reason) => body.look(reason),
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
    Look(LookReason),
}

fn action(header: &Header<'_>) -> Result<Action, SkipReason> {
    // All changes come from EC2, even those that another service asks for. One call of Auto Scaling begins the end of an
    // instance, and one of License Manager says that its billing is about to change.
    let look = match (&*header.source, &*header.name) {
        ("ec2.amazonaws.com", _) => None,
        ("autoscaling.amazonaws.com", "TerminateInstanceInAutoScalingGroup") => {
            Some(LookReason::AutoScalingTermination)
        }
        ("license-manager.amazonaws.com", "CreateLicenseConversionTaskForResource") => {
            Some(LookReason::LicenseConversion)
        }
        _ => return Err(SkipReason::OtherSource),
    };
    if header.failed {
        return Err(SkipReason::FailedCall);
    }
    if header.read_only {
        return Err(SkipReason::ReadOnly);
    }
    if let Some(reason) = look {
        return Ok(Action::Look(reason));
    }
    match &*header.name {
        // EC2 has no singular today; old logs are said to have it.
        LAUNCH | "StartInstances" | "StartInstance" => Ok(Action::Power(EventKind::PowerOn)),
        // AWS takes back a spot instance without a call, with this event only.
        "StopInstances" | "TerminateInstances" | EVICTION => Ok(Action::Power(EventKind::PowerOff)),
        "ModifyInstanceAttribute" => Ok(Action::TypeChange),
        "CreateReplaceRootVolumeTask" => Ok(Action::Look(LookReason::RootVolume)),
        "CreateTags" => Ok(Action::Tags { present: true }),
        "DeleteTags" => Ok(Action::Tags { present: false }),
        _ => Err(SkipReason::Irrelevant),
    }
}

const LAUNCH: &str = "RunInstances";
const EVICTION: &str = "BidEvictedEvent";

/// The field that a record lacks.
type Lack = &'static str;

impl Body {
    fn power(&mut self, kind: EventKind, name: &str) -> Result<Meaning, Lack> {
        let account_id = match self.account_id() {
            Ok(account_id) => account_id,
            // AWS's own event can lack every account id, as seen in 2026. It belongs to its file's account.
            Err(_) if name == EVICTION => String::new(),
            Err(lack) => return Err(lack),
        };
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
                    .map(InstanceItem::named),
            );
        }
        let events: Vec<_> = instances
            .into_iter()
            .filter_map(|instance| {
                // Each instance of a mixed launch has its own type; the request names only one.
                let instance_type = instance.instance_type.or_else(|| launched_type.clone());
                Some(InstanceEvent {
                    image_id: instance.image_id,
                    instance_type,
                    ..self.event(&account_id, instance.instance_id?, kind)
                })
            })
            .collect();
        if !events.is_empty() {
            Ok(Meaning::Instances(events))
        } else if name == LAUNCH {
            // A response of hundreds of instances is left out, and the request of a launch names none.
            self.look(LookReason::IdsOmitted)
        } else {
            Err("instance id")
        }
    }

    fn look(&self, reason: LookReason) -> Result<Meaning, Lack> {
        Ok(Meaning::Look(LookRequest {
            account_id: self.account_id()?,
            region: self.aws_region.clone(),
            at: self.event_time,
            reason,
        }))
    }

    fn type_change(&mut self) -> Result<Meaning, Lack> {
        let request = self.request_parameters.take().unwrap_or_default();
        // EC2 accepts the change in two forms: by the parameter of the type, or by attribute name.
        let by_name = request
            .value
            .filter(|_| request.attribute.as_deref() == Some("instanceType"));
        let Some(instance_type) = request.instance_type.or(by_name).map(String::from) else {
            return Ok(Meaning::None(SkipReason::Irrelevant));
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
        // DeleteTags without keys deletes all tags.
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
            return Ok(Meaning::None(SkipReason::Irrelevant));
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

    /// Returns the account of the instance or image. Actions of AWS itself have a recipient but no caller's account.
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
