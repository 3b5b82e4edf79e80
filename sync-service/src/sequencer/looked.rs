//! When the sequencer looks at the catalog, which takes much longer than looking for rows.

use std::time::Duration;

use tokio::time::Instant;

/// The last look.
#[derive(Default)]
pub(crate) struct Looked {
    at: Option<Instant>,
    /// What the database was like before it.
    snapshot: String,
    rest: Duration,
    in_vain: bool,
}

/// After a look there is none for so many times as long as it took, however many tables there are: at most one percent of the time.
const REST: u32 = 100;
const SHORTEST_REST: Duration = Duration::from_secs(1);

impl Looked {
    /// Whether to look: something has been written since the last time, and that was long enough ago.
    pub fn is_due(&self, snapshot: &str, now: Instant) -> bool {
        self.at.is_none_or(|at| self.snapshot != snapshot && now - at >= self.rest)
    }

    /// It was looked, for so long.
    pub fn took(&mut self, snapshot: &str, time: Duration) {
        let rest = (time * REST).max(SHORTEST_REST);
        *self = Self { at: Some(Instant::now()), snapshot: snapshot.to_owned(), rest, in_vain: false };
    }

    /// Nothing could be seen. It is looked again soon, whatever happens.
    pub fn in_vain(&mut self) {
        *self =
            Self { at: Some(Instant::now()), snapshot: String::new(), rest: SHORTEST_REST, in_vain: true };
    }

    /// Whether nothing could be seen.
    pub fn was_in_vain(&self) -> bool {
        self.in_vain
    }

    /// The next look is to be soon.
    pub fn again(&mut self) {
        self.at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_looked_at_where_nothing_has_been_written() {
        let mut looked = Looked::default();
        assert!(looked.is_due("1", Instant::now()));
        looked.took("1", Duration::from_millis(1));
        let later = Instant::now() + Duration::from_secs(3600);
        assert!(!looked.is_due("1", later));
        assert!(looked.is_due("2", later));
    }

    #[test]
    fn looking_takes_at_most_a_hundredth_of_the_time() {
        let mut looked = Looked::default();
        looked.took("1", Duration::from_millis(500));
        let now = Instant::now();
        assert!(!looked.is_due("2", now + Duration::from_secs(49)));
        assert!(looked.is_due("2", now + Duration::from_secs(50)));
        looked.again();
        assert!(looked.is_due("2", now));
    }
}
