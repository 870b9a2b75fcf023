//! The second opinion: the Linux kernel mounts the disk, plain system calls read it, and both must see the same files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use skip::{Missing, skip};
use tempfile::TempDir;

use crate::filesystem::{FileSystem, FileType};

/// A file system that the kernel has mounted. It is unmounted when this is dropped.
pub(crate) struct KernelMount {
    folder: TempDir,
}

impl KernelMount {
    /// Mounts the image in the file at `image` with `options` of `mount -o`, beside `loop`. Skips the test where
    /// that fails: it takes root, loop devices and a kernel that knows the file system.
    pub(crate) fn new(image: &Path, options: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new("mount")
            .args(["-o", &format!("loop,{options}")])
            .args([image, folder.path()])
            .output()
            .unwrap();
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            let reason = format!("the kernel can't mount the disk: {why}");
            skip(Missing::Tool, &reason);
            return None;
        }
        Some(Self { folder })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for KernelMount {
    fn drop(&mut self) {
        // Another test's child holds our files open between its fork and its exec: busy for a moment. What stays mounted
        // would keep the next copy of the same btrfs from being mounted.
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let output = Command::new("umount").arg(self.path()).output().unwrap();
            if output.status.success() {
                return;
            }
            if Instant::now() > until {
                eprintln!("{}", String::from_utf8_lossy(&output.stderr));
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A file of any type with its contents.
#[derive(Debug, PartialEq, Eq)]
enum FileNode {
    File(Vec<u8>),
    Directory,
    Symlink(String),
    Special,
}

/// Fails the test unless `fs` has the same tree below its root as the folder.
pub(crate) fn assert_same_tree(fs: &dyn FileSystem, folder: &Path) {
    let (ours, theirs) = (our_tree(fs), kernel_tree(folder));
    let paths = |tree: &BTreeMap<String, FileNode>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(paths(&ours), paths(&theirs));
    for (path, node) in &ours {
        assert!(node == &theirs[path], "{path} differs");
    }
}

fn our_tree(fs: &dyn FileSystem) -> BTreeMap<String, FileNode> {
    let mut tree = BTreeMap::new();
    let mut pending = vec![String::new()];
    while let Some(folder) = pending.pop() {
        let at = if folder.is_empty() { "/" } else { &folder };
        for name in fs.names(at, 1_000_000).unwrap() {
            let path = format!("{folder}/{name}");
            let node = match fs.file_type(&path).unwrap().unwrap() {
                FileType::File => {
                    let mut file = fs.open(&path).unwrap();
                    let mut contents = vec![0; file.size() as usize];
                    assert_eq!(file.read_at(0, &mut contents).unwrap(), contents.len());
                    FileNode::File(contents)
                }
                FileType::Directory => {
                    pending.push(path.clone());
                    FileNode::Directory
                }
                FileType::Symlink => FileNode::Symlink(fs.link_target(&path).unwrap()),
                FileType::Special => FileNode::Special,
            };
            tree.insert(path, node);
        }
    }
    tree
}

fn kernel_tree(root: &Path) -> BTreeMap<String, FileNode> {
    let mut tree = BTreeMap::new();
    let mut pending: Vec<PathBuf> = vec![root.into()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let (path, kind) = (entry.path(), entry.file_type().unwrap());
            let node = if kind.is_dir() {
                pending.push(path.clone());
                FileNode::Directory
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                FileNode::Symlink(target.to_str().unwrap().into())
            } else if kind.is_fifo() || kind.is_socket() || !kind.is_file() {
                FileNode::Special
            } else {
                FileNode::File(fs::read(&path).unwrap())
            };
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            tree.insert(format!("/{name}"), node);
        }
    }
    tree
}
