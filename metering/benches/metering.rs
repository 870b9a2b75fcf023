//! Speed of the pure part, beside the floor: decompressing and a full parse into a minimal struct.
//!
//! `cargo bench -p metering`; add `--features flate2/runtime_detection` to measure its effect. Numbers are of one thread.
//! Bars are appended to the file that `CLOUDIGRADE_BENCH_BARS` names, one JSON object a line.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::hint::black_box;
use std::io::{Read, Write, stdout};
use std::time::{Duration, Instant};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use jiff::{SignedDuration, Timestamp, civil::date};
use metering::cloudtrail::{self, EventKind};
use metering::generator::{Config, GeneratedAccount};
use metering::runs::{self, Event};
use metering::usage::{Period, RhelRun, Size, consumption, maximum_counts};
use serde::Deserialize;
use serde_json::value::RawValue;

type Error = Box<dyn std::error::Error>;

const REPETITIONS: usize = 15;

fn main() -> Result<(), Error> {
    logs()?;
    usage()
}

/// Appends a bar to the file that `CLOUDIGRADE_BENCH_BARS` names, if any.
fn bar(name: &str, bar: &str, value: &str, met: bool) -> Result<(), Error> {
    let Some(path) = std::env::var_os("CLOUDIGRADE_BENCH_BARS") else {
        return Ok(());
    };
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let row = serde_json::json!({"name": name, "bar": bar, "value": value, "met": met});
    Ok(writeln!(file, "{row}")?)
}

/// The shortest and the median time of some repetitions.
fn times<T>(mut work: impl FnMut() -> Result<T, Error>) -> Result<(Duration, Duration), Error> {
    let mut times = Vec::with_capacity(REPETITIONS);
    for _ in 0..REPETITIONS {
        let begun = Instant::now();
        black_box(work()?);
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    Ok((times[0], times[REPETITIONS / 2]))
}

/// [`times`] of each item, added up: other programs on the machine disturb few of many short measurements.
fn sum<T>(
    items: &[T],
    work: impl Fn(&T) -> Result<u64, Error>,
) -> Result<(Duration, Duration), Error> {
    let mut sum = (Duration::ZERO, Duration::ZERO);
    for item in items {
        let (best, median) = times(|| work(item))?;
        sum = (sum.0 + best, sum.1 + median);
    }
    Ok(sum)
}

/// The fields that decide the relevance of a record.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only read")]
struct Minimal<'a> {
    #[serde(borrow)]
    event_source: Cow<'a, str>,
    #[serde(borrow)]
    event_name: Cow<'a, str>,
    #[serde(borrow)]
    error_code: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Records<T> {
    #[serde(rename = "Records")]
    records: Vec<T>,
}

fn gunzip(gzip: &[u8]) -> Result<Vec<u8>, Error> {
    let mut json = Vec::new();
    MultiGzDecoder::new(gzip).read_to_end(&mut json)?;
    Ok(json)
}

fn logs() -> Result<(), Error> {
    let config = Config {
        instances: 150,
        days: 3,
        records_per_file: 500,
        damaged: 0.0,
        broken: 0.0,
        ..Config::default()
    };
    let (mut plain, mut packed) = (Vec::new(), Vec::new());
    let begun = Instant::now();
    let account = GeneratedAccount::new(&config, 0);
    let mut files = account.files();
    for file in files.by_ref() {
        plain.push(file.json);
    }
    let made = begun.elapsed();
    let totals = files.totals();
    for json in &plain {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(json.as_bytes())?;
        packed.push(encoder.finish()?);
    }
    let (bytes, records) = (totals.bytes as f64, totals.records as f64);
    writeln!(
        stdout(),
        "{} files, {records} records of {:.0} bytes, {:.1} % relevant, made at {:.0} MB/s",
        totals.files,
        bytes / records,
        totals.relevant as f64 / records * 100.0,
        bytes / 1e6 / made.as_secs_f64()
    )?;

    let row = |name: &str, (best, median): (Duration, Duration)| {
        let speed = |time: Duration| bytes / 1e6 / time.as_secs_f64();
        writeln!(
            stdout(),
            "{name:<44} {:>6.0} MB/s best {:>6.0} MB/s median {:>9.0} records/s",
            speed(best),
            speed(median),
            records / median.as_secs_f64()
        )
    };
    let every = |work: &dyn Fn(&str) -> Result<u64, Error>| sum(&plain, |json| work(json));
    let unpacked = |work: &dyn Fn(&[u8]) -> Result<u64, Error>| sum(&packed, |gzip| work(gzip));
    row("gunzip", unpacked(&|gzip| Ok(gunzip(gzip)?.len() as u64))?)?;
    let minimal = |json: &[u8]| -> Result<u64, Error> {
        Ok(serde_json::from_slice::<Records<Minimal<'_>>>(json)?
            .records
            .len() as u64)
    };
    let floor = unpacked(&|gzip| minimal(&gunzip(gzip)?))?;
    row("floor: gunzip, minimal struct (serde_json)", floor)?;
    let events =
        |log: cloudtrail::LogFile| (log.instance_events.len() + log.image_tags.len()) as u64;
    let parsed = unpacked(&|gzip| Ok(events(cloudtrail::parse(&gunzip(gzip)?)?)))?;
    row("gunzip, then parse to events", parsed)?;
    let speed = |(best, _): (Duration, Duration)| bytes / 1e6 / best.as_secs_f64();
    bar(
        "unpack, and parse to events",
        &format!("≥ the floor, {:.0} MB/s", speed(floor)),
        &format!("{:.0} MB/s", speed(parsed)),
        parsed.0 <= floor.0,
    )?;
    row(
        "read to events while decompressing",
        unpacked(&|gzip| {
            Ok(events(cloudtrail::read(
                MultiGzDecoder::new(gzip),
                1 << 30,
            )?))
        })?,
    )?;
    row(
        "parse to events",
        every(&|json| Ok(events(cloudtrail::parse(json.as_bytes())?)))?,
    )?;
    row(
        "minimal struct (serde_json)",
        every(&|json| minimal(json.as_bytes()))?,
    )?;
    row(
        "records as RawValue (serde_json)",
        every(&|json| {
            Ok(serde_json::from_str::<Records<&RawValue>>(json)?
                .records
                .len() as u64)
        })?,
    )?;
    Ok(())
}

fn at(second: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_767_225_600 + second)
}

