//! Descriptions and disks of the generated images, for tests that inspect them.

use serde::Serialize;

use super::random::Random;
use crate::image::{DiskFindings, Syspurpose};

/// The description of a generated image, and the findings on its disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GeneratedDisk {
    /// EC2's `Architecture`.
    pub architecture: String,
    /// Findings of an inspection; `None` for an image that is never inspected.
    pub findings: Option<DiskFindings>,
    /// `ID` of its os-release, if inspected.
    pub distribution: Option<String>,
}

impl GeneratedDisk {
    /// Makes the disk of an image. It depends on the id alone, and no log file depends on it.
    pub(super) fn of(image_id: &str) -> Self {
        let digits = image_id.trim_start_matches("ami-");
        let mut random = Random::of(&[u64::from_str_radix(digits, 16).unwrap_or_default()]);
        let architecture = random.pick(&["x86_64", "arm64"]).to_owned();
        if random.chance(0.2) {
            return Self {
                architecture,
                findings: None,
                distribution: None,
            };
        }
        let rhel = random.chance(0.6);
        let others = ["centos", "debian", "fedora"];
        let distribution = if rhel { "rhel" } else { random.pick(&others) };
        let syspurpose = Syspurpose {
            role: random
                .pick(&[
                    "",
                    "Red Hat Enterprise Linux Server",
                    "Red Hat Enterprise Linux Workstation",
                ])
                .to_owned(),
            sla: random.pick(&["", "Premium", "Standard"]).to_owned(),
            usage: random
                .pick(&["", "Production", "Development/Test"])
                .to_owned(),
            service_type: random.pick(&["", "L1-L3", "L3"]).to_owned(),
        };
        Self {
            architecture,
            findings: Some(DiskFindings { rhel, syspurpose }),
            distribution: Some(distribution.to_owned()),
        }
    }
}
