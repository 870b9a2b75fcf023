//! Describing instance types, as ourselves: they are the cloud's, so no customer's role is needed.

use std::collections::HashMap;

use jiff::Timestamp;
use parking_lot::Mutex;

use super::Rounds;
use cloudigrade_cloud::InstanceTypes;
use cloudigrade_store::StoreError;
use cloudigrade_store::instance_types::{self, DueTypes};

/// Regions that could not be asked, and the time of the next try.
#[derive(Debug, Default)]
pub(super) struct RegionBackoff(Mutex<HashMap<String, Timestamp>>);

impl RegionBackoff {
    fn is_waiting(&self, region: &str, now: Timestamp) -> bool {
        self.0.lock().get(region).is_some_and(|until| now < *until)
    }

    fn wait(&self, region: &str, until: Timestamp) {
        self.0.lock().insert(region.to_owned(), until);
    }
}

impl<C: InstanceTypes> Rounds<C> {
    /// Describes the instance types that are due. A region that cannot be asked holds up no other.
    pub(super) async fn describe_instance_types(&self, now: Timestamp) -> Result<(), StoreError> {
        for DueTypes { region, names } in instance_types::due(&self.database, now).await? {
            if self.regions.is_waiting(&region, now) {
                continue;
            }
            let place = format!("types/{region}");
            let plausible: Vec<String> =
                names.iter().filter(|name| is_name(name)).cloned().collect();
            let described = match plausible.as_slice() {
                [] => Ok(Vec::new()),
                names => self.cloud.instance_types(&region, names).await,
            };
            match described {
                Ok(described) => {
                    instance_types::save(&self.database, &names, &described, now).await?;
                    self.backoff.reset(&place);
                }
                Err(error) => {
                    tracing::warn!(region, count = names.len(), %error, "describing instance types");
                    let wait = self.backoff.next(&place);
                    let until = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
                    self.regions.wait(&region, until);
                }
            }
        }
        Ok(())
    }
}

/// Returns whether EC2 could name a type so. In a filter `*` and `?` stand for other characters.
fn is_name(name: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    !name.is_empty() && name.bytes().all(known)
}
