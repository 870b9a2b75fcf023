use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use aws_sdk_ebs::config::{BehaviorVersion, Config, Credentials, Region};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rstest::rstest;
use sha2::{Digest, Sha256};

use super::*;

const BLOCK: usize = 4096;
const ID: &str = "snap-1";
/// Blocks of a page of the list.
const PAGE: usize = 2;
/// Memory for many blocks.
const MEMORY: usize = 100 * BLOCK;

/// The fault of one answer to `GetSnapshotBlock`.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Throttled,
    Denied,
    /// The credentials are no longer good.
    Expired,
    /// The block's token is no longer good, nor is any other that has been given out.
    NewTokens,
    Corrupt,
    Short,
    WithoutChecksum,
}

/// A server of the EBS direct API with one snapshot of 1 GiB.
#[derive(Default)]
struct Fake {
    blocks: BTreeMap<u64, Vec<u8>>,
    faults: Mutex<VecDeque<Fault>>,
    requests: Mutex<Vec<String>>,
    /// Number of times that all tokens were replaced.
    tokens: AtomicUsize,
    /// Of an answer with a block.
    latency: Duration,
    /// Blocks being answered now, and most so far.
    answering: Mutex<(usize, usize)>,
    /// Blocks of a page, if not [`PAGE`].
    page: Option<usize>,
}

impl Fake {
    /// Returns a server with these blocks, each filled with its index.
    fn with(blocks: &[u8], faults: &[Fault]) -> Arc<Self> {
        Arc::new(Self {
            blocks: blocks
                .iter()
                .map(|&index| (index.into(), vec![index; BLOCK]))
                .collect(),
            faults: Mutex::new(faults.iter().copied().collect()),
            ..Self::default()
        })
    }

    /// Returns a server with `count` blocks, each of which takes `latency`.
    fn slow(count: u64, latency: Duration) -> Arc<Self> {
        Arc::new(Self {
            blocks: (0..count)
                .map(|index| (index, vec![index as u8; BLOCK]))
                .collect(),
            latency,
            page: Some(10_000),
            ..Self::default()
        })
    }

    async fn open(self: &Arc<Self>, memory: usize) -> Arc<Snapshot> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let fake = Arc::clone(self);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let fake = Arc::clone(&fake);
                thread::spawn(move || fake.serve(connection.unwrap()));
            }
        });
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .retry_config(access::retries().with_initial_backoff(Duration::from_millis(1)))
            .retry_partition(access::budget())
            .endpoint_url(endpoint)
            .build();
        let snapshot = Snapshot::open(Client::from_conf(config), ID, memory).await;
        Arc::new(snapshot.unwrap())
    }

    fn serve(&self, mut connection: TcpStream) {
        let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
        let Some(Ok(request)) = lines.next() else {
            return;
        };
        while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
        let path = request.split(' ').nth(1).unwrap().to_owned();
        let (head, body) = self.answer(&path);
        self.requests.lock().unwrap().push(path);
        let head = format!(
            "HTTP/1.1 {head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        connection
            .write_all(&[head.as_bytes(), &body].concat())
            .unwrap();
    }

    fn answer(&self, path: &str) -> (String, Vec<u8>) {
        let (path, query) = path.split_once('?').unwrap();
        let query: BTreeMap<_, _> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .collect();
        match path.strip_prefix(&format!("/snapshots/{ID}/blocks/")) {
            None => self.list(&query),
            Some(index) => {
                {
                    let mut answering = self.answering.lock().unwrap();
                    answering.0 += 1;
                    answering.1 = answering.1.max(answering.0);
                }
                thread::sleep(self.latency);
                let answer = self.get(index.parse().unwrap(), query["blockToken"]);
                self.answering.lock().unwrap().0 -= 1;
                answer
            }
        }
    }

    fn token(&self, index: u64) -> String {
        format!("t{index}-{}", self.tokens.load(Ordering::SeqCst))
    }

    fn list(&self, query: &BTreeMap<&str, &str>) -> (String, Vec<u8>) {
        let first: u64 = query
            .get("pageToken")
            .unwrap_or(&query["startingBlockIndex"])
            .parse()
            .unwrap();
        let mut rest = self.blocks.range(first..).map(|(index, _)| index);
        let page: Vec<_> = rest.by_ref().take(self.page.unwrap_or(PAGE)).collect();
        let blocks: Vec<_> = page
            .iter()
            .map(
                |&&index| serde_json::json!({"BlockIndex": index, "BlockToken": self.token(index)}),
            )
            .collect();
        let next = rest.next().map(u64::to_string);
        let body = serde_json::json!({"Blocks": blocks, "NextToken": next, "VolumeSize": 1, "BlockSize": BLOCK});
        ("200 OK".into(), body.to_string().into_bytes())
    }

    fn get(&self, index: u64, token: &str) -> (String, Vec<u8>) {
        let mut block = self.blocks[&index].clone();
        let mut head = format!(
            "200 OK\r\nx-amz-checksum: {}\r\nx-amz-checksum-algorithm: SHA256\r\nx-amz-data-length: {BLOCK}",
            BASE64_STANDARD.encode(Sha256::digest(&block)),
        );
        let error = |status, code| {
            (
                format!("{status}\r\nx-amzn-errortype: {code}"),
                b"{\"message\": \"said the fake\"}".to_vec(),
            )
        };
        let refused = error(
            "400 Bad Request",
            "ValidationException\r\nx-amzn-error-reason: INVALID_BLOCK_TOKEN",
        );
        match self.faults.lock().unwrap().pop_front() {
            Some(Fault::NewTokens) => {
                self.tokens.fetch_add(1, Ordering::SeqCst);
                return refused;
            }
            _ if token != self.token(index) => return refused,
            None => {}
            Some(Fault::Expired) => return error("403 Forbidden", "ExpiredTokenException"),
            Some(Fault::Throttled) => return error("400 Bad Request", "RequestThrottledException"),
            Some(Fault::Denied) => return error("403 Forbidden", "AccessDeniedException"),
            Some(Fault::Corrupt) => block[7] ^= 1,
            Some(Fault::Short) => block.truncate(7),
            Some(Fault::WithoutChecksum) => head = "200 OK".into(),
        }
        (head, block)
    }

    /// Returns the number of requests with this in their path.
    fn asked(&self, part: &str) -> usize {
        self.requests
            .lock()
            .unwrap()
            .iter()
            .filter(|path| path.contains(part))
            .count()
    }
}

