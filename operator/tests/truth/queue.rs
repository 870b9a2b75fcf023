//! The same exactness by way of the queue: two processes of the role `ingest` receive from SQS while files arrive, killed
//! again and again.

use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cloudigrade::replay;
use futures::future::try_join_all;
use jiff::Timestamp;
use tokio::process::Command;
use tokio::time::{Instant, interval, timeout, timeout_at};

use super::emulator::EmulatorProcess;
use super::{Failure, TrueFacts, TruthDatabase, TruthWorld, inspector};

/// Accounts and days; the messages of processes killed last are invisible for a minute, however small it is.
const SIZE: &str = "10x20";
const PROCESSES: u64 = 2;
/// Time in which processes are killed.
const KILLING: Duration = Duration::from_secs(6);
/// Longest life of a process that is killed.
const LONGEST_LIFE: Duration = Duration::from_millis(1500);
/// Limit for all of it: several times the visibility timeout.
const LIMIT: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_are_killed_record_the_truth() -> Result<(), Failure> {
    let Some(emulator) = EmulatorProcess::start().await? else {
        return Ok(());
    };
    let world = TruthWorld::of_size(SIZE)?;
    eprintln!("{world}\nThe same again: TRUTH_SEED={}", world.seed);
    let database = TruthDatabase::new().await?;
    let accounts = replay::read_accounts(&std::fs::read_to_string(world.accounts())?)?;
    replay::enrol(&database.pool, &accounts, Timestamp::UNIX_EPOCH, false).await?;

    let delivery = async {
        emulator.deliver(world.folder(), world.seed).await?;
        all_done(&world, &database).await
    };
    let killing_until = Instant::now() + KILLING;
    let kills = AtomicU32::new(0);
    let consumers =
        (0..PROCESSES).map(|n| consume(n, killing_until, &kills, &world, &emulator, &database));
    tokio::select! {
        done = timeout(LIMIT, delivery) => done.map_err(|_| "files are left")??,
        never = inspector::keep_inspecting(&world, &database) => match never {},
        ended = try_join_all(consumers) => return Err(format!("a consumer ended: {ended:?}").into()),
    }
    assert!(kills.load(Ordering::Relaxed) > 0, "nobody was killed");
    inspector::inspect(&world, &database).await?;
    TrueFacts::of(&world).compare(&TrueFacts::found(&world, &database).await?)
}

/// Runs a process again whenever it was killed; ends only by an error.
async fn consume(
    number: u64,
    killing_until: Instant,
    killed: &AtomicU32,
    world: &TruthWorld,
    emulator: &EmulatorProcess,
    database: &TruthDatabase,
) -> Result<(), Failure> {
    let mut kills = 0_u32;
    loop {
        let mut process = Command::new(env!("CARGO_BIN_EXE_cloudigrade"))
            .args(["run", "--role", "ingest", "--listen", "127.0.0.1:0"])
            .args(["--trail-bucket", "cloudigrade-trails"])
            .args(["--results-bucket", "unused"])
            .args(["--houndigrade-image", "unused"])
            .args(["--queue-url", &emulator.queue_url()?])
            .envs(emulator.variables.iter().cloned())
            .env("DATABASE_URL", &database.url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let share = world.random(("queue", number, kills)) as f64 / u64::MAX as f64;
        let end = Instant::now() + LONGEST_LIFE.mul_f64(share);
        let ended = if end < killing_until {
            timeout_at(end, process.wait()).await
        } else {
            eprintln!("consumer {number} was killed {kills} times");
            Ok(process.wait().await)
        };
        if let Ok(status) = ended {
            return Err(format!("consumer {number} ended by itself: {}", status?).into());
        }
        process.kill().await?;
        kills += 1;
        killed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits until each file is recorded or the reason of a dead letter.
async fn all_done(world: &TruthWorld, database: &TruthDatabase) -> Result<(), Failure> {
    let mut pace = interval(Duration::from_millis(200));
    loop {
        pace.tick().await;
        let recorded: i64 = sqlx::query_scalar("select count(*) from log_file")
            .fetch_one(&database.pool)
            .await?;
        let failed: Vec<String> =
            sqlx::query_scalar("select distinct split_part(reason, ': ', 1) from dead_letter")
                .fetch_all(&database.pool)
                .await?;
        if let Some(good) = failed.iter().find(|key| !world.damaged.contains(*key)) {
            return Err(format!("{good} is a dead letter, though nothing is wrong with it").into());
        }
        if recorded as usize >= world.good.len() && failed.len() == world.damaged.len() {
            return Ok(());
        }
    }
}
