//! Changes that are not taken: why, and the notice that tells their user.

use schema::upload::{Code, Operation, Outcome, Verdict};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, postgres::PgDatabaseError};

use super::{
    limits,
    wire::{Delivered, Sent},
};

/// Why a change is not taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Rejected {
    pub(super) code: Code,
    /// A sentence for the user.
    pub(super) reason: String,
}

impl Rejected {
    pub(super) fn new(code: Code, reason: String) -> Rejected {
        Rejected { code, reason }
    }

    /// A transaction of so many changes is more than is taken at once.
    pub(super) fn too_large(changes: u64) -> Rejected {
        let sentence = match changes {
            0 | 1 => "This is more than can be sent at once. Make it smaller.".to_owned(),
            changes => format!(
                "This is more than can be sent at once: {changes} rows were changed together. Change them in smaller parts."
            ),
        };
        Rejected::new(Code::TooLarge, sentence)
    }

    /// The user has as many rows as a device can hold.
    pub(super) fn too_many_rows() -> Rejected {
        let sentence = format!(
            "You have {} rows, and there can be no more. Delete what you do not need, or leave a list, and try again.",
            limits::ROWS
        );
        Rejected::new(Code::TooManyRows, sentence)
    }

    /// Reads why Postgres did not take a change; `None` where the change is not to blame.
    ///
    /// The words come from the migrations, where a constraint or a policy has them as its comment. So `connection` must
    /// be able to run statements, which a transaction in which one has failed is not.
    pub(super) async fn from_postgres(
        connection: &mut PgConnection,
        change: &Sent,
        error: &sqlx::Error,
    ) -> sqlx::Result<Option<Rejected>> {
        let error = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
        let Some(error) = error else { return Ok(None) };
        let (code, reason) = match error.code() {
            // Insufficient privilege: a missing grant or a policy.
            "42501" => return Rejected::forbidden(connection, &change.table, change.op).await.map(Some),
            // Raised by a trigger or a function of the app, whose message is meant to be read.
            "P0001" => (Code::Constraint, error.message().to_owned()),
            state => match state.get(..2).unwrap_or_default() {
                // Integrity constraint violation.
                "23" => (Code::Constraint, constraint_reason(connection, error).await?),
                // Text too long, a number out of range, or a limit of Postgres, such as the size of an index entry.
                _ if matches!(state, "22001" | "22003") || state.starts_with("54") => {
                    (Code::TooLarge, format!("This is too large for the database: {}.", error.message()))
                }
                // Any other data exception, such as a time out of range.
                "22" => {
                    (Code::WrongType, format!("The database does not take this value: {}.", error.message()))
                }
                _ => return Ok(None),
            },
        };
        Ok(Some(Rejected::new(code, reason)))
    }

    /// The user has no right to do this to this row of `table`. The sentence is the comment of the policy for that, else
    /// that of one for everything.
    pub(super) async fn forbidden(
        connection: &mut PgConnection,
        table: &str,
        operation: Operation,
    ) -> sqlx::Result<Rejected> {
        let commands = match operation {
            Operation::Put => "aw*",
            Operation::Patch => "wa*",
            Operation::Delete => "dw*",
        };
        let comment: Option<String> = sqlx::query_scalar(
            "SELECT obj_description(oid, 'pg_policy') FROM pg_policy
             WHERE polrelid = to_regclass('public.' || $1) AND obj_description(oid, 'pg_policy') IS NOT NULL
             ORDER BY position(polcmd::text IN $2) = 0, position(polcmd::text IN $2), polname LIMIT 1",
        )
        .bind(table)
        .bind(commands)
        .fetch_optional(connection)
        .await?
        .flatten();
        let reason = comment.unwrap_or_else(|| "You have no right to make this change.".to_owned());
        Ok(Rejected::new(Code::Forbidden, reason))
    }
}

async fn constraint_reason(connection: &mut PgConnection, error: &PgDatabaseError) -> sqlx::Result<String> {
    let table = error.table().unwrap_or("the table");
    let Some(constraint) = error.constraint() else {
        return Ok(match error.column() {
            Some(column) => format!("{table}.{column} must have a value."),
            None => format!("The database does not take this: {}.", error.message()),
        });
    };
    let comment: Option<String> = sqlx::query_scalar(
        "SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint
         WHERE conname = $1 AND conrelid = to_regclass('public.' || $2)",
    )
    .bind(constraint)
    .bind(table)
    .fetch_optional(connection)
    .await?
    .flatten();
    Ok(match (comment, error.column()) {
        (Some(comment), _) => comment,
        (None, Some(column)) => format!("{table}.{column} must have a value."),
        (None, None) => format!("The rule {constraint} of {table} does not hold with this change."),
    })
}

/// Verdicts for a transaction that failed because of the change `culprit`, an index into its changes.
pub(super) fn verdicts(delivered: &Delivered, culprit: &Culprit) -> Vec<Verdict> {
    let sibling = Rejected::new(
        Code::Transaction,
        "Another change that was made together with this one was not taken.".to_owned(),
    );
    let verdict = |(index, op_id): (usize, &i64)| {
        let Rejected { code, reason } =
            if index == culprit.index { culprit.rejected.clone() } else { sibling.clone() };
        Verdict { op_id: *op_id, outcome: Outcome::Rejected { code, reason } }
    };
    delivered.op_ids.iter().enumerate().map(verdict).collect()
}

/// The change that made its transaction fail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Culprit {
    /// Its place among the transaction's changes.
    pub(super) index: usize,
    /// Why it is not taken.
    pub(super) rejected: Rejected,
}

/// Tells the user in `rejections`, which is synced to every browser of theirs. The culprit's siblings get no notice of their
/// own, but are kept with it, because to try again is to try all of them.
pub(super) async fn notify(
    connection: &mut PgConnection,
    user_id: &str,
    delivered: &Delivered,
    Culprit { index, rejected }: &Culprit,
) -> sqlx::Result<()> {
    let Some(change) = delivered.changes.get(*index) else { return Ok(()) };
    let all = delivered.too_large.is_none().then_some(&delivered.changes);
    let changes = all.and_then(|changes| serde_json::to_string(changes).ok());
    sqlx::query(
        "INSERT INTO rejections (user_id, table_name, row_id, operation, code, reason, changes)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(user_id)
    .bind(storable(&change.table))
    .bind(storable(&change.id))
    .bind(change.op.as_str())
    .bind(rejected.code.as_str())
    .bind(storable(&rejected.reason))
    .bind(changes.filter(|changes| changes.len() <= limits::KEPT_CHANGES))
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "DELETE FROM rejections WHERE id IN (
             SELECT id FROM rejections WHERE user_id = $1 ORDER BY created_at DESC, id OFFSET $2
         )",
    )
    .bind(user_id)
    .bind(limits::NOTICES)
    .execute(connection)
    .await?;
    Ok(())
}

/// What a browser sent may hold what Postgres cannot store, or be very long; the notice must be written all the same.
fn storable(text: &str) -> String {
    text.chars().filter(|letter| *letter != '\0').take(500).collect()
}