/// An instance that is started and stopped again and again.
fn history(instance: i64, runs: i64) -> Vec<Event> {
    let event = |kind, second, number| Event {
        at: at(second),
        kind,
        id: format!("{number:08x}-0000-4000-a000-{instance:012x}"),
        instance_type: (number == 0).then(|| "m5.large".to_owned()),
    };
    let one = |number| {
        let start = instance % 1_000 + number * 20_000;
        [
            event(EventKind::PowerOn, start, 2 * number),
            event(EventKind::PowerOff, start + 9_000, 2 * number + 1),
        ]
    };
    (0..runs).flat_map(one).collect()
}

fn usage() -> Result<(), Error> {
    let row = |name: &str, (best, median): (Duration, Duration)| {
        writeln!(
            stdout(),
            "{name:<44} {:>9.3} ms best {:>9.3} ms median",
            best.as_secs_f64() * 1e3,
            median.as_secs_f64() * 1e3
        )
    };
    let histories: Vec<_> = (0..2_500).map(|instance| history(instance, 4)).collect();
    let built = times(|| {
        Ok(histories
            .iter()
            .map(|events| runs::runs(events.clone()).len())
            .sum::<usize>())
    })?;
    row("10 000 runs of 2 500 instances, built", built)?;

    let mut year = history(1, 1_500);
    let before = runs::runs(year.clone());
    let mut late = year[1_500].clone();
    late.at = year[1_500].at + SignedDuration::from_secs(4_500);
    late.kind = EventKind::PowerOff;
    year.push(late);
    let event = times(|| Ok(runs::difference(&before, &runs::runs(year.clone())).len()))?;
    row("one late event in a year of 3 000", event)?;

    let day = date(2026, 1, 1);
    let rhel: Vec<_> = (0..10_000_i64)
        .map(|number| RhelRun {
            start: at(number * 7 % 80_000),
            end: Some(at(number * 7 % 80_000 + 6_000)),
            arch: ["x86_64", "arm64"][number as usize % 2].to_owned(),
            role: ["", "Red Hat Enterprise Linux Server"][number as usize % 3 / 2].to_owned(),
            sla: ["", "Premium", "Standard"][number as usize % 3].to_owned(),
            usage: ["", "Production"][number as usize % 2].to_owned(),
            service_type: ["", "L1-L3"][number as usize % 5 / 4].to_owned(),
        })
        .collect();
    let counted = times(|| Ok(maximum_counts(day, &rhel).len()))?;
    row("usage of a day with 10 000 runs", counted)?;
    bar(
        "usage of a day with 10 000 runs",
        "< 40 ms",
        &format!("{:.1} ms", counted.1.as_secs_f64() * 1e3),
        counted.1 < Duration::from_millis(40),
    )?;
    let size = Some(Size {
        vcpus: 2,
        memory_mib: 8_192,
    });
    let by = |number: usize| (number % 5, number % 20, number % 40, number % 7, number % 3);
    let keyed = || {
        rhel.iter()
            .enumerate()
            .map(|(number, run)| (by(number), run.start, run.end, size))
    };
    let hours = times(|| Ok(consumption(Period::of_day(day), keyed()).len()))?;
    row("vCPU-hours of 10 000 runs by five dimensions", hours)?;
    Ok(())
}
