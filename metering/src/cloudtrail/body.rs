//! The fields of a record about instances or tags, in CloudTrail's notation.

use jiff::Timestamp;
use serde::Deserialize;

/// The fields of a relevant record. CloudTrail writes `null` for parts a call does not have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    #[serde(rename = "eventID")]
    pub(super) event_id: String,
    pub(super) event_time: Timestamp,
    pub(super) aws_region: String,
    pub(super) user_identity: Option<UserIdentity>,
    pub(super) recipient_account_id: Option<String>,
    pub(super) request_parameters: Option<Request>,
    pub(super) response_elements: Option<Response>,
    pub(super) service_event_details: Option<ServiceEventDetails>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserIdentity {
    pub(super) account_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    pub(super) instance_id: Option<String>,
    pub(super) instance_type: Option<AttributeValue>,
    pub(super) attribute: Option<String>,
    pub(super) value: Option<AttributeValue>,
    pub(super) instances_set: Option<Items<InstanceItem>>,
    pub(super) resources_set: Option<Items<Resource>>,
    pub(super) tag_set: Option<Items<TagKey>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    pub(super) instances_set: Option<Items<InstanceItem>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceEventDetails {
    pub(super) instance_id_set: Option<Vec<String>>,
}

/// A list in EC2's notation.
#[derive(Deserialize)]
pub(super) struct Items<T> {
    pub(super) items: Option<Vec<T>>,
}

impl<T> Items<T> {
    pub(super) fn of(list: Option<Self>) -> Vec<T> {
        list.and_then(|list| list.items).unwrap_or_default()
    }
}

/// An instance in requests and responses. A launch request has an item with an image and no id.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InstanceItem {
    pub(super) instance_id: Option<String>,
    pub(super) image_id: Option<String>,
    pub(super) instance_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resource {
    pub(super) resource_id: String,
}

#[derive(Deserialize)]
pub(super) struct TagKey {
    pub(super) key: String,
}

/// A launch writes a type as a string, a change of attribute as an object.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum AttributeValue {
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

impl InstanceItem {
    pub(super) fn named(id: String) -> Self {
        Self {
            instance_id: Some(id),
            image_id: None,
            instance_type: None,
        }
    }
}
