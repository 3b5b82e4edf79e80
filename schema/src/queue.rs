//! A browser's upload queue: PowerSync's table `ps_crud`, and how it is divided into requests.
//!
//! The queue is read as text and passed on as text. JavaScript would round integers beyond 2^53, and the server would
//! store, or compare with the row, what nobody has written.
//!
//! Changes are numbered, and the server remembers how far it has got. A database that was restored from a backup counts
//! from an old number again, so numbers alone would make new work look like old. Therefore each opening of the database
//! begins an epoch, and a change belongs to the one in which it was made: what stood in the queue when the backup was
//! made keeps its epoch and is recognised, and what is written afterwards has an epoch that nobody has seen.
//!
//! The statements are here, and not where they run, because the server's tests run them on a SQLite of their own.

use serde_json::value::RawValue;

use crate::upload::{MAX_BYTES, MAX_CHANGES, Transaction};

/// A table of this app's own among those of PowerSync, which leaves it alone, also when it clears the database: numbers
/// go on counting then, and so must epochs.
pub const CREATE_EPOCHS: &str =
    "CREATE TABLE IF NOT EXISTS upload_epochs (first_op INTEGER PRIMARY KEY, id TEXT NOT NULL)";

/// Begins an epoch with the id `$1` at the next change's number. It takes the place of one that has no changes yet: a
/// backup may have been made in that one.
pub const BEGIN_EPOCH: &str = "
    INSERT OR REPLACE INTO upload_epochs (first_op, id)
    VALUES (coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'ps_crud'), 0) + 1, $1)";

/// Deletes the epochs of which nothing is left in the queue.
pub const FORGET_EPOCHS: &str = "
    DELETE FROM upload_epochs WHERE first_op < (
        SELECT max(first_op) FROM upload_epochs
        WHERE first_op <= coalesce((SELECT min(id) FROM ps_crud), 9223372036854775807))";

/// Changes that are sent together, at the most, unless one transaction alone has more.
pub const ENOUGH_CHANGES: usize = 1000;

/// Bytes that are sent together, at the most, unless one transaction alone has more: many a proxy takes one megabyte.
pub const ENOUGH_BYTES: usize = 900_000;

/// The oldest entries of the queue, `$1` of them at the most, and of those as many as have `$2` bytes in a request: for
/// [`transactions`].
///
/// An entry is in the same transaction as the one before if it has the next number and the same `tx_id`. A change has its
/// number besides in a request, for which 64 bytes are enough.
pub const OLDEST: &str = "
    SELECT id, data,
        (SELECT upload_epochs.id FROM upload_epochs WHERE first_op <= entry.id ORDER BY first_op DESC LIMIT 1),
        EXISTS (SELECT 1 FROM ps_crud AS next WHERE next.id = entry.id + 1 AND next.tx_id = entry.tx_id)
    FROM (
        SELECT id, tx_id, data,
            sum(length(CAST(data AS BLOB)) + 64) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) AS bytes
        FROM (SELECT id, tx_id, data FROM ps_crud ORDER BY id LIMIT $1)
    ) AS entry
    WHERE bytes <= $2 ORDER BY id";

/// The first and the last entry of the oldest transaction, without their columns, and how many it has: for [`outline`].
/// Nothing in it is long.
pub const OUTLINE: &str = "
    SELECT id,
        json_object('op', json_extract(data, '$.op'), 'type', substr(json_extract(data, '$.type'), 1, 200),
            'id', substr(json_extract(data, '$.id'), 1, 200)),
        (SELECT upload_epochs.id FROM upload_epochs WHERE first_op <= ps_crud.id ORDER BY first_op DESC LIMIT 1),
        changes
    FROM ps_crud JOIN (
        SELECT min(id) AS first, max(id) AS last, count(*) AS changes FROM ps_crud
        WHERE tx_id = (SELECT tx_id FROM ps_crud ORDER BY id LIMIT 1)
    ) ON id IN (first, last) ORDER BY id";

/// How many entries the newest transaction has, and how many bytes they have in a request.
///
/// Only here is known what a write has come to: an `UPDATE` makes an entry of every row that it changes, and an entry may
/// have the row as it was before.
pub const NEWEST_SIZE: &str = "
    SELECT count(*), coalesce(sum(length(CAST(data AS BLOB)) + 64), 0) FROM ps_crud
    WHERE id > coalesce((
        SELECT id FROM ps_crud WHERE tx_id <> (SELECT tx_id FROM ps_crud ORDER BY id DESC LIMIT 1)
        ORDER BY id DESC LIMIT 1), 0)";

/// Whether the row of [`NEWEST_SIZE`], as a JSON array of arrays, is of a transaction that the server does not take.
pub fn is_too_large(rows: &str) -> serde_json::Result<bool> {
    let [(changes, bytes)]: [(usize, usize); 1] = serde_json::from_str(rows)?;
    Ok(changes > MAX_CHANGES || bytes > MAX_BYTES)
}

/// A client transaction that waits in the queue.
#[derive(Debug)]
pub struct Waiting {
    /// The numbers of the changes that are in it.
    pub op_ids: Vec<i64>,
    /// The transaction, its changes as text.
    pub transaction: Transaction<Box<RawValue>>,
}

/// The whole transactions in the rows of [`OLDEST`], as a JSON array of arrays. One that goes on after the last row is left
/// out.
pub fn transactions(rows: &str) -> serde_json::Result<Vec<Waiting>> {
    let entries: Vec<(i64, String, Option<String>, u8)> = serde_json::from_str(rows)?;
    let mut waiting = Vec::new();
    let mut current: Option<Waiting> = None;
    for (op_id, data, epoch, goes_on) in entries {
        let transaction = Transaction { epoch, changes: Vec::new(), omitted: None };
        let mut whole = current.take().unwrap_or(Waiting { op_ids: Vec::new(), transaction });
        whole.op_ids.push(op_id);
        whole.transaction.changes.push(change(op_id, &data)?);
        match goes_on {
            0 => waiting.push(whole),
            _ => current = Some(whole),
        }
    }
    Ok(waiting)
}

/// The outline in the rows of [`OUTLINE`]; `None` where the queue is empty.
pub fn outline(rows: &str) -> serde_json::Result<Option<Waiting>> {
    let entries: Vec<(i64, String, Option<String>, u64)> = serde_json::from_str(rows)?;
    let Some((_, _, epoch, count)) = entries.first() else { return Ok(None) };
    let omitted = Some(count.saturating_sub(entries.len() as u64));
    let changes = entries.iter().map(|(op_id, data, ..)| change(*op_id, data));
    let transaction =
        Transaction { epoch: epoch.clone(), changes: changes.collect::<Result<_, _>>()?, omitted };
    Ok(Some(Waiting { op_ids: entries.iter().map(|(op_id, ..)| *op_id).collect(), transaction }))
}

/// An entry's text is that of a [`crate::upload::Change`] without its number.
fn change(op_id: i64, data: &str) -> serde_json::Result<Box<RawValue>> {
    let columns = data.trim_start().strip_prefix('{').unwrap_or(data);
    RawValue::from_string(format!(r#"{{"op_id":{op_id},{columns}"#))
}

#[cfg(test)]
mod tests;
