mod damage;
mod files;
mod hostile;
mod image;
mod kernel;
mod pages;
mod version_4;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rstest::rstest;

use super::*;
use crate::filesystem::{self, Content};
use crate::source::DiskFile;
use crate::test_disks::{memory, run};
