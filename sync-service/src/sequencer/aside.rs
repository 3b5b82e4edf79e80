//! The tables that are set aside: something about one of them fails, and all the others go on.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::store::catalog::Table;

/// The tables that are not synced at the moment, by their oids. Each is tried again, sooner at first.
#[derive(Default)]
pub(crate) struct Aside {
    tables: BTreeMap<i64, Reason>,
}

struct Reason {
    table: String,
    error: String,
    since: Instant,
    wait: Duration,
    again: Instant,
}

const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl Aside {
    /// Sets a table aside, or leaves it there for longer.
    pub fn put(&mut self, oid: i64, tables: &[Table], error: String) {
        let name = || tables.iter().find(|table| table.oid == oid).map(|table| table.name.to_string());
        let now = Instant::now();
        let reason = self.tables.entry(oid).or_insert_with(|| Reason {
            table: name().unwrap_or_else(|| oid.to_string()),
            error: String::new(),
            since: now,
            wait: SHORTEST_WAIT / 2,
            again: now,
        });
        if reason.error != error {
            warn!(
                table = reason.table,
                error, "a table is not synced, and will be tried again; the others are"
            );
            reason.error = error;
        }
        reason.wait = (reason.wait * 2).min(LONGEST_WAIT);
        reason.again = now + reason.wait;
    }

    /// The table is as it should be.
    pub fn take_back(&mut self, oid: i64) {
        if let Some(reason) = self.tables.remove(&oid) {
            info!(table = reason.table, after = ?reason.since.elapsed(), "a table is synced again");
        }
    }

    /// Forgets the tables that are not published any more.
    pub fn keep(&mut self, tables: &[Table]) {
        self.tables.retain(|oid, _| tables.iter().any(|table| table.oid == *oid));
    }

    /// Whether the table is set aside.
    pub fn has(&self, oid: i64) -> bool {
        self.tables.contains_key(&oid)
    }

    /// The tables that are not to be tried yet.
    pub fn resting(&self) -> HashSet<i64> {
        let now = Instant::now();
        self.tables.iter().filter(|(_, reason)| reason.again > now).map(|(oid, _)| *oid).collect()
    }

    /// Whether a table is to be tried again by now.
    pub fn is_due(&self) -> bool {
        let now = Instant::now();
        self.tables.values().any(|reason| reason.again <= now)
    }

    /// What people are told.
    pub fn problems(&self) -> Vec<Problem> {
        let problem = |reason: &Reason| Problem {
            table: reason.table.clone(),
            error: reason.error.clone(),
            since: reason.since,
        };
        self.tables.values().map(problem).collect()
    }
}

/// A table that is not synced, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    pub table: String,
    pub error: String,
    pub since: Instant,
}
