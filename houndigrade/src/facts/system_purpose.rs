//! Red Hat's system purpose: what the machine is used for, as its owner told subscription-manager.

use super::Findings;
use crate::filesystem::Root;

const PATH: &str = "/etc/rhsm/syspurpose/syspurpose.json";
/// A larger file is ignored, as the original does.
const MAX_SIZE: usize = 1024;

pub(super) fn check(root: &Root<'_>, findings: &mut Findings) {
    let head = findings.keep("system purpose", root.head(PATH, MAX_SIZE + 1));
    findings.facts.syspurpose_contents = head
        .ok()
        .flatten()
        .filter(|bytes| bytes.len() <= MAX_SIZE)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
}
