//! Reaching the server and preparing its tables.

use std::future::Future;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};

use crate::{OpenError, Revision};

const SCHEMA_VERSION: i64 = 1;
const PATIENCE: Duration = Duration::from_secs(5);

/// Hosts that start together take turns: `CREATE … IF NOT EXISTS` alone may collide.
const TAKE_TURNS: &str = "SELECT pg_advisory_xact_lock(x'6f726368'::bigint)";

/// `orch_log` holds every value once, uncompressed and beside its row; `orch_objects` points at
/// the current ones. A row of the log outlives compaction while an object points at it.
const SCHEMA: &str = r#"
    CREATE TABLE IF NOT EXISTS orch_log (
        revision bigint PRIMARY KEY,
        previous bigint NOT NULL,
        deleted boolean NOT NULL,
        key text COLLATE "C" NOT NULL,
        value bytea NOT NULL
    ) WITH (toast_tuple_target = 8160, autovacuum_vacuum_scale_factor = 0.05);
    ALTER TABLE orch_log ALTER COLUMN value SET STORAGE EXTERNAL;
    CREATE TABLE IF NOT EXISTS orch_objects (
        key text COLLATE "C" PRIMARY KEY,
        revision bigint NOT NULL
    ) WITH (fillfactor = 70);
    CREATE TABLE IF NOT EXISTS orch_head (
        singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
        revision bigint NOT NULL,
        schema_version bigint NOT NULL
    ) WITH (fillfactor = 10);
    CREATE TABLE IF NOT EXISTS orch_floor (
        singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
        revision bigint NOT NULL
    ) WITH (fillfactor = 10);
    INSERT INTO orch_head (revision, schema_version) VALUES (0, 1) ON CONFLICT DO NOTHING;
    INSERT INTO orch_floor (revision) VALUES (0) ON CONFLICT DO NOTHING;
"#;

/// A server that answered and has our tables.
pub struct Server {
    pub options: PgConnectOptions,
    pub pool: PgPool,
    /// Where commits are notified: one for each schema of the database.
    pub channel: String,
    pub head: Revision,
}

pub async fn open(url: &str) -> Result<Server, OpenError> {
    let options = options(url)?;
    let place = place(&options);
    let unreachable = |source| OpenError::Unreachable { url: place.clone(), source };
    let mut db = patiently(options.connect()).await.map_err(unreachable)?;
    let (head, channel) = prepare(&mut db, &place).await?;
    // A failure to say goodbye is the server's to notice.
    let _ = db.close().await;
    let pool = PgPoolOptions::new()
        .max_connections(6)
        .acquire_timeout(PATIENCE)
        .idle_timeout(Duration::from_secs(60))
        .connect_lazy_with(options.clone());
    Ok(Server { options, pool, channel, head })
}

/// A hung server must not hang its callers.
pub async fn patiently<T>(
    connecting: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(PATIENCE, connecting).await.unwrap_or_else(|_| {
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in 5 seconds")))
    })
}

fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
    let options = PgConnectOptions::from_str(url).map_err(|error| OpenError::Address {
        // Not as given: it may hold a password.
        given: "postgres://…".into(),
        reason: error.to_string(),
    })?;
    Ok(options
        .application_name("orch")
        // Acknowledged means durable, whatever the server's default. And a host that hangs in the
        // middle of a commit must not hold up the others.
        .options([("synchronous_commit", "on"), ("idle_in_transaction_session_timeout", "10s")])
        .disable_statement_logging())
}

/// The server's address without the password.
fn place(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => options.get_host().to_string(),
    };
    let user = options.get_username();
    let database = options.get_database().unwrap_or(user);
    format!("postgres://{user}@{host}:{}/{database}", options.get_port())
}

async fn prepare(db: &mut PgConnection, place: &str) -> Result<(Revision, String), OpenError> {
    let fail = |source| OpenError::Prepare { place: place.to_string(), source };
    let (head, version, channel) = patiently(create(db)).await.map_err(fail)?;
    if version != SCHEMA_VERSION {
        return Err(OpenError::Newer { place: place.to_string(), found: version, known: SCHEMA_VERSION });
    }
    Ok((head as Revision, channel))
}

async fn create(db: &mut PgConnection) -> Result<(i64, i64, String), sqlx::Error> {
    const READ: &str =
        "SELECT revision, schema_version, 'orch_commits_' || md5(current_schema()) FROM orch_head";
    let mut transaction = db.begin().await?;
    sqlx::query(TAKE_TURNS).execute(&mut *transaction).await?;
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('orch_head') IS NOT NULL")
        .fetch_one(&mut *transaction)
        .await?;
    if !exists {
        sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await?;
    }
    let read = sqlx::query_as(READ).fetch_one(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_named() {
        let options = options("postgres://orch:secret@db.example:5433/state").unwrap();
        assert_eq!(place(&options), "postgres://orch@db.example:5433/state");
        let refused = self::options("postgres://orch:secret@db.example:x/state").unwrap_err().to_string();
        assert!(!refused.contains("secret"), "{refused}");
    }
}
