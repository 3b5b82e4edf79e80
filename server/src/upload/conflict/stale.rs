//! `RejectStale`: a change counts only if its user saw the row as it is.

use schema::upload::{Code, Operation};

use crate::upload::{
    change::{Cells, CheckedChange},
    rejection::Rejected,
};

/// Rejects a change to a row that is not what its browser saw.
pub(super) fn reject(current: Option<&Cells<'_>>, change: &CheckedChange<'_>) -> Result<(), Rejected> {
    let Some(current) = current else {
        return match change.operation {
            Operation::Put | Operation::Delete => Ok(()),
            Operation::Patch => Err(stale("This was deleted before your change of it arrived.")),
        };
    };
    // To put a row that is there is stale, too: its browser did not see one.
    let seen = change.old.as_ref().is_some_and(|old| {
        old.0.iter().all(|(column, cell)| current.get(column.name).is_some_and(|current| current == cell))
    });
    if seen {
        return Ok(());
    }
    Err(stale("This was changed elsewhere before your change of it arrived. Look at it, and decide again."))
}

fn stale(reason: &str) -> Rejected {
    Rejected::new(Code::Stale, reason.to_owned())
}
