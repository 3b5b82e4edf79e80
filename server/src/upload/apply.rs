//! One client transaction becomes one Postgres transaction: all of it, or none.

use schema::upload::{Operation, Outcome, Verdict};
use sqlx::{Connection, PgConnection, PgPool};

use super::{
    Client, Rules,
    change::{Cells, CheckedChange},
    conflict::{self, Conflict},
    rejection::{self, Culprit, Rejected},
    replay::{self, Delivery},
    rows, statement,
    wire::{Delivered, Sent},
};
use crate::{
    error::{Error, Result},
    retry::retried,
    rights::act_as,
};

/// Applies a client transaction and returns a verdict for each of its changes.
pub(super) async fn transaction(
    pool: &PgPool,
    rules: Rules,
    client: &Client,
    delivered: &Delivered,
) -> Result<Vec<Verdict>> {
    if delivered.op_ids.is_empty() {
        return Ok(Vec::new());
    }
    match retried(|| once(pool, rules, client, delivered)).await? {
        Applied::All => {
            let applied = |op_id: &i64| Verdict { op_id: *op_id, outcome: Outcome::Applied };
            Ok(delivered.op_ids.iter().map(applied).collect())
        }
        Applied::None(culprit) => Ok(rejection::verdicts(delivered, &culprit)),
        Applied::NoUser => Err(Error::Unauthenticated),
    }
}

/// What became of a client transaction.
enum Applied {
    All,
    None(Culprit),
    /// The user has been deleted meanwhile.
    NoUser,
}

impl From<Option<Culprit>> for Applied {
    fn from(culprit: Option<Culprit>) -> Applied {
        culprit.map_or(Applied::All, Applied::None)
    }
}

/// The one Postgres transaction. The note that makes a repetition harmless, the changes and the notice of a rejection
/// are committed together or not at all.
async fn once(pool: &PgPool, rules: Rules, client: &Client, delivered: &Delivered) -> sqlx::Result<Applied> {
    let mut outer = pool.begin().await?;
    match replay::note(&mut outer, client, delivered).await {
        Err(error) if is_without_user(&error) => return Ok(Applied::NoUser),
        Err(error) => return Err(error),
        Ok(Delivery::Repeated(culprit)) => return Ok(culprit.into()),
        Ok(Delivery::New) => {}
    }
    let culprit = match delivered.too_large {
        Some(changes) => Some(Culprit { index: 0, rejected: Rejected::too_large(changes) }),
        None => changes(&mut outer, rules, &client.user_id, &delivered.changes).await?,
    };
    if let Some(culprit) = &culprit {
        rejection::notify(&mut outer, &client.user_id, delivered, culprit).await?;
        replay::note_rejected(&mut outer, client, delivered, culprit).await?;
    }
    outer.commit().await?;
    Ok(culprit.into())
}

/// A note refers to its user.
fn is_without_user(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_foreign_key_violation())
}

/// Applies all changes under the user's rights, or none, and then names the one that is to blame.
async fn changes(
    connection: &mut PgConnection,
    rules: Rules,
    user_id: &str,
    changes: &[Sent],
) -> sqlx::Result<Option<Culprit>> {
    let mut savepoint = connection.begin().await?;
    let Err((index, obstacle)) = each(&mut savepoint, rules, user_id, changes).await else {
        savepoint.commit().await?;
        return Ok(None);
    };
    savepoint.rollback().await?;
    let rejected = match obstacle {
        Obstacle::Rejected(rejected) => rejected,
        Obstacle::Postgres(error) => {
            Rejected::from_postgres(connection, &changes[index], &error).await?.ok_or(error)?
        }
        Obstacle::Fault(error) => return Err(error),
    };
    Ok(Some(Culprit { index, rejected }))
}

/// Why a change cannot be applied.
enum Obstacle {
    /// It is not to be taken.
    Rejected(Rejected),
    /// Postgres did not take it.
    Postgres(sqlx::Error),
    /// It is not the change's fault.
    Fault(sqlx::Error),
}

impl From<sqlx::Error> for Obstacle {
    fn from(error: sqlx::Error) -> Obstacle {
        Obstacle::Fault(error)
    }
}

async fn each(
    connection: &mut PgConnection,
    rules: Rules,
    user_id: &str,
    changes: &[Sent],
) -> std::result::Result<(), (usize, Obstacle)> {
    act_as(connection, "app_user", user_id).await.map_err(|error| (0, Obstacle::Fault(error)))?;
    for (index, change) in changes.iter().enumerate() {
        one(connection, rules, user_id, change).await.map_err(|obstacle| (index, obstacle))?;
    }
    // A constraint that a migration has made DEFERRABLE would otherwise fail at COMMIT, too late for a verdict. Which
    // change breaks it is not known then; the last one stands for all.
    let last = changes.len() - 1;
    let deferred = sqlx::query("SET CONSTRAINTS ALL IMMEDIATE").execute(&mut *connection).await;
    deferred.map_err(|error| (last, Obstacle::Postgres(error)))?;
    let put = changes.iter().filter(|change| change.op == Operation::Put).count();
    let full = rows::exceeded(connection, rules.tables, user_id, put).await;
    match full.map_err(|error| (last, Obstacle::Fault(error)))? {
        true => Err((last, Obstacle::Rejected(Rejected::too_many_rows()))),
        false => Ok(()),
    }
}

async fn one(
    connection: &mut PgConnection,
    rules: Rules,
    user_id: &str,
    sent: &Sent,
) -> std::result::Result<(), Obstacle> {
    let change = sent.read().map_err(Obstacle::Rejected)?;
    let mut change = CheckedChange::parse(rules.tables, &change).map_err(Obstacle::Rejected)?;
    let conflict = conflict::of(rules.strategies, change.table);
    // The last write wins without a look at the row.
    if !matches!(conflict, Conflict::LastWriteWins) {
        let row = statement::lock(connection, &change).await.map_err(Obstacle::Postgres)?;
        if row.is_none() {
            nobody_has(connection, user_id, &change).await?;
        }
        let current = row.as_ref().map(|row| Cells::readable(change.table, row));
        conflict.resolve(current.as_ref(), &mut change).map_err(Obstacle::Rejected)?;
    }
    let written = statement::write(connection, &change).await.map_err(Obstacle::Postgres)?;
    if written == 0 {
        nobody_has(connection, user_id, &change).await?;
    }
    Ok(())
}

/// Makes sure that a row which is not there for this user is not there at all. Else the change is forbidden.
///
/// So a user who knows a row's id can find out that it exists, and nothing else; to insert a row with that id would tell
/// as much. In exchange, whoever has lost access to a row learns that later edits of it were not taken.
async fn nobody_has(
    connection: &mut PgConnection,
    user_id: &str,
    change: &CheckedChange<'_>,
) -> std::result::Result<(), Obstacle> {
    act_as(connection, "none", user_id).await?;
    let exists: bool =
        sqlx::query_scalar(&format!("SELECT EXISTS (SELECT FROM {} WHERE id = $1)", change.table.name))
            .bind(change.id)
            .fetch_one(&mut *connection)
            .await?;
    act_as(connection, "app_user", user_id).await?;
    if exists {
        let forbidden = Rejected::forbidden(connection, change.table.name, change.operation).await?;
        return Err(Obstacle::Rejected(forbidden));
    }
    Ok(())
}
