//! The quick way through a file against the thorough one: serde_json reads everything, record by record.

use std::io::Read;

use proptest::prelude::*;
use rstest::rstest;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Record, Window};
use crate::cloudtrail::{LogError, LogFile, ReadError, parse, read};

fn thoroughly(json: &str) -> LogFile {
    #[derive(Deserialize)]
    struct File<'a> {
        #[serde(borrow, rename = "Records")]
        records: Vec<&'a RawValue>,
    }
    let mut log = LogFile::default();
    let file: File<'_> = serde_json::from_str(json).expect("a log file");
    for record in file.records {
        log.add(Record {
            bytes: record.get().as_bytes(),
            header: None,
        });
    }
    log
}

/// Through a window that is small, from a source that gives what it likes.
fn piece_by_piece(json: &[u8], window: usize) -> Result<LogFile, ReadError> {
    struct Bits<'a>(&'a [u8]);
    impl Read for Bits<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let length = (self.0.len() % 7 + 1).min(buffer.len());
            self.0.read(&mut buffer[..length])
        }
    }
    Window::sliding(Bits(json), u64::MAX, window).log()
}

/// White space, often none.
fn gap() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just(String::new()), 1 => "[ \n\t\r]{1,3}"]
}

/// A string as JSON has it, one in four with every letter escaped.
fn quoted(text: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (text, 0..4_u8).prop_map(|(text, how)| match how {
        0 => format!(
            "\"{}\"",
            text.encode_utf16()
                .map(|unit| format!("\\u{unit:04x}"))
                .collect::<String>()
        ),
        _ => serde_json::to_string(&text).expect("JSON"),
    })
}

fn word() -> impl Strategy<Value = String> {
    let told = prop::sample::select(vec![
        "ec2.amazonaws.com",
        "autoscaling.amazonaws.com",
        "s3.amazonaws.com",
        "StopInstances",
        "RunInstances",
        "TerminateInstanceInAutoScalingGroup",
        "DescribeInstances",
        "",
        "i-1",
        "2026-01-01T00:00:00Z",
        "eventSource",
    ]);
    prop_oneof![3 => told.prop_map(str::to_owned), 1 => r#"[a"\\{}\[\],: é𝄞\n]{0,9}"#]
}

fn value() -> impl Strategy<Value = String> {
    let scalar =
        prop::sample::select(vec!["null", "true", "false", "0", "-1.5e+3"]).prop_map(str::to_owned);
    let leaf = prop_oneof![scalar, quoted(word())];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..4)
            .prop_map(|items| format!("[{}]", items.join(" ,")));
        prop_oneof![list, object(key(), inner, 0..4)]
    })
}

fn object(
    key: impl Strategy<Value = String>,
    value: impl Strategy<Value = String>,
    fields: std::ops::Range<usize>,
) -> impl Strategy<Value = String> {
    let field = (gap(), key, gap(), gap(), value, gap()).prop_map(
        |(before, key, middle, then, value, after)| {
            format!("{before}{key}{middle}:{then}{value}{after}")
        },
    );
    proptest::collection::vec(field, fields).prop_map(|fields| format!("{{{}}}", fields.join(",")))
}

fn key() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "eventSource",
        "eventName",
        "errorCode",
        "readOnly",
        "eventID",
        "eventTime",
        "awsRegion",
        "requestParameters",
        "x",
    ]);
    quoted(names.prop_map(str::to_owned))
}

