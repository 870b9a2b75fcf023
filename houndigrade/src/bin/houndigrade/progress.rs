//! Progress lines, for a person at a terminal.

use std::io::{self, IsTerminal, Write};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use houndigrade::source::BlockSource;
use indicatif::{HumanBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing_subscriber::fmt::MakeWriter;

const REDRAW: Duration = Duration::from_millis(100);

/// A line for each image under inspection, on standard error; nothing if that is not a terminal.
#[derive(Clone)]
pub(crate) struct Progress(MultiProgress);

impl Progress {
    pub(crate) fn new() -> Self {
        let target = if io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self(MultiProgress::with_draw_target(target))
    }

    /// Returns the line of an image, gone when it is dropped.
    pub(crate) fn image(&self, id: &str) -> ImageProgress {
        let line = self.0.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {msg} ({elapsed})") {
            line.set_style(style);
        }
        line.set_prefix(id.to_owned());
        line.set_message("opening");
        line.enable_steady_tick(REDRAW);
        ImageProgress(line)
    }
}

/// The line of one image.
pub(crate) struct ImageProgress(ProgressBar);

impl ImageProgress {
    /// Waits for `work`, and shows the amount read in the meantime.
    pub(crate) async fn follow<T>(
        &self,
        sources: &[Arc<dyn BlockSource>],
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = pin!(work);
        loop {
            if let Ok(done) = tokio::time::timeout(REDRAW, &mut work).await {
                return done;
            }
            let (mut reads, mut bytes) = (0, 0);
            for stats in sources.iter().map(|source| source.stats()) {
                reads += stats.blocks_read;
                bytes += stats.bytes_read;
            }
            self.0
                .set_message(format!("reading: {} in {reads} reads", HumanBytes(bytes)));
        }
    }
}

impl Drop for ImageProgress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Log lines go above the lines of the images.
impl<'a> MakeWriter<'a> for Progress {
    type Writer = LogWriter;

    fn make_writer(&'a self) -> LogWriter {
        LogWriter(self.0.clone())
    }
}

pub(crate) struct LogWriter(MultiProgress);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
