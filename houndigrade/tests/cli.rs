//! The program as in the operator's Job: arguments, environment, exit status, outputs.

#![allow(clippy::unwrap_used)] // clippy does not take helpers in this folder for tests

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::mpsc;
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
    let wrong: [&[&str]; 9] = [
        &[],
        &["-t", "image"],
        &["-t", "image", "s3://bucket/key"],
        &["-c", "other", "-t", "image", "disk"],
        &["-t", "image", "disk", "--timeout", "0"],
        &["-t", "image", "disk", "--jobs", "0"],
        &["-t", "image", "disk", "--max-memory", "16"],
        &["-t", "image", "disk", "--output", "s3://bucket"],
        &["-t", "image", "ebs://snap-1?external-id=5ec4e7"],
    ];
    for arguments in wrong {
        let output = houndigrade(arguments, None);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            output.stdout.is_empty() && !output.stderr.is_empty(),
            "{arguments:?}"
        );
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!message.contains("5ec4e7"), "{message}");
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

#[test]
fn help_tells_of_every_option_and_status() {
    let output = houndigrade(&["--help"], None);
    assert_eq!(output.status.code(), Some(0));
    let help = String::from_utf8(output.stdout).unwrap();
    let told = [
        "--target",
        "--output",
        "--pretty",
        "--summary",
        "--timeout",
        "--max-memory",
        "--jobs",
        "ebs://",
        "role-arn",
        "HOUNDIGRADE_RESULT_URL",
        "Exit status",
    ];
    for word in told {
        assert!(help.contains(word), "{word}");
    }
}

#[test]
fn an_output_file_has_the_result_and_standard_output_nothing() {
    let (disk, folder) = (zeros(), tempfile::tempdir().unwrap());
    let result = folder.path().join("result.json");
    let arguments = [
        "-t",
        "a",
        disk.path().to_str().unwrap(),
        "-o",
        result.to_str().unwrap(),
    ];
    let output = houndigrade(&arguments, None);
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty());
    let json: Value = serde_json::from_slice(&std::fs::read(&result).unwrap()).unwrap();
    assert_eq!(json["images"]["a"]["verdict"], "unknown");
}

#[test]
fn an_output_that_cannot_be_written_is_status_1() {
    let disk = zeros();
    let arguments = [
        "-t",
        "a",
        disk.path().to_str().unwrap(),
        "-o",
        "/no/such/folder/result",
    ];
    let output = houndigrade(&arguments, None);
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(
        log.contains("writing the result to /no/such/folder/result"),
        "{log}"
    );
}

#[test]
fn a_summary_takes_the_place_of_the_json_unless_that_is_asked_for() {
    let disk = zeros();
    let summary = ["-t", "a", disk.path().to_str().unwrap(), "--summary"];
    let alone = houndigrade(&summary, None);
    assert_eq!(alone.status.code(), Some(3));
    let text = String::from_utf8(alone.stdout).unwrap();
    assert!(
        text.starts_with("a: unknown") && text.contains("partitions"),
        "{text}"
    );

    let both = houndigrade(&[&summary[..], &["-o", "-"]].concat(), None);
    assert!(serde_json::from_slice::<Value>(&both.stdout).is_ok());
    assert!(String::from_utf8_lossy(&both.stderr).contains("a: unknown"));
}

#[test]
fn images_are_inspected_at_the_same_time_and_all_are_in_the_result() {
    let disks: Vec<_> = (0..9).map(|_| zeros()).collect();
    let mut arguments = vec!["--jobs".to_owned(), "3".into()];
    for (number, disk) in disks.iter().enumerate() {
        arguments.extend([
            "-t".into(),
            format!("image-{}", number / 2),
            disk.path().display().to_string(),
        ]);
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let output = houndigrade(&arguments, None);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let images = result["images"].as_object().unwrap();
    assert_eq!(images.len(), 5);
    assert_eq!(images["image-0"]["drives"].as_object().unwrap().len(), 2);
    assert_eq!(images["image-4"]["drives"].as_object().unwrap().len(), 1);
}

/// A server of AWS that refuses all requests, and records the first line and the body.
fn refusing_aws() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (asked, requests) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut request = vec![0; 64 * 1024];
            let length = connection.read(&mut request).unwrap();
            let body = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>said the fake</Message></Error></ErrorResponse>";
            let answer = format!(
                "HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            connection.write_all(answer.as_bytes()).unwrap();
            let _ = asked.send(String::from_utf8_lossy(&request[..length]).into_owned());
        }
    });
    (endpoint, requests)
}

fn with_aws(arguments: &[&str], endpoint: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_houndigrade"))
        .args(arguments)
        .env_remove("HOUNDIGRADE_RESULT_URL")
        .env("RUST_LOG", "trace")
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "s3cr3t")
        .output()
        .unwrap()
}

#[test]
fn a_role_is_assumed_with_its_external_id_which_no_log_shows() {
    let (endpoint, requests) = refusing_aws();
    let source = "ebs://snap-1?role-arn=arn:aws:iam::123456789012:role/reader&external-id=5ec%2Be7";
    let output = with_aws(&["-t", "a", source], &endpoint);
    assert_eq!(output.status.code(), Some(3));
    let request = requests
        .iter()
        .find(|request| request.contains("AssumeRole"))
        .unwrap();
    assert!(request.contains("ExternalId=5ec%2Be7"), "{request}");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(
        !log.contains("5ec+e7") && !log.contains("5ec%2Be7") && !log.contains("s3cr3t"),
        "{log}"
    );
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = result["images"]["a"]["errors"][0].as_str().unwrap();
    assert!(
        error.contains("AccessDenied") && !error.contains("5ec"),
        "{error}"
    );
}

#[test]
fn s3_that_refuses_the_result_is_status_1() {
    let (endpoint, requests) = refusing_aws();
    let disk = zeros();
    let arguments = [
        "-t",
        "a",
        disk.path().to_str().unwrap(),
        "-o",
        "s3://bucket/a/key.json",
    ];
    let output = with_aws(&arguments, &endpoint);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        requests
            .recv()
            .unwrap()
            .starts_with("PUT /bucket/a/key.json")
    );
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(
        log.contains("writing the result to s3://bucket/a/key.json: "),
        "{log}"
    );
}