/// A record with all it needs, in any order and spelling, and anything besides or in place of it.
fn record() -> impl Strategy<Value = String> {
    let source = prop::sample::select(vec![
        "ec2.amazonaws.com",
        "autoscaling.amazonaws.com",
        "s3.amazonaws.com",
    ]);
    let name = prop::sample::select(vec![
        "StopInstances",
        "TerminateInstanceInAutoScalingGroup",
        "ModifyInstanceAttribute",
    ]);
    let fields = (
        quoted(source.prop_map(str::to_owned)),
        quoted(name.prop_map(str::to_owned)),
        prop::option::weighted(0.2, (key(), value())),
        prop::option::weighted(
            0.3,
            prop::sample::select(vec![
                r#""errorCode":null"#,
                r#""errorCode":"""#,
                r#""errorCode":"No""#,
            ]),
        ),
        prop::option::weighted(
            0.3,
            prop::sample::select(vec![r#""readOnly":true"#, r#""readOnly": false"#]),
        ),
        value(),
    );
    let sound = fields.prop_flat_map(|(source, name, odd, error, read_only, more)| {
        let mut fields = vec![
            format!(r#""eventSource":{source}"#),
            format!(r#""eventName" :{name}"#),
            format!(r#""more":{more}"#),
            r#""eventID":"e-1","eventTime":"2026-01-01T00:00:00Z","awsRegion":"us-east-1""#
                .to_owned(),
            r#""userIdentity":{"accountId":"210987654321","eventSource":"ec2.amazonaws.com"}"#
                .to_owned(),
            r#""requestParameters":{"instanceId":"i-1","instanceType":{"value":"m5.large"}}"#
                .to_owned(),
        ];
        fields.extend(odd.map(|(key, value)| format!("{key}: {value}")));
        fields.extend(error.into_iter().chain(read_only).map(str::to_owned));
        Just(fields).prop_shuffle()
    });
    let sound = (sound, gap())
        .prop_map(|(fields, gap)| format!("{{{}}}", fields.join(&format!("{gap},{gap}"))));
    prop_oneof![4 => sound, 1 => object(key(), value(), 0..8), 1 => value()]
}

fn log_file() -> impl Strategy<Value = String> {
    let other = || prop::option::of((key(), value()));
    (
        proptest::collection::vec(record(), 0..6),
        other(),
        other(),
        gap(),
    )
        .prop_map(|(records, before, after, gap)| {
            let field = |(key, value): (String, String)| format!("{key}:{value}");
            let records = format!(
                r#""Records"{gap}:{gap}[{gap}{}]"#,
                records.join(&format!("{gap},{gap}"))
            );
            let fields: Vec<_> = before
                .map(field)
                .into_iter()
                .chain([records])
                .chain(after.map(field))
                .collect();
            format!(
                "{gap}{{{gap}{}{gap}}}{gap}",
                fields.join(&format!("{gap},{gap}"))
            )
        })
}

proptest! {
    #[test]
    fn the_quick_way_leads_where_the_thorough_one_does(json in log_file(), window in 1..200_usize) {
        let expected = thoroughly(&json);
        prop_assert_eq!(&parse(json.as_bytes()).expect("a log file"), &expected, "{}", json);
        prop_assert_eq!(&piece_by_piece(json.as_bytes(), window).expect("a log file"), &expected, "{}", json);
    }

    #[test]
    fn a_file_that_is_cut_off_is_an_error(json in log_file(), at in any::<prop::sample::Index>()) {
        let json = json.trim_end();
        let cut = &json.as_bytes()[..at.index(json.len())];
        prop_assert!(matches!(parse(cut), Err(LogError::Syntax(_))));
        prop_assert!(matches!(piece_by_piece(cut, 16), Err(ReadError::Log(LogError::Syntax(_)))));
    }

    #[test]
    fn damage_is_no_reason_to_panic(json in log_file(), at in any::<prop::sample::Index>(), byte: u8, window in 1..200_usize) {
        let mut json = json.into_bytes();
        let at = at.index(json.len());
        json[at] = byte;
        let (whole, pieces) = (parse(&json), piece_by_piece(&json, window));
        prop_assert_eq!(whole.is_ok(), pieces.is_ok());
        if let (Ok(whole), Ok(pieces)) = (whole, pieces) {
            prop_assert_eq!(whole, pieces);
        }
    }

    #[test]
    fn bytes_of_any_kind_do_not_panic(json in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = (parse(&json), piece_by_piece(&json, 8));
    }
}

#[rstest]
#[case::no_json(r#"{"a" 1}"#)]
#[case::number("[1.2.3]")]
#[case::bare_word("ec2")]
#[case::no_utf8("\"\u{fffd}\"")]
#[case::deep(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)))]
fn what_is_odd_in_one_record_is_no_harm_to_others(#[case] odd: &str) {
    let good = r#"{"eventSource":"ec2.amazonaws.com","eventName":"StopInstances","eventID":"e-1","eventTime":"2026-01-01T00:00:00Z","awsRegion":"us-east-1","recipientAccountId":"210987654321","requestParameters":{"instanceId":"i-1"}}"#;
    let mut json = format!(r#"{{"Records":[{good},{odd},{good}]}}"#).into_bytes();
    // Bytes that are no text can't be written in a string literal.
    if let Some(position) = json
        .windows(3)
        .position(|bytes| bytes == "\u{fffd}".as_bytes())
    {
        json[position] = 0xff;
    }
    let log = parse(&json).expect("a log file");
    assert_eq!(
        (
            log.records,
            log.skipped.malformed,
            log.instance_events.len()
        ),
        (3, 1, 2)
    );
}

#[test]
fn a_record_longer_than_the_window_is_read() {
    let long = "x".repeat(3 << 20);
    let json = format!(
        r#"{{"Records":[{{"eventSource":"s3.amazonaws.com","eventName":"{long}"}},{{"eventSource":"ec2.amazonaws.com","eventName":"{long}"}}]}}"#
    );
    let log = read(json.as_bytes(), 8 << 20).expect("a log file");
    assert_eq!(
        (
            log.records,
            log.skipped.other_source,
            log.skipped.irrelevant
        ),
        (2, 1, 1)
    );
}

#[test]
fn reading_stops_at_the_limit() {
    let endless = std::io::repeat(b' ');
    let error = read(endless, 1 << 20).expect_err("a limit");
    assert_eq!(
        error.to_string(),
        "the log file is larger than 1048576 bytes when decompressed"
    );
    let json = br#"{"Records":[]}"#;
    assert!(read(&json[..], json.len() as u64).is_ok());
    assert!(matches!(
        read(&json[..], json.len() as u64 - 1),
        Err(ReadError::TooLarge { .. })
    ));
}

#[test]
fn a_source_that_fails_is_an_error_whatever_was_read_before() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("corrupt deflate stream"))
        }
    }
    let source = br#"{"Records":[]"#.chain(Fails);
    let error = read(source, 1 << 20).expect_err("a failure");
    assert_eq!(error.to_string(), "corrupt deflate stream");
}
