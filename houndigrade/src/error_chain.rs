//! The text of an error with its causes.

use std::error::Error;
use std::iter::successors;

/// Returns `error: cause: cause of that`. AWS SDKs and HTTP clients say what happened in the causes alone.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let messages: Vec<_> = successors(Some(error), |&error| error.source())
        .map(ToString::to_string)
        .collect();
    messages.join(": ")
}
