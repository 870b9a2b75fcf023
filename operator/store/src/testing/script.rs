//! Scripts of `operator/store` that run a server for tests, until their standard input closes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Starts a script, and returns it with the line that it prints once its server takes connections: empty if there is none.
pub(super) fn start(name: &str, arguments: &[String]) -> (Child, String) {
    let script = path(name);
    let mut process = Command::new(&script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    let mut line = String::new();
    let stdout = process.stdout.take().expect("its standard output");
    BufReader::new(stdout)
        .read_line(&mut line)
        .unwrap_or_else(|error| panic!("reading from {}: {error}", script.display()));
    (process, line.trim().to_owned())
}

/// Tests of several crates start it, each from its own folder; the folder it was compiled in may belong to another clone with the same
/// target folder.
fn path(name: &str) -> PathBuf {
    let path = Path::new("operator/store").join(name);
    let here = std::env::current_dir().expect("the current folder");
    here.ancestors()
        .map(|folder| folder.join(&path))
        .find(|script| script.exists())
        .unwrap_or(path)
}
