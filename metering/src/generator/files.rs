//! The log files of one account.

use std::collections::VecDeque;
use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::account::{DAY, GeneratedAccount};
use super::calls;
use super::envelope::REGIONS;
use super::noise::{RecordOrigin, Skip};
use super::random::Random;
use super::truth::Totals;

/// One log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Object key, `AWSLogs/<account>/CloudTrail/<region>/<year>/<month>/<day>/<name>.json.gz`.
    pub key: String,
    /// The log file, not compressed.
    pub json: String,
    /// Damage that [`GeneratedFile::gzip`] does to it. All its records are in an undamaged file as well.
    damage: Option<Damage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    CutOff,
    NotGzip,
    NotJson,
}

/// Makes the files of an account.
pub struct GeneratedFiles<'a> {
    account: &'a GeneratedAccount,
    random: Random,
    /// Positions of the calls in the files of each day in each region.
    cells: Vec<Vec<usize>>,
    /// Other records in each of them, on average.
    noise: f64,
    cell: usize,
    ready: VecDeque<GeneratedFile>,
    totals: Totals,
}

impl<'a> GeneratedFiles<'a> {
    pub(super) fn new(
        account: &'a GeneratedAccount,
        random: Random,
        cells: Vec<Vec<usize>>,
    ) -> Self {
        let relevant = account.config.relevant.clamp(0.000_1, 1.0);
        let noise = account.lives.calls.len() as f64 * (1.0 / relevant - 1.0) / cells.len() as f64;
        Self {
            account,
            random,
            cells,
            noise,
            cell: 0,
            ready: VecDeque::new(),
            totals: Totals::default(),
        }
    }

    /// Totals of the files made so far.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    fn fill(&mut self) {
        let mut slots: Vec<Option<usize>> = std::mem::take(&mut self.cells[self.cell])
            .into_iter()
            .map(Some)
            .collect();
        slots.resize(slots.len() + self.random.about(self.noise) as usize, None);
        self.random.shuffle(&mut slots);
        let per_file = self.account.config.records_per_file;
        for (number, records) in slots.chunks(per_file).enumerate() {
            let file = self.file(number, records);
            self.totals.files += 1;
            self.totals.bytes += file.json.len() as u64;
            let damaged = self
                .random
                .chance(self.account.config.damaged)
                .then(|| self.damaged(&file));
            self.ready.push_back(file);
            self.ready.extend(damaged);
        }
        self.cell += 1;
    }

    fn file(&mut self, number: usize, records: &[Option<usize>]) -> GeneratedFile {
        let mut json = String::with_capacity(64 + records.len() * 2_048);
        json.push_str(r#"{"Records":["#);
        for (position, record) in records.iter().enumerate() {
            if position > 0 {
                json.push(',');
            }
            self.record(&mut json, *record);
        }
        json.push_str("]}");
        let (region, day) = self.place();
        let GeneratedAccount { id, .. } = self.account;
        let (year, month, of_month) = (day.year(), day.month(), day.day());
        let unique = self.random.next();
        let key = format!(
            "AWSLogs/{id}/CloudTrail/{region}/{year:04}/{month:02}/{of_month:02}/{id}_CloudTrail_{region}_{year:04}{month:02}{of_month:02}T{:02}{:02}Z_{unique:016x}.json.gz",
            number / 12 % 24,
            number % 12 * 5,
        );
        GeneratedFile {
            key,
            json,
            damage: None,
        }
    }

    fn record(&mut self, out: &mut String, call: Option<usize>) {
        let Self {
            account,
            random,
            totals,
            ..
        } = self;
        totals.records += 1;
        if let Some(call) = call.and_then(|position| account.lives.calls.get(position)) {
            totals.relevant += 1;
            return calls::write(out, call, &account.lives, &account.id, random);
        }
        let cell = self.cell as i64;
        let place = RecordOrigin {
            account: &account.id,
            region: REGIONS[self.cell % account.config.regions],
            at: account.start
                + cell / account.config.regions as i64 * DAY
                + random.between(0, DAY - 1),
        };
        let instances = &account.lives.instances;
        let skip = if random.chance(account.config.failed) && !instances.is_empty() {
            place.failed(out, &instances[random.index(instances.len())], random)
        } else if random.chance(account.config.broken) {
            place.broken(out, random)
        } else {
            place.other(out, random)
        };
        *match skip {
            Skip::OtherSource => &mut totals.other_source,
            Skip::FailedCall => &mut totals.failed_call,
            Skip::ReadOnly => &mut totals.read_only,
            Skip::Irrelevant => &mut totals.irrelevant,
            Skip::Malformed => &mut totals.malformed,
        } += 1;
    }

    fn damaged(&mut self, file: &GeneratedFile) -> GeneratedFile {
        self.totals.damaged_files += 1;
        let damage = [Damage::CutOff, Damage::NotGzip, Damage::NotJson][self.random.index(3)];
        GeneratedFile {
            key: file.key.replace(".json.gz", "-damaged.json.gz"),
            json: file.json.clone(),
            damage: Some(damage),
        }
    }

    fn place(&self) -> (&'static str, Date) {
        let regions = self.account.config.regions;
        let seconds = self.account.start + (self.cell / regions) as i64 * DAY;
        let day = Timestamp::from_second(seconds)
            .unwrap_or_default()
            .to_zoned(TimeZone::UTC)
            .date();
        (REGIONS[self.cell % regions], day)
    }
}

impl Iterator for GeneratedFiles<'_> {
    type Item = GeneratedFile;

    fn next(&mut self) -> Option<GeneratedFile> {
        while self.ready.is_empty() && self.cell < self.cells.len() {
            self.fill();
        }
        self.ready.pop_front()
    }
}

impl GeneratedFile {
    /// True if reading it must fail.
    pub fn is_damaged(&self) -> bool {
        self.damage.is_some()
    }

    /// The bytes of the object, damaged if the file is.
    ///
    /// # Errors
    /// Never for memory, which is where it is written.
    pub fn gzip(&self) -> std::io::Result<Vec<u8>> {
        let mut encoder =
            GzEncoder::new(Vec::with_capacity(self.json.len() / 8), Compression::fast());
        let json = self.json.as_bytes();
        encoder.write_all(match self.damage {
            Some(Damage::NotJson) => &json[..json.len() - 1],
            _ => json,
        })?;
        let mut bytes = encoder.finish()?;
        match self.damage {
            Some(Damage::CutOff) => bytes.truncate(bytes.len() / 2),
            Some(Damage::NotGzip) => {
                bytes = b"<?xml version=\"1.0\"?><Error><Code>SlowDown</Code></Error>".to_vec()
            }
            Some(Damage::NotJson) | None => {}
        }
        Ok(bytes)
    }
}
