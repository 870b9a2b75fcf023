//! Exactness, from log files to the numbers of an invoice. A period of many accounts, with files that are damaged, late
//! and doubled, is recorded by four processes at once, each killed again and again, while somebody asks for reports.
//! In the end the database holds what really happened, and nothing else. `queue` does the same by way of the queue.

mod database;
mod emulator;
mod facts;
mod queue;
mod worker;
mod world;

use futures::future::try_join_all;

use database::Database;
use facts::Facts;
use world::World;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Processes that record the same files.
const WORKERS: u64 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_killed_record_the_truth() -> Result<(), Failure> {
    let world = World::from_environment()?;
    // Shown when the test fails.
    eprintln!("{world}\nThe same again: TRUTH_SEED={}", world.seed);
    let database = Database::new().await?;

    let work = try_join_all((0..WORKERS).map(|number| worker::work(number, &world, &database)));
    let ended = tokio::select! {
        ended = work => ended?,
        failure = worker::ask_for_reports(&world, &database) => return Err(failure),
    };

    for worker::Ended { kills, summary } in &ended {
        eprintln!(
            "killed {kills} times, then recorded the last {} files",
            summary.recorded
        );
        assert!(*kills > 0, "what is never killed shows nothing");
        assert_eq!(summary.recorded + summary.duplicate, world.good.len());
        assert_eq!(summary.failed, world.damaged.len());
        let named = summary.failed_keys()?;
        assert_eq!(named.len(), world.damaged.len().min(worker::NAMED));
        assert!(named.is_subset(&world.damaged), "{named:#?}");
    }
    Facts::of(&world).compare(&Facts::found(&world, &database).await?)
}
