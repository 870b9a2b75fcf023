//! The packages that `rpm` installed, from the files of its databases.
//!
//! Of each package's header only the name and the issuers of signatures are read, through a cache of a fixed size: a database
//! of 100 MB costs a MiB or two of memory.

mod berkeley;
mod blob;
mod cached_file;
mod header;
mod ndb;
mod signature;
mod sqlite;
#[cfg(test)]
pub(crate) mod tests;

pub use signature::KeyId;

use crate::filesystem::{self, OpenFile};
use houndigrade_report::ProblemCode;

/// Largest file of a database, in bytes. The largest seen are a quarter of it.
const MAX_FILE: u64 = 2 << 30;
/// Most packages of one database. A system has hundreds or thousands.
const MAX_PACKAGES: usize = 1 << 18;

/// Formats of databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseFormat {
    /// SQLite: RHEL 9 and later, Fedora.
    Sqlite,
    /// rpm's own: SLES 15, openSUSE.
    Ndb,
    /// A hash of Berkeley DB: RHEL up to 8, SLES up to 12.
    Berkeley,
}

impl DatabaseFormat {
    /// All formats, in rpm's order of looking for them.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Ndb, Self::Berkeley];

    /// Returns the name of the file in the database's directory.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Sqlite => "rpmdb.sqlite",
            Self::Ndb => "Packages.db",
            Self::Berkeley => "Packages",
        }
    }

    /// Returns the name in the report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Ndb => "ndb",
            Self::Berkeley => "berkeley",
        }
    }
}

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name, without version; empty if it has none.
    pub name: String,
    /// The keys that its signatures name. They are claims: nothing is verified.
    pub issuers: Vec<KeyId>,
}

/// The reasons why a database, or a package in it, can't be read.
#[derive(Debug, thiserror::Error)]
pub enum RpmError {
    /// The database contradicts itself.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It uses a feature that `rpm` does not.
    #[error("it is not as rpm writes it: {0}")]
    Unsupported(String),
    /// Larger than anything this program reads.
    #[error("it has more than {limit} {of}")]
    Limit {
        /// Most that are allowed.
        limit: u64,
        /// The things counted.
        of: &'static str,
    },
    /// The file can't be read.
    #[error("{0}")]
    File(#[from] filesystem::FileSystemError),
}

impl RpmError {
    fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    /// Returns the code that the report has for it.
    pub fn code(&self) -> ProblemCode {
        match self {
            Self::Damaged(_) | Self::Unsupported(_) => ProblemCode::Damaged,
            Self::Limit { .. } => ProblemCode::LimitExceeded,
            Self::File(error) => error.code(),
        }
    }

    /// Returns whether nothing after it can be read either.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::File(_) | Self::Limit { .. })
    }
}

/// Items of [`packages`]: after an error there may be more, unless it [is final](RpmError::is_final).
pub type Packages<'a> = Box<dyn Iterator<Item = Result<Package, RpmError>> + 'a>;

/// Returns the packages of a database, in no order. `wal` is SQLite's write-ahead log, the file `rpmdb.sqlite-wal`.
///
/// # Errors
/// If nothing can be read. A damaged part is an error between the packages.
pub fn packages<'a>(
    format: DatabaseFormat,
    file: Box<dyn OpenFile + 'a>,
    wal: Option<Box<dyn OpenFile + 'a>>,
) -> Result<Packages<'a>, RpmError> {
    Ok(match format {
        DatabaseFormat::Sqlite => Box::new(sqlite::packages(file, wal)?),
        DatabaseFormat::Ndb => Box::new(ndb::packages(file)?),
        DatabaseFormat::Berkeley => Box::new(berkeley::packages(file)?),
    })
}

/// The contents that a sound database can still have. Each header lies somewhere in the file, on pages of its own.
struct Budget {
    packages: usize,
    bytes: u64,
    pages: u64,
}

impl Budget {
    /// Returns the budget for files of `bytes` bytes in all.
    fn new(bytes: u64, pages: u64) -> Self {
        Self {
            packages: MAX_PACKAGES,
            bytes,
            pages,
        }
    }

    /// Pays for a header of `size` bytes.
    fn package(&mut self, size: u64) -> Result<(), RpmError> {
        let Some(packages) = self.packages.checked_sub(1) else {
            return Err(RpmError::Limit {
                limit: MAX_PACKAGES as u64,
                of: "packages",
            });
        };
        self.packages = packages;
        self.bytes = self.bytes.checked_sub(size).ok_or_else(|| {
            RpmError::damaged("its headers are larger than the file, taken together")
        })?;
        Ok(())
    }

    /// Pays for a visit of a page.
    fn page(&mut self) -> Result<(), RpmError> {
        self.pages = self.pages.checked_sub(1).ok_or_else(|| {
            RpmError::damaged("its pages refer to each other in a circle, or several times")
        })?;
        Ok(())
    }
}
