//! The log files of one account.

use std::collections::VecDeque;
use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::calls;
use super::config::Config;
use super::envelope::REGIONS;
use super::lives::Lives;
use super::noise::{Place, Skip};
use super::random::Random;
use super::truth::{Totals, Truth};

const DAY: i64 = 86_400;

/// One AWS account of the generated world.
pub struct Account {
    config: Config,
    number: u32,
    id: String,
    pub(super) lives: Lives,
    random: Random,
    start: i64,
}

/// One log file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Object key, `AWSLogs/<account>/CloudTrail/<region>/<year>/<month>/<day>/<name>.json.gz`.
    pub key: String,
    /// The log file, not compressed.
    pub json: String,
    /// How [`File::gzip`] damages it, if it does. What it tells is told in full by another file.
    damage: Option<Damage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    CutOff,
    NotGzip,
    NotJson,
}

impl Account {
    /// The account of this number, counted from 0; [`Config::accounts`] many make up the world.
    pub fn new(config: &Config, number: u32) -> Self {
        let mut config = config.clone();
        config.regions = config.regions.clamp(1, REGIONS.len());
        config.records_per_file = config.records_per_file.max(1);
        let mut random = Random::of(&[config.seed, u64::from(number)]);
        let midnight = config
            .first
            .to_zoned(TimeZone::UTC)
            .map(|zoned| zoned.timestamp());
        let start = midnight.unwrap_or(Timestamp::UNIX_EPOCH).as_second();
        let lives = Lives::new(
            &config,
            &mut random,
            start,
            start + i64::from(config.days.max(1)) * DAY,
        );
        Self {
            id: account_id(number),
            config,
            number,
            lives,
            random,
            start,
        }
    }

    /// Twelve digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Organization it belongs to.
    pub fn org_id(&self) -> String {
        org_id(&self.config, self.number)
    }

    /// What is to come out once all of [`Account::files`] are read.
    pub fn truth(&self) -> Truth {
        Truth::of(self, self.config.first, self.config.days.max(1))
    }

    /// A manifest that makes the account of this number known to the operator.
    pub fn manifest_of(config: &Config, number: u32) -> String {
        let (id, org) = (account_id(number), org_id(config, number));
        format!(
            "apiVersion: cloudigrade.io/v1alpha1\nkind: CloudAccount\nmetadata:\n  name: account-{id}\n  namespace: customers\nspec:\n  owner:\n    orgId: \"{org}\"\n  aws:\n    roleArn: arn:aws:iam::{id}:role/cloudigrade-metering\n    externalId: generated\n"
        )
    }

    /// Its log files, made one by one.
    pub fn files(&self) -> Files<'_> {
        let mut random = self.random.clone();
        let days = self.config.days.max(1) as usize;
        let mut cells = vec![Vec::new(); days * self.config.regions];
        for (position, call) in self.lives.calls.iter().enumerate() {
            let day = ((call.at - self.start) / DAY) as usize;
            let mut put = |day: usize| {
                cells[day.min(days - 1) * self.config.regions + call.region].push(position)
            };
            let late = if random.chance(self.config.late) {
                1 + random.index(2)
            } else {
                0
            };
            put(day + late);
            if random.chance(self.config.duplicates) {
                put(day + late + random.index(2));
            }
        }
        let relevant = self.config.relevant.clamp(0.000_1, 1.0);
        let noise = self.lives.calls.len() as f64 * (1.0 / relevant - 1.0) / cells.len() as f64;
        Files {
            account: self,
            random,
            cells,
            noise,
            cell: 0,
            ready: VecDeque::new(),
            totals: Totals::default(),
        }
    }
}

fn account_id(number: u32) -> String {
    format!("{:012}", 210_000_000_000 + u64::from(number))
}

fn org_id(config: &Config, number: u32) -> String {
    (10_000_000 + number / config.accounts_per_org.max(1)).to_string()
}

/// Makes the files of an account.
pub struct Files<'a> {
    account: &'a Account,
    random: Random,
    /// Positions of the calls told on each day in each region.
    cells: Vec<Vec<usize>>,
    /// Other records in each of them, on average.
    noise: f64,
    cell: usize,
    ready: VecDeque<File>,
    totals: Totals,
}

impl Files<'_> {
    /// What was made so far.
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

    fn file(&mut self, number: usize, records: &[Option<usize>]) -> File {
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
        let Account { id, .. } = self.account;
        let (year, month, of_month) = (day.year(), day.month(), day.day());
        let unique = self.random.next();
        let key = format!(
            "AWSLogs/{id}/CloudTrail/{region}/{year:04}/{month:02}/{of_month:02}/{id}_CloudTrail_{region}_{year:04}{month:02}{of_month:02}T{:02}{:02}Z_{unique:016x}.json.gz",
            number / 12 % 24,
            number % 12 * 5,
        );
        File {
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
        let place = Place {
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

    fn damaged(&mut self, file: &File) -> File {
        self.totals.damaged_files += 1;
        let damage = [Damage::CutOff, Damage::NotGzip, Damage::NotJson][self.random.index(3)];
        File {
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

impl Iterator for Files<'_> {
    type Item = File;

    fn next(&mut self) -> Option<File> {
        while self.ready.is_empty() && self.cell < self.cells.len() {
            self.fill();
        }
        self.ready.pop_front()
    }
}

impl File {
    /// Whether reading it must fail.
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
