//! Exactness, from log files to the numbers of an invoice. A period of many accounts, with files that are damaged, late
//! and doubled, is recorded by four processes at once, each killed again and again, while images are inspected and reports
//! are read. In the end the database and the reports hold the truth of the generated world, and nothing else. `queue`
//! does the same by way of the queue.

mod database;
mod emulator;
mod facts;
mod inspector;
mod queue;
mod reports;
mod worker;
mod world;

use futures::future::try_join_all;

use database::TruthDatabase;
use facts::TrueFacts;
use world::TruthWorld;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Processes that record the same files.
const WORKERS: u64 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_killed_record_the_truth() -> Result<(), Failure> {
    let world = TruthWorld::from_environment()?;
    // Shown when the test fails.
    eprintln!("{world}\nThe same again: TRUTH_SEED={}", world.seed);
    let database = TruthDatabase::new().await?;

    let work = try_join_all((0..WORKERS).map(|number| worker::work(number, &world, &database)));
    let ended = tokio::select! {
        ended = work => ended?,
        failure = worker::ask_for_reports(&world, &database) => return Err(failure),
        never = inspector::keep_inspecting(&world, &database) => match never {},
    };
    inspector::inspect(&world, &database).await?;

    for worker::EndedWorker { kills, summary } in &ended {
        eprintln!(
            "killed {kills} times, then recorded the last {} files",
            summary.recorded
        );
        assert!(*kills > 0, "a worker that is never killed proves nothing");
        assert_eq!(summary.recorded + summary.duplicate, world.good.len());
        assert_eq!(summary.failed, world.damaged.len());
        let named = summary.failed_keys()?;
        assert_eq!(named.len(), world.damaged.len().min(worker::NAMED));
        assert!(named.is_subset(&world.damaged), "{named:#?}");
    }
    let truth = TrueFacts::of(&world);
    truth.covers_all_keys()?;
    truth.compare(&TrueFacts::found(&world, &database).await?)
}
