//! The operator is killed where it hurts, and starts again: nothing is lost, nothing is doubled.

use cloudigrade_api::Phase;
use e2e::{Environment, Failure, Fault, until};
use rstest::rstest;
use tokio::sync::Mutex;

/// There is one operator to kill.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Kills the operator while AWS holds one call (or, `after`, its answer), then lets go.
#[rstest]
#[case::before_the_role_is_assumed("sts", "AssumeRole", false)]
#[case::with_the_trail_made_but_not_known("cloudtrail", "CreateTrail", true)]
#[case::while_discovering("ec2", "DescribeInstances", false)]
#[case::while_reading_a_log_file("s3", "GetObject", false)]
#[case::with_a_file_recorded_but_its_message_not_deleted("sqs", "DeleteMessage*", false)]
#[tokio::test]
async fn killed(
    #[case] service: &str,
    #[case] operation: &str,
    #[case] after: bool,
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
    let fault = environment
        .emulator
        .fault(&Fault {
            service,
            operation,
            account: "*",
            hold: true,
            after,
            ..Fault::default()
        })
        .await?;
    let second = if onboarding {
        resources.apply("killed", &customer).await?;
        None
    } else {
        Some(customer.launch(&image, "us-east-1").await?)
    };
    environment.emulator.held(service).await?;
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
