//! What becomes of a row that two browsers changed. **This is the place to decide that**: a line per table.

mod check;
mod counters;
mod stale;
#[cfg(test)]
mod tests;

use schema::Table;

pub(crate) use self::check::differences;
use super::{
    change::{Cells, CheckedChange},
    rejection::Rejected,
};

/// The tables with another strategy than [`Conflict::LastWriteWins`]. They need `track_previous` in
/// `schema/src/tables.rs`, which the server checks when it starts.
pub(super) const STRATEGIES: Strategies = &[
    // (Document::TABLE, Conflict::RejectStale),
    // (Product::TABLE, Conflict::Counters(&["stock"])),
    // (Auction::TABLE, Conflict::Custom(highest_bid_wins)),
];

/// Tables, each with its strategy.
pub(super) type Strategies = &'static [(&'static Table, Conflict)];

/// A strategy.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "an app uses those that its tables need")]
pub(super) enum Conflict {
    /// Column by column, what reached the server last stays. A change touches only the columns that its user changed: so
    /// when one user renames a list while another, offline, changes its color, both changes last; when both rename it,
    /// the later name does. A deleted row stays deleted, whichever came first, the deletion or the edit.
    LastWriteWins,
    /// A change to a row that is not what its user saw is rejected as `stale`, be it an edit or a deletion. So nobody
    /// overwrites or deletes what they have not seen; but of two edits made offline, even of different columns, one is
    /// lost. A row that was deleted meanwhile takes no edit either.
    RejectStale,
    /// To these columns, whole or real numbers, the difference is added that their user made: when two users, offline,
    /// take 1 and 2 out of 10, there are 7. The last write wins in all others, and a deleted row stays deleted.
    Counters(&'static [&'static str]),
    /// A rule of the app. `conflict/tests.rs` has one, for an auction.
    Custom(Resolve),
}

/// Compares a change with the row as it is, which is `None` where there is none. It may replace what the change writes,
/// or reject the change. `change.old` is the row as the browser saw it.
pub(super) type Resolve =
    fn(current: Option<&Cells<'_>>, change: &mut CheckedChange<'_>) -> Result<(), Rejected>;

/// The strategy of that table.
pub(super) fn of(strategies: Strategies, table: &Table) -> Conflict {
    let own = strategies.iter().find(|(other, _)| other.name == table.name);
    own.map_or(Conflict::LastWriteWins, |(_, conflict)| *conflict)
}

impl Conflict {
    /// What the strategy comes to for a change to a row that is `current`.
    pub(super) fn resolve(
        self,
        current: Option<&Cells<'_>>,
        change: &mut CheckedChange<'_>,
    ) -> Result<(), Rejected> {
        match self {
            Conflict::LastWriteWins => Ok(()),
            Conflict::RejectStale => stale::reject(current, change),
            Conflict::Counters(columns) => counters::add(columns, current, change),
            Conflict::Custom(resolve) => resolve(current, change),
        }
    }
}
