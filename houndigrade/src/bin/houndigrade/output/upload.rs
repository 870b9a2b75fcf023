//! Uploading the result by one PUT to a presigned URL. The URL is itself the permission to do so, and is never shown.

use std::fmt;
use std::time::Duration;

use houndigrade::error_chain;
use reqwest::{Client, StatusCode, header};
use tracing::warn;

/// Environment variable with the URL.
const VARIABLE: &str = "HOUNDIGRADE_RESULT_URL";

/// Before the second attempt; doubled for each further one.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
const ATTEMPTS: u32 = 5;
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);

/// A URL that grants the right to PUT to it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PresignedUrl(String);

impl PresignedUrl {
    pub(super) fn from_environment() -> Option<Self> {
        std::env::var(VARIABLE).ok().map(Self)
    }
}

impl fmt::Debug for PresignedUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PresignedUrl")
    }
}

/// Puts the JSON to `url`. Retries with growing pauses, the first of which is `pause`, unless the answer is a permanent refusal.
///
/// # Errors
/// The reason of the last attempt's failure, without the URL.
pub(super) async fn put(url: &PresignedUrl, json: &str, pause: Duration) -> Result<(), String> {
    let client = Client::builder()
        .timeout(ATTEMPT_TIMEOUT)
        // A redirect would carry the result to a host that the URL does not name.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| error_chain(&error.without_url()))?;
    let mut attempt = 1;
    loop {
        let error = match try_put(&client, &url.0, json).await {
            Ok(()) => return Ok(()),
            Err(PutError::Permanent(why)) => return Err(why),
            Err(PutError::Transient(why)) => why,
        };
        if attempt == ATTEMPTS {
            return Err(format!("{error}, after {ATTEMPTS} attempts"));
        }
        warn!(attempt, "uploading the result: {error}; trying again");
        tokio::time::sleep(pause * 2u32.pow(attempt - 1)).await;
        attempt += 1;
    }
}

enum PutError {
    Transient(String),
    Permanent(String),
}

async fn try_put(client: &Client, url: &str, json: &str) -> Result<(), PutError> {
    let request = client
        .put(url)
        .header(header::CONTENT_TYPE, "application/json")
        .body(json.to_owned());
    let status = match request.send().await {
        Ok(response) => response.status(),
        Err(error) if error.is_builder() => {
            return Err(PutError::Permanent(format!(
                "{VARIABLE} is not an HTTP URL"
            )));
        }
        Err(error) => return Err(PutError::Transient(error_chain(&error.without_url()))),
    };
    // The body of a refusal may repeat the signature, so only the status is reported.
    match status {
        status if status.is_success() => Ok(()),
        status if status.is_server_error() => {
            Err(PutError::Transient(format!("the answer was {status}")))
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Err(PutError::Transient(format!("the answer was {status}")))
        }
        StatusCode::FORBIDDEN => Err(PutError::Permanent(format!(
            "the answer was {status}; the URL may have expired"
        ))),
        status => Err(PutError::Permanent(format!("the answer was {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::{Arc, Mutex};
    use std::thread;

    use rstest::rstest;

    use super::*;

    const SECRET: &str = "X-Amz-Signature=5ec4e7";

    /// A server that answers each connection with the next status, and records the requests.
    fn server(statuses: &'static [&'static str]) -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/key?{SECRET}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for status in statuses {
                let (mut connection, _) = listener.accept().unwrap();
                let mut request = vec![0; 4096];
                let mut length = 0;
                while !request[..length].ends_with(b"}") {
                    length += connection.read(&mut request[length..]).unwrap();
                }
                seen.lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&request[..length]).into_owned());
                let answer =
                    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                connection.write_all(answer.as_bytes()).unwrap();
            }
        });
        (url, requests)
    }

    #[rstest]
    #[case::at_once(&["200 OK"], true)]
    #[case::after_a_pause(&["503 Slow Down", "500 Internal Server Error", "200 OK"], true)]
    #[case::refused_for_good(&["403 Forbidden"], false)]
    #[case::never(&["503 Slow Down"; 5], false)]
    #[tokio::test]
    async fn is_tried_as_often_as_makes_sense(
        #[case] statuses: &'static [&'static str],
        #[case] uploaded: bool,
    ) {
        let (url, requests) = server(statuses);
        let result = put(
            &PresignedUrl(url),
            r#"{"cloud":"aws"}"#,
            Duration::from_millis(1),
        )
        .await;
        assert_eq!(result.is_ok(), uploaded, "{result:?}");
        let requests = requests.lock().unwrap();
        assert_eq!(requests.len(), statuses.len());
        assert!(
            requests[0].starts_with("PUT /key?") && requests[0].ends_with(r#"{"cloud":"aws"}"#),
            "{}",
            requests[0]
        );
    }

    #[rstest]
    #[case::refused("http://127.0.0.1:1/key?X-Amz-Signature=5ec4e7")]
    #[case::not_a_url("bucket/key?X-Amz-Signature=5ec4e7")]
    #[tokio::test]
    async fn errors_do_not_show_the_url(#[case] url: &str) {
        let url = PresignedUrl(url.into());
        let error = put(&url, "{}", Duration::from_millis(1)).await.unwrap_err();
        assert!(
            !error.contains("5ec4e7") && !error.contains("/key"),
            "{error}"
        );
        assert!(!format!("{url:?}").contains("5ec4e7"));
    }
}
