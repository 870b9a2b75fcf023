//! The two calls of the EBS direct API for reading.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::time::Duration;

use aws_sdk_ebs::Client;
use aws_sdk_ebs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ebs::operation::get_snapshot_block::GetSnapshotBlockError;
use aws_sdk_ebs::types::ChecksumAlgorithm;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use tracing::debug;

use super::listing::ListingPage;
use crate::error_chain::error_chain;

/// Time limit for the body of a block, once the answer has begun.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);
/// Attempts at a block that arrives damaged or not at all.
const BLOCK_ATTEMPTS: u32 = 3;
/// Largest page of the API.
const PAGE_SIZE: i32 = 10_000;
/// Blocks are 512 KiB today.
const BLOCK_SIZES: std::ops::RangeInclusive<i32> = 4096..=16 * 1024 * 1024;

/// The reasons why a snapshot can't be read.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum EbsError {
    /// A call failed, with all its retries.
    #[error("{action}: {why}")]
    Call { action: String, why: String },
    /// The token of a block was refused: it may have expired.
    #[error("reading block {index}: {why}")]
    Token { index: u64, why: String },
    /// A block was damaged every time.
    #[error("block {index}: {why}")]
    Block { index: u64, why: String },
    /// The sizes are impossible.
    #[error(
        "it has a volume of {gib:?} GiB with blocks of {block_size:?} bytes: this can't be read"
    )]
    Geometry {
        gib: Option<i64>,
        block_size: Option<i32>,
    },
}

/// Sizes in bytes.
pub(super) struct VolumeGeometry {
    pub(super) size: u64,
    pub(super) block_size: usize,
}

/// The API, for one snapshot.
pub(super) struct EbsApi {
    client: Client,
    snapshot: String,
}

impl EbsApi {
    pub(super) fn new(client: Client, snapshot: &str) -> Self {
        Self {
            client,
            snapshot: snapshot.into(),
        }
    }

    /// Lists one page of the blocks from `first` on.
    pub(super) async fn list(&self, first: u64) -> Result<(VolumeGeometry, ListingPage), EbsError> {
        let action = || format!("listing the blocks from {first} on");
        let start = i32::try_from(first).map_err(|_| EbsError::Call {
            action: action(),
            why: "there is no such block".into(),
        })?;
        let mut next = None;
        loop {
            let page = self
                .client
                .list_snapshot_blocks()
                .snapshot_id(&self.snapshot)
                .starting_block_index(start)
                .max_results(PAGE_SIZE)
                .set_next_token(next.take())
                .send()
                .await
                .map_err(|error| EbsError::Call {
                    action: action(),
                    why: explain(&error),
                })?;
            let tokens: BTreeMap<u64, String> = page
                .blocks()
                .iter()
                .filter_map(|block| {
                    Some((
                        u64::try_from(block.block_index()?).ok()?,
                        block.block_token()?.to_owned(),
                    ))
                })
                .collect();
            debug!(
                snapshot = self.snapshot,
                first,
                blocks = tokens.len(),
                "listed"
            );
            let more = page.next_token().filter(|token| !token.is_empty());
            let last = match (more, tokens.last_key_value()) {
                (None, _) => u64::MAX,
                (Some(_), Some((last, _))) => *last,
                // AWS may return an empty page with a token for the next.
                (Some(token), None) => {
                    next = Some(token.to_owned());
                    continue;
                }
            };
            let volume = self.volume(page.volume_size(), page.block_size())?;
            return Ok((
                volume,
                ListingPage {
                    covers: first..=last,
                    tokens,
                },
            ));
        }
    }

    fn volume(
        &self,
        gib: Option<i64>,
        block_size: Option<i32>,
    ) -> Result<VolumeGeometry, EbsError> {
        let size = gib.and_then(|gib| u64::try_from(gib).ok()?.checked_mul(1 << 30));
        let blocks = block_size
            .filter(|size| BLOCK_SIZES.contains(size))
            .and_then(|size| usize::try_from(size).ok());
        match (size, blocks) {
            (Some(size), Some(block_size)) => Ok(VolumeGeometry { size, block_size }),
            _ => Err(EbsError::Geometry { gib, block_size }),
        }
    }

