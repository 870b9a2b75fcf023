//! A PgBouncer before the Postgres server of tests.

use std::process::Child;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::script;

/// Ends when dropped.
pub struct PgBouncer {
    /// For `DATABASE_URL`
    pub url: String,
    process: Child,
}

impl PgBouncer {
    /// Starts one before the database that `url` names; `None` if it is not installed.
    pub fn before(url: &str) -> Option<Self> {
        let server: PgConnectOptions = url.parse().expect("a Postgres URL");
        let (mut process, url) = script::start("temporary-pgbouncer", &[address(&server)]);
        if url.is_empty() {
            let status = process.wait().expect("its end");
            assert!(
                status.success(),
                "PgBouncer did not start; its error is above"
            );
            return None;
        }
        let database = server.get_database().expect("a database");
        let url = format!("{url}/{database}");
        Some(Self { url, process })
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// As PgBouncer's settings have it.
fn address(server: &PgConnectOptions) -> String {
    let host = server.get_socket().map_or_else(
        || server.get_host().to_owned(),
        |socket| socket.display().to_string(),
    );
    let (port, user) = (server.get_port(), server.get_username());
    let address = format!("host={host} port={port} user={user}");
    let url = server.to_url_lossy();
    match url.password() {
        None => address,
        Some(password) => {
            let password = percent_encoding::percent_decode_str(password).decode_utf8_lossy();
            format!("{address} password='{}'", password.replace('\'', "''"))
        }
    }
}
