//! Red Hat's system purpose: the use of the machine, as set with subscription-manager.

use serde_json::Value;

use super::Findings;
use crate::filesystem::Root;

const PATH: &str = "/etc/rhsm/syspurpose/syspurpose.json";
/// A larger file is ignored, as the original does.
const MAX_SIZE: usize = 1024;

/// Records the file as it is. One that is empty, too large or not UTF-8 is ignored, as by the original.
pub(super) fn check(root: &Root<'_>, findings: &mut Findings) {
    let head = findings.keep("system purpose", root.head(PATH, MAX_SIZE + 1));
    findings.facts.syspurpose_contents = head
        .ok()
        .flatten()
        .filter(|bytes| !bytes.is_empty() && bytes.len() <= MAX_SIZE)
        .and_then(|bytes| String::from_utf8(bytes).ok());
}

/// Parses the file; `None` if it is not JSON, or empty: `{}`, `[]`, `""`, `null`.
pub fn parse(contents: &str) -> Option<Value> {
    let purpose = serde_json::from_str(contents).ok()?;
    let silent = match &purpose {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    };
    (!silent).then_some(purpose)
}
