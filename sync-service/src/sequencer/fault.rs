//! Whose fault an error of Postgres is.

use sqlx::Error;
use sqlx::postgres::PgDatabaseError;

/// Another transaction was faster, or has a row of the service's own tables: serialization failure, deadlock, or a row that the compaction
/// is just changing. Tried again, it is likely to work.
pub(super) fn is_conflict(error: &Error) -> bool {
    match code(error).as_deref() {
        Some("40001" | "40P01") => true,
        Some(LOCK_NOT_AVAILABLE) => names_a_row(error),
        _ => false,
    }
}

/// Somebody has locked a whole table, for longer than the service waits.
pub(super) fn is_lock(error: &Error) -> bool {
    code(error).as_deref() == Some(LOCK_NOT_AVAILABLE) && !names_a_row(error)
}

/// Whether it may be about one table. Those that are not concern the connection, the whole database or the machine under it: a shutdown,
/// a full disk, too little memory, a database that takes no changes.
pub(super) fn may_be_of_one_table(error: &Error) -> bool {
    let of_all = ["08", "25", "28", "3D", "40", "53", "57P", "58", "F0"];
    !is_conflict(error) && code(error).is_some_and(|code| !of_all.iter().any(|class| code.starts_with(class)))
}

const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Of a lock on a row, and of no other, Postgres says where it was.
fn names_a_row(error: &Error) -> bool {
    let postgres = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    postgres.is_some_and(|error| error.r#where().is_some())
}

fn code(error: &Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_without_a_code_is_nobodys() {
        for error in [Error::PoolTimedOut, Error::WorkerCrashed] {
            assert!(!is_conflict(&error) && !is_lock(&error) && !may_be_of_one_table(&error));
        }
    }
}
