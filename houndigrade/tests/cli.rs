//! The program as the operator's Job runs it: arguments, environment, exit status, and what goes where.

#![allow(clippy::unwrap_used)] // clippy does not take helpers in this folder for tests

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread;

use serde_json::Value;

fn houndigrade(arguments: &[&str], result_url: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_houndigrade"));
    command
        .args(arguments)
        .env_remove("RUST_LOG")
        .env_remove("HOUNDIGRADE_RESULT_URL");
    if let Some(url) = result_url {
        command
            .env("HOUNDIGRADE_RESULT_URL", url)
            .env("RUST_LOG", "trace");
    }
    command.output().unwrap()
}

/// A disk of zeros: read, but no Linux on it.
fn zeros() -> tempfile::NamedTempFile {
    let disk = tempfile::NamedTempFile::new().unwrap();
    disk.as_file().set_len(1024 * 1024).unwrap();
    disk
}

#[test]
fn what_could_not_be_read_is_status_3_and_in_the_result() {
    let disk = zeros();
    let output = houndigrade(
        &[
            "-c",
            "azure",
            "-t",
            "a",
            "/does/not/exist",
            "-t",
            "b",
            disk.path().to_str().unwrap(),
        ],
        None,
    );
    assert_eq!(output.status.code(), Some(3));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["cloud"], "azure");
    assert_eq!(
        result["images"]["a"]["errors"][0],
        "/does/not/exist: No such file or directory (os error 2)"
    );
    assert_eq!(result["images"]["a"]["readable"], false);
    assert_eq!(result["images"]["b"]["verdict"], "unknown");
    assert_eq!(result["errors"].as_array().unwrap().len(), 2);
}

#[test]
fn a_wrong_command_line_is_status_2() {
    let wrong: [&[&str]; 5] = [
        &[],
        &["-t", "image"],
        &["-t", "image", "s3://bucket/key"],
        &["-c", "other", "-t", "image", "disk"],
        &["-t", "image", "disk", "--timeout", "0"],
    ];
    for arguments in wrong {
        let output = houndigrade(arguments, None);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
    }
}

#[test]
fn the_result_is_delivered_also_if_the_disk_could_not_be_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://{}/results/1.json?X-Amz-Signature=5ec4e7",
        listener.local_addr().unwrap()
    );
    let server = thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            let mut part = [0; 4096];
            let length = connection.read(&mut part).unwrap();
            request.extend_from_slice(&part[..length]);
        }
        connection
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
        String::from_utf8(request).unwrap()
    });
    let disk = zeros();
    let output = houndigrade(&["-t", "a", disk.path().to_str().unwrap()], Some(&url));
    assert_eq!(output.status.code(), Some(3));
    let request = server.join().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(
        head.starts_with("PUT /results/1.json?X-Amz-Signature=5ec4e7 HTTP/1.1"),
        "{head}"
    );
    assert_eq!(body.as_bytes(), output.stdout.trim_ascii_end());
    // Not even the most talkative log shows the URL, which is a permission.
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(!log.contains("5ec4e7"), "{log}");
}

#[test]
fn a_result_that_cannot_be_delivered_is_status_1_and_still_printed() {
    let disk = zeros();
    let output = houndigrade(
        &["-t", "a", disk.path().to_str().unwrap()],
        Some("no-url?X-Amz-Signature=5ec4e7"),
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(serde_json::from_slice::<Value>(&output.stdout).is_ok());
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(
        log.contains("HOUNDIGRADE_RESULT_URL is not an HTTP URL") && !log.contains("5ec4e7"),
        "{log}"
    );
}
