//! One account of the generated world.

use jiff::{Timestamp, tz::TimeZone};

use super::config::Config;
use super::envelope::REGIONS;
use super::files::GeneratedFiles;
use super::lives::Lives;
use super::random::Random;
use super::truth::Truth;

pub(super) const DAY: i64 = 86_400;

/// One AWS account of the generated world.
pub struct GeneratedAccount {
    pub(super) config: Config,
    number: u32,
    pub(super) id: String,
    pub(super) lives: Lives,
    random: Random,
    /// First second of the first day, since 1970.
    pub(super) start: i64,
}

impl GeneratedAccount {
    /// Makes the account of this number, counted from 0; [`Config::accounts`] many make up the world.
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

    /// Returns the truth that reading all of [`GeneratedAccount::files`] must lead to.
    pub fn truth(&self) -> Truth {
        Truth::of(self, self.config.first, self.config.days.max(1))
    }

    /// Returns the CloudAccount manifest of the account of this number.
    pub fn manifest_of(config: &Config, number: u32) -> String {
        let (id, org) = (account_id(number), org_id(config, number));
        format!(
            "apiVersion: cloudigrade.io/v1alpha1\nkind: CloudAccount\nmetadata:\n  name: account-{id}\n  namespace: customers\nspec:\n  owner:\n    orgId: \"{org}\"\n  aws:\n    roleArn: arn:aws:iam::{id}:role/cloudigrade-metering\n    externalId: generated\n"
        )
    }

    /// Returns its log files, made one by one.
    pub fn files(&self) -> GeneratedFiles<'_> {
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
        GeneratedFiles::new(self, random, cells)
    }
}

fn account_id(number: u32) -> String {
    format!("{:012}", 210_000_000_000 + u64::from(number))
}

fn org_id(config: &Config, number: u32) -> String {
    (10_000_000 + number / config.accounts_per_org.max(1)).to_string()
}
