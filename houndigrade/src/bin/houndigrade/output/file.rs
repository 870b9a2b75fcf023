//! The result in a file.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Writes `json` to the file at `path` in one step: readers see the old result or the new one.
pub(super) fn write(path: &Path, json: &str) -> io::Result<()> {
    // Symlinks are followed; pipes and devices (/dev/stderr) can't be replaced, so they are written to.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    if path.exists() && !path.is_file() {
        return writeln!(fs::OpenOptions::new().write(true).open(path)?, "{json}");
    }
    let name = path.file_name().ok_or(io::ErrorKind::IsADirectory)?;
    let beside = path.with_file_name(format!(
        ".{}.{}.tmp",
        name.to_string_lossy(),
        std::process::id()
    ));
    let written = fs::File::create_new(&beside)
        .and_then(|mut file| {
            writeln!(file, "{json}")?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&beside, &path));
    if written.is_err() {
        // The original error counts, not that of the clean-up.
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("result"), folder.path().join("link"));
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&path, "a longer first result").unwrap();
        let mut reader = fs::File::open(&path).unwrap();
        write(&link, "second").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "second\n");
        assert!(link.is_symlink());
        // A reader with the old file open reads all of it.
        assert_eq!(
            io::read_to_string(&mut reader).unwrap(),
            "a longer first result\n"
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(write(&folder.path().join("no/such/folder"), "{}").is_err());
        assert!(write(folder.path(), "{}").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
