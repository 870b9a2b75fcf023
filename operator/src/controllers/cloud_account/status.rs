//! The status of a CloudAccount, built while the steps are taken. Nothing else makes one. Pure.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::runtime::events::Event;

use super::conditions::{self, ConditionBuilder};
use super::error::AccountError;
use crate::controllers::backoff;
use cloudigrade_api::{
    CloudAccount, CloudAccountStatus, ConditionUpdate, ImageCounts, InstanceCounts, TrailStatus,
    same_ignoring_times,
};
use cloudigrade_store::AccountKey;
use cloudigrade_store::account_status::AccountCounts;
use cloudigrade_store::enrolments::Enrolment;

/// Time between two checks of a duplicate for the account to be free. Each costs one query.
const DUPLICATE_RECHECK: Duration = Duration::from_secs(60);
/// Longest lag of `lastEventTime` when nothing else changes.
const EVENT_TIME_LAG: SignedDuration = SignedDuration::from_mins(10);

/// A status under way. It begins as the one of the object; each result of a step replaces a part.
pub(super) struct StatusBuilder<'a> {
    account: &'a CloudAccount,
    now: Timestamp,
    next: Timestamp,
    status: CloudAccountStatus,
    conditions: ConditionBuilder,
    enrolled: Option<AccountKey>,
    events: Vec<Event>,
}

/// A status that is ready to be written.
pub(super) struct StatusUpdate {
    pub(super) status: CloudAccountStatus,
    /// True if it says anything new; only then it is written
    pub(super) is_needed: bool,
    /// Events to publish after it is written
    pub(super) events: Vec<Event>,
    /// Time of the next check
    pub(super) next: Timestamp,
    /// Time until then
    pub(super) wait: Duration,
}

impl<'a> StatusBuilder<'a> {
    pub(super) fn new(account: &'a CloudAccount, now: Timestamp) -> Self {
        Self {
            account,
            now,
            next: now,
            status: account.status.clone().unwrap_or_default(),
            conditions: ConditionBuilder::new(account),
            enrolled: None,
            events: Vec::new(),
        }
    }

    /// Sets a condition.
    pub(super) fn set_condition(&mut self, update: ConditionUpdate) {
        self.conditions.set(update);
    }

    /// Adds an event, besides those that conditions make.
    pub(super) fn add_event(&mut self, event: Event) {
        self.events.push(event);
    }

    /// The account that the role was proven to lead to.
    pub(super) fn set_account_id(&mut self, account_id: &str) {
        self.status.account_id = Some(account_id.to_owned());
    }

    /// The enrolment that is this CloudAccount's, if any.
    pub(super) fn set_enrolment(&mut self, enrolment: Option<&Enrolment>) {
        self.enrolled = enrolment.map(|enrolment| enrolment.account);
        self.status.enabled_at = enrolment
            .and_then(|enrolment| enrolment.enabled_at)
            .map(Time);
    }

    /// The account whose counts belong into the status.
    pub(super) fn enrolled(&self) -> Option<AccountKey> {
        self.enrolled
    }

    /// The time from which events count.
    pub(super) fn set_enabled_at(&mut self, at: Timestamp) {
        self.status.enabled_at = Some(Time(at));
    }

    /// The trail, or none.
    pub(super) fn set_trail(&mut self, trail: Option<&TrailStatus>) {
        self.status.trail = trail.cloned();
    }

    /// All regions were described now.
    pub(super) fn set_discovery_time(&mut self) {
        self.status.last_discovery_time = Some(Time(self.now));
    }

    /// The numbers of instances and images by Postgres.
    pub(super) fn set_counts(&mut self, counts: &AccountCounts) {
        self.status.instances = Some(InstanceCounts {
            known: counts.instances,
            running: counts.running,
            unidentified: counts.unidentified_instances,
        });
        self.status.images = Some(ImageCounts {
            known: counts.images,
            unidentified: counts.unidentified_images,
            pending: counts.pending,
            rhel: counts.rhel,
            error: counts.error,
        });
        self.status.last_event_time = counts.last_event.map(Time);
        if counts.last_event.is_some() {
            self.conditions.events_were_recorded();
        }
    }

