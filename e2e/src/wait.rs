//! Waiting for a condition, never for a fixed time.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::Failure;

/// Longest time a test waits for one thing.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Asks until there is an answer.
///
/// # Errors
/// The last reason why there was none, when patience has run out.
pub async fn until<T, F>(what: &str, mut ask: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() > deadline => {
                return Err(format!("waited {} s for {what}: {error}", PATIENCE.as_secs()).into());
            }
            Err(_) => sleep(Duration::from_millis(300)).await,
        }
    }
}
