use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use aws_sdk_ebs::config::retry::RetryConfig;
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

/// What goes wrong with one answer to `GetSnapshotBlock`.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Throttled,
    Denied,
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
}

impl Fake {
    /// With these blocks, each filled with its index.
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

    async fn open(self: &Arc<Self>) -> Arc<Snapshot> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let fake = Arc::clone(self);
        thread::spawn(move || {
            for connection in listener.incoming() {
                fake.serve(connection.unwrap());
            }
        });
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
            .endpoint_url(endpoint)
            .build();
        Arc::new(Snapshot::open(Client::from_conf(config), ID).await.unwrap())
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
            Some(index) => self.get(index.parse().unwrap(), query["blockToken"]),
        }
    }

    fn list(&self, query: &BTreeMap<&str, &str>) -> (String, Vec<u8>) {
        let first: u64 = query
            .get("pageToken")
            .unwrap_or(&query["startingBlockIndex"])
            .parse()
            .unwrap();
        let mut rest = self.blocks.range(first..).map(|(index, _)| index);
        let page: Vec<_> = rest.by_ref().take(PAGE).collect();
        let blocks: Vec<_> = page
            .iter()
            .map(
                |index| serde_json::json!({"BlockIndex": index, "BlockToken": format!("t{index}")}),
            )
            .collect();
        let next = rest.next().map(u64::to_string);
        let body = serde_json::json!({"Blocks": blocks, "NextToken": next, "VolumeSize": 1, "BlockSize": BLOCK});
        ("200 OK".into(), body.to_string().into_bytes())
    }

    fn get(&self, index: u64, token: &str) -> (String, Vec<u8>) {
        assert_eq!(token, format!("t{index}"));
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
        match self.faults.lock().unwrap().pop_front() {
            None => {}
            Some(Fault::Throttled) => return error("400 Bad Request", "RequestThrottledException"),
            Some(Fault::Denied) => return error("403 Forbidden", "AccessDeniedException"),
            Some(Fault::Corrupt) => block[7] ^= 1,
            Some(Fault::Short) => block.truncate(7),
            Some(Fault::WithoutChecksum) => head = "200 OK".into(),
        }
        (head, block)
    }

    /// How often a path with this in it was asked for.
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
    let snapshot = fake.open().await;
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
            milliseconds: 0
        }
    );
}

#[tokio::test]
async fn only_the_blocks_asked_for_are_fetched() {
    let fake = Fake::with(&[0, 1, 2, 9], &[]);
    let snapshot = fake.open().await;
    assert_eq!(read(&snapshot, 9 * BLOCK, 10).await.unwrap(), [9; 10]);
    assert_eq!(snapshot.stats().blocks_read, 1);
    assert_eq!(fake.asked("/blocks/"), 1);
}

#[tokio::test]
async fn a_read_out_of_the_volume_is_refused() {
    let snapshot = Fake::with(&[], &[]).open().await;
    let error = read(&snapshot, (1 << 30) - 5, 6).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[rstest]
#[case::throttled(&[Fault::Throttled, Fault::Throttled])]
#[case::corrupt(&[Fault::Corrupt, Fault::Corrupt])]
#[case::short(&[Fault::Short])]
#[tokio::test]
async fn passing_faults_are_not_noticed(#[case] faults: &[Fault]) {
    let fake = Fake::with(&[3], faults);
    let snapshot = fake.open().await;
    assert_eq!(read(&snapshot, 3 * BLOCK, BLOCK).await.unwrap(), [3; BLOCK]);
    assert_eq!(fake.asked("/blocks/3"), faults.len() + 1);
}

#[rstest]
#[case::denied(&[Fault::Denied], "reading block 3: AccessDeniedException: said the fake; the credentials need ebs:")]
#[case::corrupt(&[Fault::Corrupt; 3], "block 3: it does not match its checksum, 3 times in a row")]
#[case::short(&[Fault::Short; 3], "block 3: 7 of 4096 bytes came")]
#[case::unchecked(&[Fault::WithoutChecksum; 3], "block 3: it came without a SHA-256 checksum")]
#[tokio::test]
async fn lasting_faults_are_errors(#[case] faults: &[Fault], #[case] expected: &str) {
    let snapshot = Fake::with(&[3], faults).open().await;
    let error = read(&snapshot, 3 * BLOCK, BLOCK)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.starts_with(expected), "{error}");
}
