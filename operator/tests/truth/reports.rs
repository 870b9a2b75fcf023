//! The numbers in the reports.

use jiff::civil::Date;
use metering::generator::TrueHours;
use metering::usage::Count;
use serde::Deserialize;
use tokio::process::Command;

use super::{Failure, TruthDatabase, TruthWorld};

/// Numbers by organization, day and key; hours.
pub(crate) type Reports = (Vec<(String, Date, Count)>, Vec<TrueHours>);

/// Reads the numbers as `cloudigrade report` prints them.
pub(crate) async fn read(world: &TruthWorld, database: &TruthDatabase) -> Result<Reports, Failure> {
    #[derive(Deserialize)]
    struct Report {
        concurrent: Vec<Day>,
        hours: Vec<Hours>,
    }
    #[derive(Deserialize)]
    struct Day {
        org_id: String,
        date: Date,
        maximum_counts: Vec<Count>,
    }
    let output = Command::new(env!("CARGO_BIN_EXE_cloudigrade"))
        .args(["report", "--output", "json"])
        .args(["--by", "distribution,account,image,type,region"])
        .args(["--from", &world.first.to_string()])
        .args(["--to", &world.last.to_string()])
        .env("DATABASE_URL", &database.url)
        .output()
        .await?;
    let report: Report = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let of_day = |day: Day| {
        let Day { org_id, date, .. } = day;
        day.maximum_counts
            .into_iter()
            .map(move |count| (org_id.clone(), date, count))
    };
    let counts = report.concurrent.into_iter().flat_map(of_day).collect();
    Ok((counts, report.hours.into_iter().map(Hours::exact).collect()))
}

/// Hours as the report has them, in fractions.
#[derive(Deserialize)]
struct Hours {
    org_id: String,
    distribution: String,
    account_id: String,
    image_id: String,
    instance_type: String,
    region: String,
    seconds: i64,
    hours: f64,
    vcpu_hours: Option<f64>,
    memory_gib_hours: Option<f64>,
    unsized_hours: f64,
}

impl Hours {
    /// Converts fractions of hours to whole seconds. `seconds` is -1 if it disagrees with `hours`.
    fn exact(self) -> TrueHours {
        let seconds = |hours: f64| (hours * 3_600.0).round() as i64;
        TrueHours {
            org_id: self.org_id,
            distribution: self.distribution,
            account_id: self.account_id,
            image_id: self.image_id,
            instance_type: self.instance_type,
            region: self.region,
            seconds: if seconds(self.hours) == self.seconds {
                self.seconds
            } else {
                -1
            },
            vcpu_seconds: self.vcpu_hours.map(seconds),
            memory_mib_seconds: self.memory_gib_hours.map(|hours| seconds(hours * 1_024.0)),
            unsized_seconds: seconds(self.unsized_hours),
        }
    }
}
