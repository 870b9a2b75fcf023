//! Images made by `mkfs.btrfs`, filled by the kernel and compared with the kernel's view.

mod devices;
mod files;
mod hostile;
mod image;
mod kernel;
mod log;
mod subvolumes;

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::path::{Path, PathBuf};

use rstest::rstest;

use self::files::{noise, text};
use self::image::BtrfsImage;
use super::*;
use crate::filesystem::Content;
use crate::source::DiskFile;
use crate::test_disks::kernel::{KernelMount, assert_same_tree};
use crate::test_disks::{MIB, memory, run};

/// Options of a mount that shows all subvolumes, and commits only on request.
const TOP: &str = "subvolid=5,commit=300";
