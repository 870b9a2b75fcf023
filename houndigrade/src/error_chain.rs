//! The text of an error with its causes.

use std::error::Error;
use std::iter::successors;

/// Returns `error: cause: its cause`. AWS SDKs and HTTP clients have their reasons in the causes alone.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let messages: Vec<_> = successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect();
    messages.join(": ")
}
