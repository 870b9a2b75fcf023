//! Inspecting images, several at the same time, within their limits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use houndigrade::report::{InspectedImage, Problem, ProblemCode};
use houndigrade::source::{BlockSource, Deadline, DiskFile, Snapshot, ebs_client};
use houndigrade::stopwatch::{Stopwatch, TimedStage, milliseconds};
use houndigrade::{Disk, MemoryBudget, inspect};
use tracing::{info, warn};

use crate::location::DiskLocation;
use crate::progress::Progress;

/// The limits of one image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImageLimits {
    pub(crate) timeout: Duration,
    /// Bytes of memory for the blocks of its disks.
    pub(crate) blocks: usize,
    /// Bytes of memory for the changes in the logs of its file systems.
    pub(crate) logs: usize,
}

/// Inspects all images, `jobs` at the same time.
pub(crate) async fn inspect_all(
    images: BTreeMap<String, Vec<DiskLocation>>,
    jobs: usize,
    limits: ImageLimits,
    progress: &Progress,
) -> BTreeMap<String, InspectedImage> {
    stream::iter(images)
        .map(|(id, locations)| async move {
            let image = inspect_image(&id, locations, limits, progress).await;
            for error in &image.errors {
                warn!(image = id, "{error}");
            }
            info!(image = id, verdict = ?image.verdict, stats = ?image.stats, "inspected");
            (id, image)
        })
        .buffer_unordered(jobs)
        .collect()
        .await
}

/// Inspects the disks of one image on a thread of their own.
async fn inspect_image(
    id: &str,
    locations: Vec<DiskLocation>,
    limits: ImageLimits,
    progress: &Progress,
) -> InspectedImage {
    let started = Instant::now();
    let until = started + limits.timeout;
    let memory = limits.blocks / locations.len().max(1);
    let work = async {
        let progress = progress.image(id);
        let mut disks = Vec::new();
        for location in locations {
            disks.push(open(location, memory, until).await);
        }
        let mut watch = Stopwatch::default();
        watch.add(TimedStage::Open, started.elapsed());
        let sources: Vec<_> = disks
            .iter()
            .filter_map(|disk| disk.source.as_ref().ok().map(Arc::clone))
            .collect();
        let inspection =
            tokio::task::spawn_blocking(move || inspect(disks, MemoryBudget::new(limits.logs)));
        match progress.follow(&sources, inspection).await {
            Ok(mut image) => {
                image.stats.stages += watch.stages();
                image
            }
            Err(_) => unreadable(Problem::new(
                ProblemCode::ReaderFailed,
                "the inspection failed; the log says where",
            )),
        }
    };
    // The sources refuse to answer after the limit, which ends all but a reader that spins without reading: it gets a second.
    let mut image = tokio::time::timeout_at((until + Duration::from_secs(1)).into(), work)
        .await
        .unwrap_or_else(|_| {
            let message = format!("the time limit of {} s is over", limits.timeout.as_secs());
            unreadable(Problem::new(ProblemCode::Timeout, message))
        });
    image.stats.milliseconds = milliseconds(started.elapsed());
    image
}

async fn open(location: DiskLocation, memory: usize, until: Instant) -> Disk {
    let (name, source) = match location {
        DiskLocation::Path(path) => (
            path.display().to_string(),
            DiskFile::open(&path).map(|file| limited(file.with_cache(memory), until)),
        ),
        DiskLocation::Snapshot { id, access } => {
            let client = ebs_client(access).await;
            let snapshot = Snapshot::open(client, &id, memory).await;
            (id, snapshot.map(|snapshot| limited(snapshot, until)))
        }
    };
    Disk { name, source }
}

fn limited(source: impl BlockSource + 'static, until: Instant) -> Arc<dyn BlockSource> {
    Arc::new(Deadline::new(Arc::new(source), until))
}

fn unreadable(problem: Problem) -> InspectedImage {
    InspectedImage {
        errors: vec![problem.to_string()],
        problems: vec![problem],
        ..InspectedImage::default()
    }
}
