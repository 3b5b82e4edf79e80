//! Points in time as both databases sort them.

use std::fmt;

/// A point in time as text: RFC 3339, UTC, six decimals, such as `2026-11-22T16:22:09.954983Z`.
///
/// That is how PowerSync delivers a Postgres `timestamptz`. A browser writes the same form, so that rows made
/// here and rows that come from there sort together as text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub String);

impl Timestamp {
    /// From what JavaScript's `Date.toISOString()` gives, which has three decimals.
    pub fn from_javascript(iso: &str) -> Timestamp {
        Timestamp(iso.replace('Z', "000Z"))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
