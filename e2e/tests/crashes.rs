//! The operator is killed where it hurts, and starts again: nothing is lost, nothing is doubled.

use cloudigrade_api::Phase;
use e2e::{Environment, Failure, Fault, until};
use rstest::rstest;
use tokio::sync::Mutex;

/// There is one operator to kill.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Kills the operator while AWS holds one call (or, `after`, its answer), then lets go. At its death, the account has `trails`, and
/// `runs` are recorded.
#[rstest]
#[case::before_the_role_is_assumed("sts", "AssumeRole", &[("RoleArn", Some("arn:aws:iam::{account}:role/*"))], false, 0, 0)]
#[case::with_the_trail_made_but_not_known("cloudtrail", "CreateTrail", &[], true, 1, 0)]
#[case::while_discovering("ec2", "DescribeInstances", &[("DryRun", None)], false, 1, 0)]
#[case::while_reading_a_log_file("s3", "GetObject", &[("Key", Some("AWSLogs/{account}/*"))], false, 1, 1)]
#[case::with_a_file_recorded_but_its_message_not_deleted("sqs", "DeleteMessage*", &[("QueueUrl", Some("*cloudtrail*"))], false, 1, 2)]
#[tokio::test]
async fn killed(
    #[case] service: &str,
    #[case] operation: &str,
    #[case] parameters: &[(&str, Option<&str>)],
    #[case] after: bool,
    #[case] trails: usize,
    #[case] runs: usize,
) -> Result<(), Failure> {
    let _alone = ONE_AT_A_TIME.lock().await;
    let environment = Environment::enter().await?;
    let customer = environment.customer("killed").await?;
    let image = customer
        .image(&environment, "rhel-release", "us-east-1")
        .await?;
    let first = customer.launch(&image, "us-east-1").await?;
    let resources = environment.resources("killed").await?;
    let onboarding = !matches!(service, "s3" | "sqs");
    if !onboarding {
        resources.apply("killed", &customer).await?;
        resources.condition("killed", "Ready", "True", None).await?;
    }
    let parameters: Vec<_> = parameters
        .iter()
        .map(|(name, value)| {
            (
                *name,
                value.map(|value| value.replace("{account}", &customer.account)),
            )
        })
        .collect();
    let fault = Fault {
        service,
        operation,
        account: match service {
            "ec2" | "cloudtrail" => &customer.account,
            _ => "*",
        },
        parameters: parameters
            .iter()
            .map(|(name, value)| (*name, value.as_deref()))
            .collect(),
        hold: true,
        after,
        ..Fault::default()
    };
    let fault = environment.emulator.fault(&fault).await?;
    let second = if onboarding {
        resources.apply("killed", &customer).await?;
        None
    } else {
        Some(customer.launch(&image, "us-east-1").await?)
    };
    environment.emulator.held(service).await?;
    until("the moment to die", || async {
        let found = (
            customer.trails().await?.len(),
            environment.runs(&customer.account).await?.len(),
        );
        let expected = (trails, runs);
        (found == expected)
            .then_some(())
            .ok_or_else(|| format!("{found:?} trails and runs, not {expected:?}").into())
    })
    .await?;
    environment.operator().kill().await?;
    environment.emulator.clear(fault).await?;
    environment.operator().ready().await?;

    resources.condition("killed", "Ready", "True", None).await?;
    let second = match second {
        Some(second) => second,
        None => customer.launch(&image, "us-east-1").await?,
    };
    until("one run an instance", || async {
        let runs = environment.runs(&customer.account).await?;
        let mut open: Vec<_> = runs
            .iter()
            .filter(|run| run.open)
            .map(|run| &run.instance)
            .collect();
        open.sort();
        let mut wanted = vec![&first, &second];
        wanted.sort();
        if runs.len() == 2 && open == wanted {
            Ok(())
        } else {
            Err(format!("{runs:?}").into())
        }
    })
    .await?;
    assert_eq!(customer.trails().await?.len(), 1);
    assert_eq!(resources.inspected(&image).await?.0, Phase::Inspected);
    resources.delete("killed").await?;
    assert!(customer.trails().await?.is_empty());
    resources.done().await
}
