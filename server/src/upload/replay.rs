//! Repeated delivery. A browser that gets no answer sends its transactions again, after a second or after a year, and they
//! must not be applied again: by then somebody may have changed the same rows.
//!
//! Within an epoch of a browser's database (`schema::queue`) transactions arrive in the order of their numbers. So the
//! number of the last one dealt with, the watermark, tells those that have been from those that are new, and it stays as
//! long as the user does. What was sent and what the verdict was is kept for a week only: nobody who comes later needs to
//! be told why a change was rejected, because the notice of it has been delivered long ago.

#[cfg(test)]
mod tests;

use sqlx::{FromRow, PgConnection, PgPool, types::Json};

use super::{Client, limits, rejection::Culprit, wire::Delivered};

/// What a delivery is.
pub(super) enum Delivery {
    /// The transaction has not been seen before, and is now noted.
    New,
    /// It has been dealt with; this is the change that made it fail, if it failed and that is still known.
    Repeated(Option<Culprit>),
}

/// Notes a transaction, or finds that it has been dealt with.
///
/// Two deliveries at once take turns here: the second waits until the first is committed.
pub(super) async fn note(
    connection: &mut PgConnection,
    client: &Client,
    delivered: &Delivered,
) -> sqlx::Result<Delivery> {
    // The watermark's row is locked also where it is not changed.
    let noted = sqlx::query(
        "WITH raised AS (
             INSERT INTO upload_watermarks (user_id, client_id, epoch, op_id) VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id, client_id, epoch) DO UPDATE SET op_id = excluded.op_id
             WHERE upload_watermarks.op_id < excluded.op_id
             RETURNING user_id
         )
         INSERT INTO uploads (user_id, client_id, epoch, op_id, digest)
         SELECT user_id, $2, $3, $4, $5 FROM raised",
    )
    .bind(&client.user_id)
    .bind(&client.client_id)
    .bind(&delivered.epoch)
    .bind(delivered.op_id)
    .bind(&delivered.digest)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if noted == 1 {
        return Ok(Delivery::New);
    }
    let Details { same, rejected, lower } = details(connection, client, delivered).await?;
    if same.unwrap_or(!lower) {
        return Ok(Delivery::Repeated(rejected.map(|culprit| culprit.0)));
    }
    renew(connection, client, delivered).await?;
    Ok(Delivery::New)
}

/// What is known of a number that the watermark has passed.
#[derive(FromRow)]
struct Details {
    /// Whether it is this transaction's; `None` where nothing is known.
    same: Option<bool>,
    /// Why that was rejected, if it was.
    rejected: Option<Json<Culprit>>,
    /// Whether something is known of a lower number.
    lower: bool,
}

/// A number that the watermark has passed can still be new: when a whole machine was put back to an earlier state with the
/// page open, the page goes on in its epoch. Then another transaction is known by that number; or none is, though one is by
/// a lower number, and lower numbers are forgotten first.
async fn details(
    connection: &mut PgConnection,
    client: &Client,
    delivered: &Delivered,
) -> sqlx::Result<Details> {
    sqlx::query_as(
        "SELECT own.digest = $5 AS same, own.rejected, EXISTS (
             SELECT FROM uploads WHERE user_id = $1 AND client_id = $2 AND epoch = $3 AND op_id < $4
         ) AS lower
         FROM (VALUES (1)) AS always LEFT JOIN (
             SELECT * FROM uploads WHERE user_id = $1 AND client_id = $2 AND epoch = $3 AND op_id = $4
         ) AS own ON true",
    )
    .bind(&client.user_id)
    .bind(&client.client_id)
    .bind(&delivered.epoch)
    .bind(delivered.op_id)
    .bind(&delivered.digest)
    .fetch_one(connection)
    .await
}

async fn renew(connection: &mut PgConnection, client: &Client, delivered: &Delivered) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO uploads (user_id, client_id, epoch, op_id, digest) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (user_id, client_id, epoch, op_id)
         DO UPDATE SET digest = excluded.digest, rejected = NULL, received_at = now()",
    )
    .bind(&client.user_id)
    .bind(&client.client_id)
    .bind(&delivered.epoch)
    .bind(delivered.op_id)
    .bind(&delivered.digest)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that the transaction failed, so that its repetition gets the same verdicts.
pub(super) async fn note_rejected(
    connection: &mut PgConnection,
    client: &Client,
    delivered: &Delivered,
    culprit: &Culprit,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE uploads SET rejected = $5 WHERE user_id = $1 AND client_id = $2 AND epoch = $3 AND op_id = $4",
    )
    .bind(&client.user_id)
    .bind(&client.client_id)
    .bind(&delivered.epoch)
    .bind(delivered.op_id)
    .bind(Json(culprit))
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes what nobody will ask for any more.
///
/// A browser sends its queue in order, so once it has sent something of an epoch, all of the epochs before has been dealt
/// with. Only a database restored from a backup brings such an epoch back. Hence the watermark of an epoch stays for another
/// 400 days after the next has begun: there are backups that are a year old. And nobody has used so many browsers as
/// [`limits::BROWSERS`], but somebody who makes their ids up.
pub(crate) async fn forget(pool: &PgPool) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM uploads WHERE received_at < now() - interval '7 days'").execute(pool).await?;
    sqlx::query(
        "DELETE FROM upload_watermarks AS old WHERE EXISTS (
             SELECT FROM upload_watermarks AS next
             WHERE next.user_id = old.user_id AND next.client_id = old.client_id
                 AND next.began_at > old.began_at AND next.began_at < now() - interval '400 days'
         )",
    )
    .execute(pool)
    .await?;
    sqlx::query(
        "DELETE FROM upload_watermarks USING (
             SELECT user_id, client_id,
                 row_number() OVER (PARTITION BY user_id ORDER BY max(began_at) DESC, client_id) AS number
             FROM upload_watermarks GROUP BY user_id, client_id
         ) AS browser
         WHERE browser.number > $1 AND upload_watermarks.user_id = browser.user_id
             AND upload_watermarks.client_id = browser.client_id",
    )
    .bind(limits::BROWSERS)
    .execute(pool)
    .await?;
    Ok(())
}
