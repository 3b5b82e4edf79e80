//! The deployed sync configs.

use sqlx::{Connection as _, FromRow, PgConnection};

/// Puts a config in line to become active; it takes the place of one that is waiting. Returns its version.
///
/// A version is the time in milliseconds, so that no bucket's name comes back when the schema was dropped and made again.
pub(crate) async fn deploy(connection: &mut PgConnection, content: &str) -> sqlx::Result<i64> {
    let mut transaction = connection.begin().await?;
    sqlx::query("LOCK TABLE sync_service.config_version IN SHARE ROW EXCLUSIVE MODE")
        .execute(&mut *transaction)
        .await?;
    sqlx::query("UPDATE sync_service.config_version SET state = 'replaced' WHERE state = 'deploying'")
        .execute(&mut *transaction)
        .await?;
    let version = sqlx::query_scalar(
        "INSERT INTO sync_service.config_version (version, content, state)
         SELECT greatest(coalesce(max(version), 0) + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint), $1, 'deploying'
         FROM sync_service.config_version RETURNING version",
    )
    .bind(content)
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(version)
}

/// The config in that state (`active` or `deploying`).
pub(crate) async fn in_state(connection: &mut PgConnection, state: &str) -> sqlx::Result<Option<Version>> {
    sqlx::query_as("SELECT version, content, read_by FROM sync_service.config_version WHERE state = $1")
        .bind(state)
        .fetch_optional(connection)
        .await
}

/// Makes the waiting config the active one.
pub(crate) async fn activate(connection: &mut PgConnection, version: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE sync_service.config_version SET state = 'replaced' WHERE state = 'active'")
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE sync_service.config_version SET state = 'active' WHERE version = $1")
        .bind(version)
        .execute(&mut *connection)
        .await?;
    remember_reading(connection, version).await
}

/// Remembers that this release of the service has read every row for the config.
pub(crate) async fn remember_reading(connection: &mut PgConnection, version: i64) -> sqlx::Result<()> {
    sqlx::query("UPDATE sync_service.config_version SET read_by = $2 WHERE version = $1")
        .bind(version)
        .bind(THIS_RELEASE)
        .execute(connection)
        .await?;
    Ok(())
}

/// The number rises with whatever changes how rows are mapped, or in which bucket they are.
const THIS_RELEASE: &str = concat!(env!("CARGO_PKG_VERSION"), "/2");

/// Takes a config out of the line.
pub(crate) async fn fail(connection: &mut PgConnection, version: i64, error: &str) -> sqlx::Result<()> {
    sqlx::query("UPDATE sync_service.config_version SET state = 'failed', error = $2 WHERE version = $1")
        .bind(version)
        .bind(error)
        .execute(connection)
        .await?;
    Ok(())
}

/// The error of the newest config, when that one has failed.
pub(crate) async fn last_error(connection: &mut PgConnection) -> sqlx::Result<Option<String>> {
    let newest = "SELECT error FROM sync_service.config_version ORDER BY version DESC LIMIT 1";
    Ok(sqlx::query_scalar::<_, Option<String>>(newest).fetch_optional(connection).await?.flatten())
}

/// Deletes what is kept for configs that are neither active nor waiting.
pub(crate) async fn clean_up(connection: &mut PgConnection) -> sqlx::Result<()> {
    let gone: Vec<i64> = sqlx::query_scalar(
        "SELECT version FROM sync_service.config_version WHERE state IN ('replaced', 'failed') AND error IS NULL",
    )
    .fetch_all(&mut *connection)
    .await?;
    for version in gone {
        // '$' is the character behind '#'.
        let (from, to) = (format!("{version}#"), format!("{version}$"));
        for (statement, of_buckets) in [
            ("DELETE FROM sync_service.oplog WHERE bucket >= $1 AND bucket < $2", true),
            ("DELETE FROM sync_service.bucket WHERE name >= $1 AND name < $2", true),
            ("DELETE FROM sync_service.row_bucket WHERE version = $1", false),
            ("DELETE FROM sync_service.lookup_row WHERE version = $1", false),
            // The newest version stays, so that the next one gets a greater number.
            (
                "DELETE FROM sync_service.config_version v WHERE version = $1
              AND version < (SELECT max(version) FROM sync_service.config_version)",
                false,
            ),
        ] {
            let query = sqlx::query(statement);
            let query = if of_buckets { query.bind(&from).bind(&to) } else { query.bind(version) };
            query.execute(&mut *connection).await?;
        }
    }
    Ok(())
}

/// A deployed sync config.
#[derive(Clone, Debug, FromRow)]
pub(crate) struct Version {
    /// Part of the name of every bucket.
    pub version: i64,
    /// The text as it was deployed.
    pub content: String,
    /// See [`remember_reading`].
    read_by: Option<String>,
}

impl Version {
    /// Whether another release of the service has read the rows; this one may map them in another way.
    pub fn was_read_by_another_release(&self) -> bool {
        self.read_by.as_deref() != Some(THIS_RELEASE)
    }

    /// What the admin API calls it.
    pub fn slot_name(&self) -> String {
        slot_name(self.version)
    }
}

/// What the admin API calls a version.
pub(crate) fn slot_name(version: i64) -> String {
    format!("powersync_{version}")
}
