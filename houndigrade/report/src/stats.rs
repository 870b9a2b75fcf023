//! The work that an inspection took.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Counts of reads and bytes, and wall time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Blocks fetched from a snapshot, or reads made on a file. What is read again from memory is not counted.
    pub blocks_read: u64,
    /// Bytes in them.
    pub bytes_read: u64,
    /// Wall time.
    pub milliseconds: u64,
    /// Its parts.
    pub stages: Stages,
}

/// Wall time of the stages of an inspection, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stages {
    /// Opening the disks; of a snapshot: the first list of its blocks.
    pub open: u64,
    /// Reading partition tables and logical volumes, and opening the file systems with their journals.
    pub volumes: u64,
    /// Finding the installed systems and composing their directory trees.
    pub systems: u64,
    /// Making the checks.
    pub facts: u64,
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.blocks_read += other.blocks_read;
        self.bytes_read += other.bytes_read;
        self.milliseconds += other.milliseconds;
        self.stages += other.stages;
    }
}

impl AddAssign for Stages {
    fn add_assign(&mut self, other: Self) {
        self.open += other.open;
        self.volumes += other.volumes;
        self.systems += other.systems;
        self.facts += other.facts;
    }
}