    /// All steps succeeded: the next check is due after the interval of the spec.
    pub(super) fn resync(&mut self) {
        self.observed(0, self.resync_interval());
    }

    /// No step was due before `until`.
    pub(super) fn not_due(&mut self, until: Timestamp) {
        self.next = until;
        self.status.next_check_time = Some(Time(until));
    }

    /// An older CloudAccount meters the account.
    pub(super) fn duplicate(&mut self, holder: &Enrolment) {
        self.set_enrolment(None);
        self.conditions.duplicate(holder);
        self.observed(0, backoff::spread(DUPLICATE_RECHECK, &self.uid()));
    }

    /// The step of `condition` failed. The number of failures stops growing when the wait does, so that nothing is left to
    /// write.
    pub(super) fn fail(&mut self, condition: &'static str, error: &AccountError) {
        self.conditions.fail(condition, error);
        let failures = (prior_failures(self.account) + 1).min(backoff::MOST_FAILURES);
        let wait = if error.is_terminal() && !is_deleting(self.account) {
            self.resync_interval()
        } else {
            backoff::delay(failures, &self.uid())
        };
        self.observed(failures, wait);
    }

    /// The object goes, and the trail stays.
    pub(super) fn leave_trail_behind(&mut self, message: &str) {
        self.conditions.not_deleted("TrailLeftBehind", message);
        self.observed(prior_failures(self.account), Duration::ZERO);
    }

    /// Finishes the status, and hands out the events.
    pub(super) fn build(&mut self) -> StatusUpdate {
        let before = self.account.status.clone().unwrap_or_default();
        let mut status = self.status.clone();
        status.conditions = self.conditions.build(self.now);
        let is_needed = needs_update(&before, &status);
        let mut events = Vec::new();
        // Deletion publishes its own.
        if is_needed && !is_deleting(self.account) {
            events = conditions::events(&before.conditions, &status.conditions);
        }
        events.append(&mut self.events);
        StatusUpdate {
            status,
            is_needed,
            events,
            next: self.next,
            wait: self
                .next
                .duration_since(self.now)
                .try_into()
                .unwrap_or_default(),
        }
    }

    /// The status is about the present spec now.
    fn observed(&mut self, failures: u32, wait: Duration) {
        self.next = self.now.saturating_add(wait).unwrap_or(Timestamp::MAX);
        self.status.observed_generation = self.account.metadata.generation;
        self.status.failures = failures;
        self.status.next_check_time = Some(Time(self.next));
    }

    fn resync_interval(&self) -> Duration {
        let seconds = self.account.spec.resync_interval_seconds;
        backoff::spread(Duration::from_secs(seconds.into()), &self.uid())
    }

    fn uid(&self) -> String {
        self.account.uid().unwrap_or_default()
    }
}

/// Failures in a row before this one. Deletion, which makes another generation, counts from its beginning.
pub(super) fn prior_failures(account: &CloudAccount) -> u32 {
    let status = account.status.as_ref().filter(|status| {
        !is_deleting(account) || status.observed_generation == account.metadata.generation
    });
    status.map_or(0, |status| status.failures)
}

/// Returns true when `account` is being deleted.
pub(super) fn is_deleting(account: &CloudAccount) -> bool {
    account.metadata.deletion_timestamp.is_some()
}

/// Returns true if a write would say anything new. A time alone is not enough, or every check would write.
fn needs_update(before: &CloudAccountStatus, after: &CloudAccountStatus) -> bool {
    let event_time =
        |status: &CloudAccountStatus| status.last_event_time.as_ref().map(|time| time.0);
    let lags = match (event_time(before), event_time(after)) {
        (Some(before), Some(after)) => after.duration_since(before) > EVENT_TIME_LAG,
        (before, after) => before != after,
    };
    lags || !same_ignoring_times(before, after)
}
