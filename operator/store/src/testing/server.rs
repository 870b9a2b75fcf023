//! The Postgres server of tests: the one that `TEST_DATABASE_URL` names, or else one that lives as long as this process.

use std::process::Child;
use std::sync::OnceLock;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::script;

struct Server {
    options: PgConnectOptions,
    /// Ends with this process, because its standard input closes then.
    _process: Option<Child>,
}

/// How to connect to it, as one who may create databases.
pub fn options() -> &'static PgConnectOptions {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(|| match std::env::var("TEST_DATABASE_URL") {
        Ok(url) => {
            let options = url
                .parse()
                .expect("TEST_DATABASE_URL is not a Postgres URL");
            Server {
                options,
                _process: None,
            }
        }
        Err(_) => temporary(),
    });
    &server.options
}

fn temporary() -> Server {
    let (process, url) = script::start("temporary-postgres", &[]);
    assert!(
        !url.is_empty(),
        "no Postgres server was started; the error is above"
    );
    let options: PgConnectOptions = url.parse().expect("the temporary server's URL");
    Server {
        options: options.database("postgres"),
        _process: Some(process),
    }
}

/// Runs a statement of the server's administrator.
pub async fn execute(statement: &str) {
    let mut connection = PgConnection::connect_with(options())
        .await
        .expect("connecting to the Postgres server of the tests (TEST_DATABASE_URL, or operator/store/temporary-postgres)");
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
}
