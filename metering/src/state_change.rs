//! EventBridge's `EC2 Instance State-change Notification`: the second source of power. It tells what no log does, such as
//! a shutdown from inside or a launch that failed, and is sent at best effort.

use jiff::Timestamp;
use serde::Deserialize;

use crate::event::{EventSource, Power};

/// A change of the state of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// EventBridge's `id`.
    pub event_id: String,
    /// Twelve-digit AWS account of the instance.
    pub account_id: String,
    /// AWS region code.
    pub region: String,
    /// EC2 instance id.
    pub instance_id: String,
    /// Time of the change.
    pub at: Timestamp,
    /// The switch that the state means.
    pub power: Power,
    /// [`EventSource::Running`] for the state `running`, else [`EventSource::StateChange`].
    pub source: EventSource,
}

/// A notification that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StateChangeError {
    /// Not JSON, or without a field that every notification has.
    #[error("the notification is not of EventBridge's shape: {0}")]
    Shape(#[source] serde_json::Error),
    /// Of another kind.
    #[error(
        "the notification is a `{detail_type}` of `{source_name}`, not EC2's of a changed state; narrow the rule that sends it"
    )]
    Kind {
        /// `detail-type`
        detail_type: String,
        /// `source`
        source_name: String,
    },
    /// Of a state that EC2 is not documented to have.
    #[error("the state `{0}` is not known")]
    State(String),
}

/// Reads a notification.
///
/// # Errors
/// If it is no notification of a state that EC2 is documented to have.
pub fn parse(json: &[u8]) -> Result<StateChange, StateChangeError> {
    let envelope: Envelope = serde_json::from_slice(json).map_err(StateChangeError::Shape)?;
    if (&*envelope.source, &*envelope.detail_type) != ("aws.ec2", STATE_CHANGE) {
        return Err(StateChangeError::Kind {
            detail_type: envelope.detail_type,
            source_name: envelope.source,
        });
    }
    let detail: Detail =
        serde_json::from_value(envelope.detail).map_err(StateChangeError::Shape)?;
    let (power, source) = match &*detail.state {
        "pending" => (Power::On, EventSource::StateChange),
        "running" => (Power::On, EventSource::Running),
        "stopping" | "stopped" | "shutting-down" | "terminated" => {
            (Power::Off, EventSource::StateChange)
        }
        _ => return Err(StateChangeError::State(detail.state)),
    };
    Ok(StateChange {
        event_id: envelope.id,
        account_id: envelope.account,
        region: envelope.region,
        instance_id: detail.instance_id,
        at: envelope.time,
        power,
        source,
    })
}

const STATE_CHANGE: &str = "EC2 Instance State-change Notification";

#[derive(Deserialize)]
struct Envelope {
    id: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
    source: String,
    account: String,
    region: String,
    time: Timestamp,
    detail: serde_json::Value,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(rename = "instance-id")]
    instance_id: String,
    state: String,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::{StateChange, parse};
    use crate::event::{EventSource, Power};

    fn notification(detail: Value) -> Value {
        json!({
            "version": "0", "id": "7bf73129-1428-4cd3-a780-95db273d1602",
            "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2",
            "account": "210987654321", "time": "2026-11-22T10:00:00Z", "region": "us-east-1",
            "resources": ["arn:aws:ec2:us-east-1:210987654321:instance/i-1"], "detail": detail,
        })
    }

    #[rstest]
    #[case("pending", Power::On, EventSource::StateChange)]
    #[case("running", Power::On, EventSource::Running)]
    #[case("stopping", Power::Off, EventSource::StateChange)]
    #[case("stopped", Power::Off, EventSource::StateChange)]
    #[case("shutting-down", Power::Off, EventSource::StateChange)]
    #[case("terminated", Power::Off, EventSource::StateChange)]
    fn states(#[case] state: &str, #[case] power: Power, #[case] source: EventSource) {
        let json = notification(json!({"instance-id": "i-1", "state": state})).to_string();
        let expected = StateChange {
            event_id: "7bf73129-1428-4cd3-a780-95db273d1602".into(),
            account_id: "210987654321".into(),
            region: "us-east-1".into(),
            instance_id: "i-1".into(),
            at: "2026-11-22T10:00:00Z".parse().expect("a time"),
            power,
            source,
        };
        assert_eq!(parse(json.as_bytes()).expect("a state change"), expected);
    }

    #[rstest]
    #[case::no_json(json!("text"), "not of EventBridge's shape")]
    #[case::no_state(notification(json!({"instance-id": "i-1"})), "missing field `state`")]
    #[case::no_instance(notification(json!({"state": "running"})), "missing field `instance-id`")]
    #[case::a_state_to_come(notification(json!({"instance-id": "i-1", "state": "resting"})), "`resting` is not known")]
    fn anything_else_says_so(#[case] json: Value, #[case] message: &str) {
        let error = parse(json.to_string().as_bytes()).expect_err("an error");
        assert!(error.to_string().contains(message), "{error}");
    }

    #[test]
    fn another_notification_is_named() {
        let mut warning =
            notification(json!({"instance-id": "i-1", "instance-action": "terminate"}));
        warning["detail-type"] = "EC2 Spot Instance Interruption Warning".into();
        let error = parse(warning.to_string().as_bytes()).expect_err("an error");
        assert!(
            error.to_string().contains("Spot Instance Interruption"),
            "{error}"
        );
    }
}
