//! The distribution: from os-release (`man 5 os-release`), or for older systems from their release files.

use houndigrade_report::{Distribution, ReleaseFile};

/// The system's own os-release.
const PATH: &str = "/etc/os-release";
/// The vendor's. The one in `/etc` comes first, and usually is a symlink to it.
pub(super) const VENDOR_PATH: &str = "/usr/lib/os-release";

/// Beginnings of release files of distributions that had no os-release yet, and their ids since.
const BEFORE_OS_RELEASE: [(&str, &str); 7] = [
    ("Red Hat Enterprise Linux", "rhel"),
    ("CentOS", "centos"),
    ("Fedora", "fedora"),
    ("Scientific Linux", "scientific"),
    ("Oracle Linux", "ol"),
    ("Enterprise Linux Enterprise Linux", "ol"),
    ("Amazon Linux", "amzn"),
];

/// Returns the distribution, given the files of `/etc` and the text of the vendor's os-release.
pub(super) fn identify(files: &[ReleaseFile], vendor: Option<&str>) -> Option<Distribution> {
    let own = os_release(files).and_then(|text| from_os_release(PATH, text));
    let vendor = || vendor.and_then(|text| from_os_release(VENDOR_PATH, text));
    own.or_else(vendor)
        .or_else(|| files.iter().find_map(from_release_file))
}

/// Returns `VERSION_ID` as the original reports it: of `/etc/os-release` only, and `None` if empty.
pub(super) fn os_version(files: &[ReleaseFile]) -> Option<String> {
    value(os_release(files)?, "VERSION_ID")
}

fn os_release(files: &[ReleaseFile]) -> Option<&str> {
    let file = files.iter().find(|file| file.rhel_release_file == PATH)?;
    Some(&file.rhel_release_file_contents)
}

fn from_os_release(path: &str, text: &str) -> Option<Distribution> {
    let name = value(text, "PRETTY_NAME").or_else(|| value(text, "NAME"));
    // Without an id it is `linux`, says the manual; a file with none of the keys is not an os-release.
    let id = value(text, "ID").or_else(|| name.is_some().then(|| "linux".into()))?;
    Some(Distribution {
        id,
        version: value(text, "VERSION_ID"),
        name,
        path: path.into(),
    })
}

/// Parses `CentOS release 6.10 (Final)`.
fn from_release_file(file: &ReleaseFile) -> Option<Distribution> {
    let line = file.rhel_release_file_contents.lines().next()?.trim();
    let (_, id) = BEFORE_OS_RELEASE
        .iter()
        .find(|(beginning, _)| line.starts_with(beginning))?;
    let version = line
        .split_once(" release ")
        .and_then(|(_, rest)| rest.split_whitespace().next());
    Some(Distribution {
        id: (*id).into(),
        version: version.map(str::to_owned),
        name: Some(line.chars().take(200).collect()),
        path: file.rhel_release_file.clone(),
    })
}

/// Returns the value of the first assignment to `key`, without its quotes; `None` if empty.
fn value(text: &str, key: &str) -> Option<String> {
    let assignment = |line: &&str| {
        line.strip_prefix(key)
            .is_some_and(|rest| rest.starts_with('='))
    };
    let line = text.lines().map(str::trim).find(assignment)?;
    let value = line[key.len() + 1..].trim();
    let unquoted = ['"', '\'']
        .iter()
        .find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote));
    let value: String = unquoted.unwrap_or(value).chars().take(200).collect();
    (!value.is_empty()).then_some(value)
}