    /// Gets the block, complete and checked.
    pub(super) async fn get(
        &self,
        index: u64,
        token: &str,
        size: usize,
    ) -> Result<Vec<u8>, EbsError> {
        let mut why = String::new();
        for attempt in 1..=BLOCK_ATTEMPTS {
            match self.try_get(index, token, size).await? {
                Ok(block) => {
                    debug!(snapshot = self.snapshot, index, "fetched");
                    return Ok(block);
                }
                Err(damage) => {
                    debug!(snapshot = self.snapshot, index, attempt, "{damage}");
                    why = damage;
                }
            }
        }
        Err(EbsError::Block {
            index,
            why: format!("{why}, {BLOCK_ATTEMPTS} times in a row"),
        })
    }

    /// Makes one attempt. The outer error is the call's; the inner one, about the data, is worth another attempt.
    async fn try_get(
        &self,
        index: u64,
        token: &str,
        size: usize,
    ) -> Result<Result<Vec<u8>, String>, EbsError> {
        let answer = self
            .client
            .get_snapshot_block()
            .snapshot_id(&self.snapshot)
            // Indexes come from this API's list, in the same type.
            .block_index(i32::try_from(index).unwrap_or(i32::MAX))
            .block_token(token)
            .send()
            .await
            .map_err(|error| {
                let why = explain(&error);
                match error.as_service_error() {
                    Some(GetSnapshotBlockError::ValidationException(_)) => {
                        EbsError::Token { index, why }
                    }
                    _ => EbsError::Call {
                        action: format!("reading block {index}"),
                        why,
                    },
                }
            })?;
        let mut block = Vec::with_capacity(size);
        let mut body = answer.block_data;
        let receive = async {
            while let Some(bytes) = body
                .try_next()
                .await
                .map_err(|error| format!("the connection broke: {error}"))?
            {
                if block.len() + bytes.len() > size {
                    return Err(format!("more than {size} bytes came"));
                }
                block.extend_from_slice(&bytes);
            }
            Ok(())
        };
        let received = tokio::time::timeout(BODY_TIMEOUT, receive).await;
        Ok(match received {
            Err(_) => Err(format!("it did not arrive in {} s", BODY_TIMEOUT.as_secs())),
            Ok(Err(why)) => Err(why),
            Ok(Ok(())) => check(
                &block,
                size,
                answer.checksum_algorithm,
                answer.checksum.as_deref(),
            )
            .map(|()| block),
        })
    }
}

/// Checks the block against the size and checksum of the answer.
fn check(
    block: &[u8],
    size: usize,
    algorithm: Option<ChecksumAlgorithm>,
    checksum: Option<&str>,
) -> Result<(), String> {
    if block.len() != size {
        return Err(format!("{} of {size} bytes came", block.len()));
    }
    match (algorithm, checksum) {
        (Some(ChecksumAlgorithm::ChecksumAlgorithmSha256), Some(checksum)) => {
            let matches = BASE64_STANDARD.encode(Sha256::digest(block)) == checksum;
            matches
                .then_some(())
                .ok_or_else(|| "it does not match its checksum".into())
        }
        (algorithm, _) => Err(format!(
            "it came without a SHA-256 checksum ({algorithm:?})"
        )),
    }
}

/// Returns the service's error, or the reason why it was not reached, and a remedy where one is known.
fn explain<E: ProvideErrorMetadata + StdError + 'static>(error: &SdkError<E>) -> String {
    let Some(refusal) = error.as_service_error() else {
        return error_chain(error);
    };
    let code = refusal.code().unwrap_or("no error code");
    let hint = match code {
        "AccessDeniedException" => {
            "; the credentials need ebs:ListSnapshotBlocks and ebs:GetSnapshotBlock on the snapshot"
        }
        "ExpiredTokenException" | "ExpiredToken" => {
            "; the credentials have expired: inspect again with new ones"
        }
        _ => "",
    };
    format!(
        "{code}: {}{hint}",
        refusal.message().unwrap_or("no message")
    )
}
