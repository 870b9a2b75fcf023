//! What is planned gets done, each step in its turn.

use jiff::Timestamp;

use super::context::{AccountContext, Cloud};
use super::decide::Plan;
use super::error::AccountError;
use super::observe::Seen;
use super::steps::{
    ACCESS_VERIFIED, DISCOVERED, READY, TRAIL_CONFIGURED, access, discovery, flow, trail,
};
use cloudigrade_api::{CloudAccount, ConditionStatus, ConditionUpdate, TrailStatus};
use cloudigrade_store::enrolments::{self, Claim, Enrolment};

/// What has been done, and how far that went.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// What each step that was taken has to say
    pub(super) changes: Vec<ConditionUpdate>,
    /// The step that failed, and why; those after it were not taken
    pub(super) failure: Option<Failure>,
    /// The CloudAccount that turned out to have the account
    pub(super) refused_for: Option<Enrolment>,
    /// The account's enrolment, if it is ours
    pub(super) enrolment: Option<Enrolment>,
    /// The account that the role was seen to lead to
    pub(super) account_id: Option<String>,
    /// The trail, if it is as wanted
    pub(super) trail: Option<TrailStatus>,
    /// Whether the trail is gone, as it should be
    pub(super) trail_removed: bool,
    /// What somebody had changed and is put right
    pub(super) repairs: Vec<&'static str>,
    /// Whether everything that runs is known
    pub(super) discovered: bool,
}

/// The condition a failure is about, and the failure.
pub(super) type Failure = (&'static str, Box<AccountError>);

/// Does what `plan` says; each part can be repeated.
pub(super) async fn act<C: Cloud>(
    account: &CloudAccount,
    seen: &Seen,
    plan: &Plan,
    context: &AccountContext<C>,
    now: Timestamp,
) -> Done {
    let mut done = Done {
        enrolment: seen.enrolment().cloned(),
        ..Done::default()
    };
    let result = match plan {
        Plan::Check => check(account, seen, context, now, &mut done).await,
        Plan::Suspend {
            enrolment: Some(enrolment),
        } => suspend(account, enrolment, context, now, &mut done).await,
        Plan::Refuse { holder } => {
            done.refused_for = Some(holder.clone());
            Ok(())
        }
        Plan::Suspend { enrolment: None } | Plan::Rest => Ok(()),
    };
    done.failure = result.err();
    done
}

/// The steps. The trail comes before the look at what runs, so that nothing is missed between the two.
/// Each is boxed: the SDK's futures are large, and together they would not fit on a thread's stack in a debug build.
async fn check<C: Cloud>(
    account: &CloudAccount,
    seen: &Seen,
    context: &AccountContext<C>,
    now: Timestamp,
    done: &mut Done,
) -> Result<(), Failure> {
    let role = context
        .roles
        .read(&context.runtime.client, account)
        .await
        .of(ACCESS_VERIFIED)?;
    done.changes.push(
        Box::pin(access::verify(&role, &context.cloud))
            .await
            .of(ACCESS_VERIFIED)?,
    );
    done.account_id = Some(seen.claimant.account_id.clone());

    // Whoever cannot get in cannot keep others from metering an account.
    let claim = enrolments::claim(&context.database, &seen.claimant, now)
        .await
        .of(READY)?;
    let enrolment = match claim {
        Claim::Ours(enrolment) => done.enrolment.insert(enrolment),
        Claim::Held(holder) => {
            done.refused_for = Some(holder);
            return Ok(());
        }
    };

    let configured = Box::pin(trail::configure(account, &role, context))
        .await
        .of(TRAIL_CONFIGURED)?;
    done.changes.push(configured.change);
    done.repairs = configured.repairs;
    done.trail = Some(configured.trail);

    let enabled_at = enrolments::enable(&context.database, enrolment.id, now)
        .await
        .of(READY)?;
    enrolment.enabled_at = Some(enabled_at);
    enrolment.suspended = false;

    let look = discovery::Look {
        enrolment: enrolment.id,
        enabled_at,
        at: now,
    };
    done.changes.push(
        Box::pin(discovery::discover(account, &role, look, context))
            .await
            .of(DISCOVERED)?,
    );
    done.discovered = true;

    done.changes.push(flow::flow(&configured.status));
    Ok(())
}

/// Metering stops first: what follows may fail and be repeated.
async fn suspend<C: Cloud>(
    account: &CloudAccount,
    enrolment: &Enrolment,
    context: &AccountContext<C>,
    now: Timestamp,
    done: &mut Done,
) -> Result<(), Failure> {
    if !enrolment.suspended {
        enrolments::suspend(&context.database, enrolment.id, now)
            .await
            .of(READY)?;
    }
    let role = context
        .roles
        .read(&context.runtime.client, account)
        .await
        .of(TRAIL_CONFIGURED)?;
    Box::pin(trail::remove(account, &role, context))
        .await
        .of(TRAIL_CONFIGURED)?;
    done.trail_removed = true;
    done.changes.push(ConditionUpdate {
        type_: TRAIL_CONFIGURED,
        status: ConditionStatus::False,
        reason: "Suspended",
        message: "the trail is removed while spec.suspend is set".into(),
    });
    done.changes.push(flow::suspended());
    Ok(())
}

/// Says which condition a failure is about.
trait Of<T> {
    fn of(self, condition: &'static str) -> Result<T, Failure>;
}

impl<T, E: Into<AccountError>> Of<T> for Result<T, E> {
    fn of(self, condition: &'static str) -> Result<T, Failure> {
        self.map_err(|error| (condition, Box::new(error.into())))
    }
}
