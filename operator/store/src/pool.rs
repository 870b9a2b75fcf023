//! Connections to Postgres, of which nothing is kept from one transaction to the next: PgBouncer in transaction mode may give each
//! another server connection.

use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryFutureExt, TryStreamExt};
use sqlx::postgres::{
    PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgSslMode, PgStatement, PgTypeInfo,
};
use sqlx::{
    ConnectOptions, Connection, Describe, Either, Execute, Executor, PgPool, PgTransaction,
    Postgres, SqlStr,
};

use super::{Doing, StoreError};

/// How every transaction begins. A `set` that is not `local` would be the next client's as well. sqlx names what it prepares, and
/// whoever had this connection to the server before may have used the names.
const BEGIN: &str = "begin; set local statement_timeout = '30s'; deallocate all";

/// Longest to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections on which everything is done in a transaction. A statement that is run on it has one of its own.
#[derive(Clone, Debug)]
pub struct Pool(PgPool);

impl Pool {
    /// Connections to `server`, made when first used.
    pub(super) fn new(connections: u32, server: PgConnectOptions) -> Self {
        Self(lazy(connections, server))
    }

    /// Begins a transaction. Dropped, it is rolled back.
    ///
    /// # Errors
    /// When Postgres cannot be reached.
    pub async fn begin(&self) -> Result<PgTransaction<'static>, sqlx::Error> {
        self.0.begin_with(BEGIN).await
    }
}

/// A pool for `url` that connects when first used.
///
/// # Errors
/// When `url` is not a Postgres URL.
pub fn connect(url: &str, connections: u32) -> Result<Pool, StoreError> {
    Ok(Pool::new(connections, options(url)?))
}

/// One connection to `url`, for a command that asks a few things and ends. A server that is not there is an error
/// at once, where a pool would wait for it.
///
/// # Errors
/// When `url` is not a Postgres URL, or the server does not let us in.
pub async fn connect_once(url: &str) -> Result<Pool, StoreError> {
    const DOING: &str = "connecting to the database that DATABASE_URL names";
    let server = options(url)?;
    let connection = tokio::time::timeout(CONNECT_TIMEOUT, server.connect())
        .await
        .unwrap_or_else(|late| Err(sqlx::Error::Io(late.into())))
        .doing(DOING)?;
    connection.close().await.doing(DOING)?;
    Ok(Pool::new(1, server))
}

/// A connection to the server itself, for what migrates: it holds a lock of its session.
pub(super) fn directly(url: &str) -> Result<PgPool, StoreError> {
    let timeout = [("statement_timeout", "30s")];
    Ok(lazy(1, options(url)?.options(timeout)))
}

fn lazy(connections: u32, server: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(CONNECT_TIMEOUT)
        .connect_lazy_with(server.statement_cache_capacity(0))
}

pub(super) fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options: PgConnectOptions = url.parse().map_err(|_| StoreError::Url)?;
    Ok(with_tls(options, url)
        .application_name("cloudigrade")
        .extra_float_digits(None))
}

/// Requires TLS, unless the URL or `PGSSLMODE` says something else; a socket of this machine needs none. sqlx would try it, and go
/// on without.
fn with_tls(options: PgConnectOptions, url: &str) -> PgConnectOptions {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let is_said = query
        .split('&')
        .any(|parameter| matches!(parameter.split_once('='), Some(("sslmode" | "ssl-mode", _))));
    let is_local = options.get_socket().is_some() || options.get_host().starts_with('/');
    match options.get_ssl_mode() {
        PgSslMode::Prefer if !is_said && !is_local => options.ssl_mode(PgSslMode::Require),
        _ => options,
    }
}

impl<'c> Executor<'c> for &Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let all = async move {
            let mut transaction = pool.begin().await?;
            let all: Vec<_> = transaction.fetch_many(query).try_collect().await?;
            transaction.commit().await?;
            Ok(stream::iter(all.into_iter().map(Ok)))
        };
        all.try_flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        Box::pin(async move {
            let mut transaction = pool.begin().await?;
            let row = transaction.fetch_optional(query).await?;
            transaction.commit().await?;
            Ok(row)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        let pool = self.clone();
        Box::pin(async move { pool.begin().await?.prepare_with(sql, parameters).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        let pool = self.clone();
        Box::pin(async move { pool.begin().await?.describe(sql).await })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("postgres://u:p@db:5432/c", "Require")]
    #[case("postgres://u:p@db:5432/c?application_name=x", "Require")]
    #[case("postgres://u:p@db:5432/c?sslmode=disable", "Disable")]
    #[case("postgres://u:p@db:5432/c?sslmode=prefer", "Prefer")]
    #[case("postgres://u:p@db:5432/c?sslmode=verify-full", "VerifyFull")]
    #[case("postgres://u@%2Frun%2Fpostgresql/c", "Prefer")]
    #[case("postgres:///c?host=/run/postgresql", "Prefer")]
    fn a_password_crosses_a_network_by_tls_only_unless_the_url_says_so(
        #[case] url: &str,
        #[case] mode: &str,
    ) {
        let options = options(url).unwrap();
        assert_eq!(format!("{:?}", options.get_ssl_mode()), mode);
    }
}
