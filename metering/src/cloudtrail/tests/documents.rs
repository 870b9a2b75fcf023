//! Whole files: those that are no log file, and those without a record.

use super::*;

#[rstest]
#[case::empty("", "not valid JSON")]
#[case::cut_off(r#"{"Records": [{"eventSource": "ec2.amaz"#, "not valid JSON")]
#[case::trailing(r#"{"Records": []} {"Records": []}"#, "not valid JSON")]
#[case::digest(
    r#"{"awsAccountId": "210987654321", "digestStartTime": "2026-11-22T10:00:00Z"}"#,
    "missing field `Records`"
)]
#[case::null(r#"{"Records": null}"#, "a list named `Records`")]
#[case::list("[]", "a list named `Records`")]
#[case::list_of_records("[[]]", "a list named `Records`")]
#[case::text(r#""Records""#, "a list named `Records`")]
fn what_is_no_log_file_says_so(#[case] text: &str, #[case] message: &str) {
    let error = parse(text.as_bytes()).expect_err("no log file");
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
fn bytes_that_are_no_text_are_a_syntax_error() {
    assert!(matches!(
        parse(b"\x1f\x8b\x08\x00"),
        Err(LogError::Syntax(_))
    ));
    assert!(matches!(
        parse(b"{\"Records\": [], \"\xff\": 1}"),
        Err(LogError::Syntax(_))
    ));
}

#[test]
fn an_empty_log_file_is_a_log_file() {
    assert_eq!(read(&[]), LogFile::default());
}
