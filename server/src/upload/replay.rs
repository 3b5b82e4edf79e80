//! Repeated delivery. A browser that gets no answer sends its transactions again, and they must not be applied again:
//! by then somebody may have changed the same rows.

use schema::upload::Transaction;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, types::Json};

use super::{Client, rejection::Culprit};

/// What a delivery is.
pub(super) enum Delivery {
    /// The transaction has not been seen before, and is now noted.
    New,
    /// It has been dealt with; this is the change that made it fail, if it failed.
    Repeated(Option<Culprit>),
}

/// Notes a transaction whose last change has the number `op_id`, or finds that it has been noted.
///
/// Two deliveries at once take turns here: the second waits until the first is committed.
pub(super) async fn note(
    connection: &mut PgConnection,
    client: &Client,
    op_id: i64,
    digest: &[u8],
) -> sqlx::Result<Delivery> {
    let new = sqlx::query(
        "INSERT INTO uploads (user_id, client_id, op_id, digest) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id, client_id, op_id)
         DO UPDATE SET digest = excluded.digest, rejected = NULL, received_at = now()
         WHERE uploads.digest <> excluded.digest",
    )
    .bind(&client.user_id)
    .bind(&client.client_id)
    .bind(op_id)
    .bind(digest)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if new == 1 {
        return Ok(Delivery::New);
    }
    let rejected: Option<Json<Culprit>> = sqlx::query_scalar(
        "SELECT rejected FROM uploads WHERE user_id = $1 AND client_id = $2 AND op_id = $3",
    )
    .bind(&client.user_id)
    .bind(&client.client_id)
    .bind(op_id)
    .fetch_one(connection)
    .await?;
    Ok(Delivery::Repeated(rejected.map(|culprit| culprit.0)))
}

/// Notes that the transaction failed, so that its repetition gets the same verdicts.
pub(super) async fn note_rejected(
    connection: &mut PgConnection,
    client: &Client,
    op_id: i64,
    culprit: &Culprit,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE uploads SET rejected = $4 WHERE user_id = $1 AND client_id = $2 AND op_id = $3")
        .bind(&client.user_id)
        .bind(&client.client_id)
        .bind(op_id)
        .bind(Json(culprit))
        .execute(connection)
        .await?;
    Ok(())
}

/// Tells a repeated transaction from a new one with the same number.
pub(super) fn digest(transaction: &Transaction) -> serde_json::Result<Vec<u8>> {
    Ok(Sha256::digest(serde_json::to_vec(transaction)?).to_vec())
}
