//! Settings of a generated world.

use jiff::civil::Date;

/// Sizes and shares of a generated world. Shares are from 0 to 1.
#[derive(Clone, Debug)]
pub struct Config {
    /// The same seed and settings give the same bytes.
    pub seed: u64,
    /// AWS accounts.
    pub accounts: u32,
    /// Accounts of one organization; the last one may have fewer.
    pub accounts_per_org: u32,
    /// Regions each account uses, at most 8.
    pub regions: usize,
    /// Instances of each account.
    pub instances: u32,
    /// Number of times that an instance is stopped and started again, on average.
    pub restarts: f64,
    /// The first day (UTC).
    pub first: Date,
    /// The number of days.
    pub days: u32,
    /// Share of the records that are about power, type or metering tags.
    pub relevant: f64,
    /// Most records in a file.
    pub records_per_file: usize,
    /// Share of the relevant records that are in a second file as well.
    pub duplicates: f64,
    /// Share of the relevant records that are delivered a day or two late.
    pub late: f64,
    /// Share of the records that look relevant but are of a refused call.
    pub failed: f64,
    /// Share of the records that are malformed.
    pub broken: f64,
    /// Share of the files that are in the folder a second time, cut off or overwritten.
    pub damaged: f64,
}

impl Default for Config {
    /// A small world: a month of two organizations.
    fn default() -> Self {
        Self {
            seed: 1,
            accounts: 4,
            accounts_per_org: 2,
            regions: 2,
            instances: 50,
            restarts: 4.0,
            first: jiff::civil::date(2026, 1, 1),
            days: 31,
            relevant: 0.05,
            records_per_file: 500,
            duplicates: 0.02,
            late: 0.02,
            failed: 0.01,
            broken: 0.001,
            damaged: 0.01,
        }
    }
}
