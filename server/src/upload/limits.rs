//! How much browsers may send, and how much of it is worked on at once. All of it is checked before Postgres sees anything,
//! but for [`ROWS`].
//!
//! Limits that mean something to people, such as 200 characters for a name, are `CHECK` constraints in `migrations/`,
//! whose comments people read. What remains are limits of Postgres itself, such as 2704 bytes for an index entry: a
//! change that breaks one is rejected as `too_large` as well.
//!
//! A transaction that is too large gets a verdict, so that its browser's queue goes on; `schema::upload` says what is. All
//! else is answered by a status, after which the browser sends less, or the same again.

use std::time::Duration;

use schema::ColumnKind;
use serde_json::Value;

/// Bytes of a request: far more than a browser sends at once, unless one transaction has as much.
pub(super) const BODY: usize = 8 * 1024 * 1024;

/// Changes of a request; a browser sends a thousand, unless one transaction has more. With more than one transaction's
/// worth in it, an answer would be as large as a body.
pub(super) const CHANGES: usize = 2 * schema::upload::MAX_CHANGES;

/// Columns of a change: as many as SQLite has in a table.
pub(super) const COLUMNS: usize = 2000;

/// KiB of all bodies that are in memory: eight of the largest, or as many small ones as nobody sends at once.
pub(super) const MEMORY_KIB: usize = 64 * 1024;

/// How long a body may pause.
pub(super) const IDLE: Duration = Duration::from_secs(10);

/// Bytes a second that a body must have on average: half of what a bad mobile network has. A slower one holds memory and a
/// place for nothing.
pub(super) const BYTES_PER_SECOND: usize = 4 * 1024;

/// Uploads of one user at once. A browser waits for its answer before it sends more, so this is a phone and a laptop at the
/// same moment, or one of them whose last connection has just been lost.
pub(super) const PER_USER: usize = 2;

/// Bytes up to which an upload is small, which nearly all are. So many have at most a few hundred changes, which are a matter
/// of a tenth of a second.
pub(super) const SMALL: usize = 16 * 1024;

/// Small uploads at once. They have turns of their own, so that users who send a lot do not keep those waiting who send a
/// little.
pub(super) const SMALL_TURNS: usize = 4;

/// Large uploads at once.
pub(super) const LARGE_TURNS: usize = 2;

/// How long an upload waits for its turn.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Rows that a user may read, at the most, because each of their devices holds them all: a first sync of so many takes
/// about ten seconds.
pub(super) const ROWS: i64 = 100_000;

/// Notices of a user, who has seen enough of them then: the oldest makes room for the next.
pub(super) const NOTICES: i64 = 1000;

/// Browsers of a user that are known for good; of more, the newest. Everybody who clears a browser's data has a new one.
pub(super) const BROWSERS: i64 = 1000;

/// Bytes of a browser's `client_id`, and of an epoch.
pub(super) const CLIENT_ID: usize = 100;

/// Characters of a row's id. An index entry has room for them, whatever they are.
pub(super) const ID: usize = 100;

/// Bytes of a rejected transaction's JSON that are kept for another try, and sent to all of its user's browsers.
pub(super) const KEPT_CHANGES: usize = 64 * 1024;

/// Bytes of a text. Every browser that may read the row gets all of it again whenever any of its columns changes.
const TEXT: usize = 1024 * 1024;

/// What a value must be that is too large for every column of this kind; `None` where its size is right.
pub(super) fn exceeded(kind: ColumnKind, value: &Value) -> Option<String> {
    match (kind, value) {
        (ColumnKind::Text | ColumnKind::Timestamp, Value::String(text)) if text.len() > TEXT => {
            Some(format!("must have at most {TEXT} bytes, and has {}", text.len()))
        }
        (ColumnKind::Integer, Value::Number(number))
            if number.as_i64().is_none() && number.as_f64().is_some_and(|number| number.abs() > 1e18) =>
        {
            Some(format!("must be from {} to {}, and is {number}", i64::MIN, i64::MAX))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_largest_values_are_taken_and_larger_ones_are_not() {
        let text = |length| json!("x".repeat(length));
        assert_eq!(exceeded(ColumnKind::Text, &text(TEXT)), None);
        assert!(exceeded(ColumnKind::Text, &text(TEXT + 1)).is_some());
        for right in [json!(i64::MAX), json!(i64::MIN), json!(1.5), json!(null), json!("no number")] {
            assert_eq!(exceeded(ColumnKind::Integer, &right), None, "{right}");
        }
        for wrong in [json!(u64::MAX), json!(1e300), json!(-9_223_372_036_854_777_856.0)] {
            assert!(exceeded(ColumnKind::Integer, &wrong).is_some(), "{wrong}");
        }
        assert_eq!(exceeded(ColumnKind::Real, &json!(f64::MAX)), None);
    }
}
