//! Release files, configuration and repositories of yum and dnf, system purpose.
#![no_main]

use houndigrade::facts;
use houndigrade::filesystem::{FileSystem, FileSystemError, FileType, OpenFile, Root};
use libfuzzer_sys::fuzz_target;

const FILES: [&str; 6] = [
    "/etc/dnf/dnf.conf",
    "/etc/os-release",
    "/etc/redhat-release",
    "/etc/rhsm/syspurpose/syspurpose.json",
    "/etc/yum.conf",
    "/etc/yum.repos.d/a.repo",
];

/// The input, cut into files at its zeros.
struct Cut<'a>(Vec<&'a [u8]>);

impl FileSystem for Cut<'_> {
    fn file_type(&self, path: &str) -> Result<Option<FileType>, FileSystemError> {
        let inside = |file: &&str| {
            file.strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('/'))
        };
        Ok(if FILES.contains(&path) {
            Some(FileType::File)
        } else {
            FILES.iter().any(inside).then_some(FileType::Directory)
        })
    }

    fn link_target(&self, _: &str) -> Result<String, FileSystemError> {
        Err(FileSystemError::Unrecognised)
    }

    fn open(&self, path: &str) -> Result<Box<dyn OpenFile + '_>, FileSystemError> {
        let number = FILES
            .iter()
            .position(|file| *file == path)
            .ok_or(FileSystemError::Unrecognised)?;
        Ok(Box::new(Part(
            self.0.get(number).copied().unwrap_or_default(),
        )))
    }

    fn names(&self, path: &str, _: usize) -> Result<Vec<String>, FileSystemError> {
        let inside = FILES
            .iter()
            .filter_map(|file| file.strip_prefix(path)?.strip_prefix('/'));
        Ok(inside
            .filter(|rest| !rest.contains('/'))
            .map(str::to_owned)
            .collect())
    }
}

struct Part<'a>(&'a [u8]);

impl OpenFile for Part<'_> {
    fn size(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, FileSystemError> {
        let rest = self.0.get(offset as usize..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }
}

fuzz_target!(|data: &[u8]| {
    let disk = Cut(data.split(|&byte| byte == 0).collect());
    let found = facts::gather(&Root::new(&disk), "disk1");
    if let Some(text) = found.facts.syspurpose_contents {
        let _ = facts::system_purpose::parse(&text);
    }
});
