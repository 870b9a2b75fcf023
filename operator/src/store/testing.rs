//! A database of its own for every test, on a real Postgres server.

use std::io::{BufRead, BufReader};
use std::ops::Deref;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use super::events::NewEvent;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};

/// An empty database with the schema in place; gone when dropped.
pub(crate) struct TestDatabase {
    pool: PgPool,
    name: String,
}

impl TestDatabase {
    /// Uses the server that `TEST_DATABASE_URL` names, or else one that lives as long as this process.
    pub(crate) async fn new() -> Self {
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        execute(&format!("create database {name}")).await;
        let pool = PgPoolOptions::new()
            .max_connections(8)
            .connect_with(server().options.clone().database(&name))
            .await
            .expect("connecting to the test's database");
        super::migrate(&pool)
            .await
            .expect("migrating the test's database");
        Self { pool, name }
    }

    /// Enrols a cloud account as its CloudAccount would, since the epoch; the enrolment's id.
    pub(crate) async fn enrol(&self, account: &str, org: &str) -> i64 {
        sqlx::query_scalar(
            "insert into enrolment (cloud_account_id, org_id, uid, namespace, name, created_at, enabled_at)
             values ($1, $2, $3, 'customers', $1, 'epoch', 'epoch') returning id",
        )
        .bind(account)
        .bind(org)
        .bind(uuid::Uuid::new_v4())
        .fetch_one(&self.pool)
        .await
        .expect("enrolling an account")
    }
}

impl Deref for TestDatabase {
    type Target = PgPool;

    fn deref(&self) -> &PgPool {
        &self.pool
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statement = format!("drop database {} with (force)", self.name);
        // The test's own runtime is blocked here, so this takes one of its own.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(execute(&statement));
        });
        let _ = dropped.join();
    }
}

/// The events, as those of `enrolment`.
pub(crate) fn events_of(enrolment: i64, events: &[NewEvent]) -> Vec<NewEvent> {
    let of = |event: &NewEvent| NewEvent {
        enrolment,
        ..event.clone()
    };
    events.iter().map(of).collect()
}

struct Server {
    options: PgConnectOptions,
    /// Ends with this process, because its standard input closes then.
    _process: Option<Child>,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| match std::env::var("TEST_DATABASE_URL") {
        Ok(url) => {
            let options = url
                .parse()
                .expect("TEST_DATABASE_URL is not a Postgres URL");
            Server {
                options,
                _process: None,
            }
        }
        Err(_) => temporary_server(),
    })
}

fn temporary_server() -> Server {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/temporary-postgres");
    let mut process = Command::new(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{script}: {error}"));
    let mut url = String::new();
    let stdout = process.stdout.take().expect("its standard output");
    BufReader::new(stdout)
        .read_line(&mut url)
        .expect("reading the server's URL");
    let options: PgConnectOptions = match url.trim() {
        "" => panic!("{script} started no Postgres server; what it said is above"),
        url => url.parse().expect("the temporary server's URL"),
    };
    Server {
        options: options.database("postgres"),
        _process: Some(process),
    }
}

async fn execute(statement: &str) {
    let mut connection = PgConnection::connect_with(&server().options)
        .await
        .expect("connecting to the Postgres server of the tests (TEST_DATABASE_URL, or operator/temporary-postgres)");
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await
        .unwrap_or_else(|error| panic!("{statement}: {error}"));
}