async fn read(snapshot: &Arc<Snapshot>, offset: usize, length: usize) -> io::Result<Vec<u8>> {
    let snapshot = Arc::clone(snapshot);
    let read = move || {
        let mut buffer = vec![0xff; length];
        snapshot
            .read_at(offset as u64, &mut buffer)
            .map(|()| buffer)
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

#[tokio::test]
async fn reads_span_blocks_and_pages_and_what_was_never_written_is_zero() {
    let fake = Fake::with(&[1, 2, 4, 5, 6], &[]);
    let snapshot = fake.open(MEMORY).await;
    assert_eq!(snapshot.size(), 1 << 30);
    let expected: Vec<u8> = (0..8 * BLOCK)
        .map(|at| (at / BLOCK) as u8)
        .map(|index| if matches!(index, 3 | 7) { 0 } else { index })
        .collect();
    assert_eq!(read(&snapshot, 0, 8 * BLOCK).await.unwrap(), expected);
    assert_eq!(
        read(&snapshot, 2 * BLOCK - 3, BLOCK + 6).await.unwrap(),
        expected[2 * BLOCK - 3..3 * BLOCK + 3]
    );
    assert_eq!(read(&snapshot, (1 << 30) - 5, 5).await.unwrap(), [0; 5]);
    // Each block came once; the second read was served from the cache.
    assert_eq!(
        snapshot.stats(),
        Stats {
            blocks_read: 5,
            bytes_read: 5 * BLOCK as u64,
            ..Stats::default()
        }
    );
}

#[tokio::test]
async fn only_the_blocks_asked_for_are_fetched() {
    let fake = Fake::with(&[0, 1, 2, 9], &[]);
    let snapshot = fake.open(MEMORY).await;
    assert_eq!(read(&snapshot, 9 * BLOCK, 10).await.unwrap(), [9; 10]);
    assert_eq!(snapshot.stats().blocks_read, 1);
    assert_eq!(fake.asked("/blocks/"), 1);
}

#[tokio::test]
async fn a_read_out_of_the_volume_is_refused() {
    let snapshot = Fake::with(&[], &[]).open(MEMORY).await;
    let error = read(&snapshot, (1 << 30) - 5, 6).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[rstest]
#[case::throttled(&[Fault::Throttled, Fault::Throttled])]
#[case::corrupt(&[Fault::Corrupt, Fault::Corrupt])]
#[case::short(&[Fault::Short])]
#[case::tokens_ended(&[Fault::NewTokens])]
#[tokio::test]
async fn passing_faults_are_not_noticed(#[case] faults: &[Fault]) {
    let fake = Fake::with(&[3], faults);
    let snapshot = fake.open(MEMORY).await;
    assert_eq!(read(&snapshot, 3 * BLOCK, BLOCK).await.unwrap(), [3; BLOCK]);
    assert_eq!(fake.asked("/blocks/3"), faults.len() + 1);
}

#[rstest]
#[case::denied(&[Fault::Denied], "reading block 3: AccessDeniedException: said the fake; the credentials need ebs:")]
#[case::expired(&[Fault::Expired], "reading block 3: ExpiredTokenException: said the fake; the credentials have expired")]
#[case::token_refused(&[Fault::NewTokens; 2], "reading block 3: ValidationException: said the fake")]
#[case::corrupt(&[Fault::Corrupt; 3], "block 3: it does not match its checksum, 3 times in a row")]
#[case::short(&[Fault::Short; 3], "block 3: 7 of 4096 bytes came")]
#[case::unchecked(&[Fault::WithoutChecksum; 3], "block 3: it came without a SHA-256 checksum")]
#[tokio::test]
async fn lasting_faults_are_errors(#[case] faults: &[Fault], #[case] expected: &str) {
    let snapshot = Fake::with(&[3], faults).open(MEMORY).await;
    let error = read(&snapshot, 3 * BLOCK, BLOCK)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.starts_with(expected), "{error}");
}

#[tokio::test]
async fn a_list_is_renewed_once_for_all_blocks_of_a_page() {
    let fake = Fake::with(&[1, 2], &[]);
    let snapshot = fake.open(MEMORY).await;
    fake.tokens.fetch_add(1, Ordering::SeqCst);
    assert_eq!(
        read(&snapshot, BLOCK, 2 * BLOCK).await.unwrap(),
        [[1; BLOCK], [2; BLOCK]].concat()
    );
    // Both were refused at the same time; one list has new tokens for both.
    assert_eq!(fake.asked("/blocks?"), 2);
}

#[tokio::test]
async fn throttling_of_many_blocks_is_waited_out() {
    let fake = Arc::new(Fake {
        faults: Mutex::new([Fault::Throttled; 120].into()),
        blocks: Fake::slow(200, Duration::ZERO).blocks.clone(),
        page: Some(10_000),
        ..Fake::default()
    });
    let snapshot = fake.open(MEMORY).await;
    let bytes = read(&snapshot, 0, 200 * BLOCK).await.unwrap();
    assert!(
        bytes
            .chunks(BLOCK)
            .enumerate()
            .all(|(index, block)| block == [index as u8; BLOCK])
    );
}

#[tokio::test]
async fn access_denied_half_way_is_an_error_and_what_was_read_before_stays() {
    let fake = Fake::with(&[1, 2, 3], &[]);
    let snapshot = fake.open(MEMORY).await;
    read(&snapshot, BLOCK, BLOCK).await.unwrap();
    fake.faults.lock().unwrap().extend([Fault::Denied; 2]);
    for block in [2, 3] {
        let error = read(&snapshot, block * BLOCK, 10).await.unwrap_err();
        assert!(
            error.to_string().contains("AccessDeniedException"),
            "{error}"
        );
    }
    assert_eq!(read(&snapshot, BLOCK, BLOCK).await.unwrap(), [1; BLOCK]);
    // The fault has passed.
    assert_eq!(read(&snapshot, 2 * BLOCK, BLOCK).await.unwrap(), [2; BLOCK]);
}

/// Reads the blocks one after the other, each in four parts.
async fn read_in_sequence(snapshot: &Arc<Snapshot>, count: usize) {
    let snapshot = Arc::clone(snapshot);
    let read = move || {
        for part in 0..count * 4 {
            let mut buffer = [0; BLOCK / 4];
            snapshot
                .read_at((part * BLOCK / 4) as u64, &mut buffer)
                .unwrap();
            assert_eq!(buffer, [(part / 4) as u8; BLOCK / 4]);
        }
    };
    tokio::task::spawn_blocking(read).await.unwrap();
}

#[tokio::test]
async fn reads_in_sequence_are_followed_by_fetches_of_which_few_are_in_vain() {
    let fake = Fake::slow(300, Duration::from_millis(20));
    let snapshot = fake.open(MEMORY).await;
    read_in_sequence(&snapshot, 200).await;
    let (_, parallel) = *fake.answering.lock().unwrap();
    assert!(
        (8..=PARALLEL).contains(&parallel),
        "{parallel} at the same time"
    );
    assert!(
        fake.asked("/blocks/") <= 225,
        "{} blocks",
        fake.asked("/blocks/")
    );
}

#[tokio::test]
async fn with_little_memory_less_is_read_ahead_and_nothing_twice() {
    let fake = Fake::slow(100, Duration::from_millis(1));
    let snapshot = fake.open(8 * BLOCK).await;
    read_in_sequence(&snapshot, 100).await;
    assert_eq!(fake.asked("/blocks/"), 100);
    let (_, parallel) = *fake.answering.lock().unwrap();
    assert!(parallel <= 4, "{parallel} at the same time");
}
