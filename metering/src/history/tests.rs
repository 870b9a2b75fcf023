//! Observations and runs as words; times are minutes, or minutes:seconds.

mod attributes;
mod difference;
mod looks;
mod power;
mod truth;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{AttributedRun, runs};
use crate::declared::{Declaration, Told};
use crate::event::{Attributes, BillingKey, DiskKey, EventSource, Observation, Power};

fn at(minute: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
}

fn time(text: &str) -> Timestamp {
    let (minutes, seconds) = text.split_once(':').unwrap_or((text, "0"));
    at(minutes.parse().expect("minutes"))
        + SignedDuration::from_secs(seconds.parse().expect("seconds"))
}

/// One word of attributes: `m5.large`, `4vcpus`, `ami-1`, `payg`, `byos`, `sla=Premium`, `sla=` (taken off).
fn attribute(told: &mut Attributes, word: &str) {
    match word {
        "payg" => told.billing = Some(BillingKey(1)),
        "byos" => told.billing = Some(BillingKey(2)),
        word if word.ends_with("vcpus") => {
            told.vcpus = Some(word.trim_end_matches("vcpus").parse().expect("a number"));
        }
        word if word.starts_with("ami-") => {
            told.disk = Some(DiskKey(word["ami-".len()..].parse().expect("a number")));
        }
        word if word.contains('=') => {
            let (key, value) = word.split_once('=').expect("key=value");
            let key = format!("com_redhat_rhel_{key}");
            let tag = (&*key, Some(value).filter(|value| !value.is_empty()));
            told.declared = told.declared.merge(Declaration::from_tags([tag], false).0);
        }
        word => told.instance_type = Some(word.to_owned()),
    }
}

/// Observations written as `on 0 m5.large; pending 1; running 2; off 5; stopping 6; change 7 byos; look 60: off >0;
/// look 60: on 0 >0; look 60: byos >0; look 60: byos @50`. `>` is the time before which it did not come, `@` the exact
/// time of an attribute.
fn observations(script: &str) -> Vec<Observation> {
    let parts = script
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let observation = |(position, part): (usize, &str)| {
        let (look, part) = match part.strip_prefix("look ") {
            None => (None, part),
            Some(look) => {
                let (witnessed, part) = look.split_once(':').expect("look at: something");
                (Some(time(witnessed)), part.trim())
            }
        };
        let mut words = part.split_whitespace().peekable();
        let first = words.peek().copied().expect("a word");
        let (power, source) = match first {
            "on" => (Some(Power::On), EventSource::Log),
            "pending" => (Some(Power::On), EventSource::StateChange),
            "running" => (Some(Power::On), EventSource::Running),
            "off" => (Some(Power::Off), EventSource::Log),
            "stopping" | "stopped" => (Some(Power::Off), EventSource::StateChange),
            _ => (None, EventSource::Log),
        };
        if power.is_some() || first == "change" {
            words.next();
        }
        let mut when = look;
        if power == Some(Power::On) || look.is_none() {
            when = words.next().map(time);
        }
        let (mut told, mut not_before) = (Attributes::default(), None);
        for word in words {
            if let Some(before) = word.strip_prefix('>') {
                not_before = Some(time(before));
            } else if let Some(exact) = word.strip_prefix('@') {
                when = Some(time(exact));
            } else {
                attribute(&mut told, word);
            }
        }
        Observation {
            id: Uuid::from_u128(position as u128),
            at: when.expect("a time"),
            source: look.map_or(source, |witnessed_at| EventSource::Look {
                witnessed_at,
                not_before,
            }),
            power,
            told,
        }
    };
    parts.enumerate().map(observation).collect()
}

fn minutes(time: Timestamp) -> String {
    let seconds = time.as_second();
    match seconds % 60 {
        0 => (seconds / 60).to_string(),
        rest => format!("{}:{rest:02}", seconds / 60),
    }
}

/// Runs written as `0-60>0 m5.large 4vcpus ami-1 payg usage=Production`, separated by `; `.
fn written(runs: &[AttributedRun]) -> String {
    let one = |run: &AttributedRun| {
        let end = run.end.map(minutes).unwrap_or_default();
        let mut words = vec![format!("{}-{end}", minutes(run.start))];
        if let Some(not_before) = run.end_not_before {
            words[0] += &format!(">{}", minutes(not_before));
        }
        let of = &run.attributes;
        words.extend(of.instance_type.clone());
        words.extend(of.vcpus.map(|vcpus| format!("{vcpus}vcpus")));
        words.extend(of.disk.map(|disk| format!("ami-{}", disk.0)));
        words.extend(
            of.billing
                .map(|billing| ["payg", "byos"][billing.0 as usize - 1].to_owned()),
        );
        let tags = [("sla", of.declared.sla), ("usage", of.declared.usage)];
        words.extend(tags.into_iter().filter_map(|(key, told)| match told {
            Told::Word(word) => Some(format!("{key}={word}")),
            _ => None,
        }));
        words.join(" ")
    };
    runs.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn derived(script: &str) -> String {
    written(&runs(observations(script)))
}
