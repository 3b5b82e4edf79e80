//! How a query's rows pass from those that the server has rendered to those of the local database.

use leptos::prelude::*;
use schema::Row;

use super::{Load, Read, Rendered, Snapshot, Statement, Status};

/// The rows that the server has rendered of a query, until the local ones have taken their place.
#[derive(Clone)]
pub(super) struct Handover<R: Row> {
    /// The rendered rows.
    pub rendered: Vec<R>,
    /// Whether there are more than those.
    cut: bool,
    statement: Statement,
    /// Whether local rows have come that were not to be shown alone.
    held: RwSignal<bool>,
    /// Whether only the local rows count from now on.
    over: RwSignal<bool>,
}

/// How the local database stands to what the server has rendered.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Local {
    /// It has never held everything that the user may read.
    Incomplete,
    /// It may lack what has changed since it was last open. To show that would be a step back in time.
    Behind,
    /// It is what counts.
    Current,
}

impl<R: Row> Handover<R> {
    /// Of what the page's snapshot has for a query, if anything.
    pub fn of(read: Read) -> Option<Handover<R>> {
        let Rendered { rows, cut } = use_context::<Snapshot>()?.rows(&read)?;
        match serde_json::from_value(rows) {
            Ok(rendered) => Some(Handover::new(rendered, cut, read.statement)),
            Err(error) => {
                leptos::logging::error!("A row that was rendered is not what the page expects: {error}");
                None
            }
        }
    }

    fn new(rendered: Vec<R>, cut: bool, statement: Statement) -> Handover<R> {
        Handover { rendered, cut, statement, held: RwSignal::new(false), over: RwSignal::new(false) }
    }

    /// Whether it is this statement's. Where it is not, the page has gone on to other rows, and it is over.
    pub fn is_of(&self, statement: &Statement) -> bool {
        let same = self.statement == *statement;
        if !same {
            self.over.set(true);
        }
        same
    }

    /// Takes the local rows, and says what to show of the two; `None` where nothing changes.
    pub fn take(&self, local: Vec<R>, status: &Status) -> Option<(Vec<R>, Load)> {
        let state = state(status, self.over.try_get_untracked()?);
        if state == Local::Current || self.goes_on(&local, state) {
            self.over.try_set(true);
            return Some((local, Load::Ready));
        }
        let shown = (state == Local::Incomplete).then(|| (both(&self.rendered, &local), Load::Rendered));
        self.held.try_set(true);
        shown
    }

    /// Whether the local rows are those that are rendered and perhaps others after them: the rest, where these were cut, or what
    /// has been written on a device that has never synced. On any other, old rows may begin like those that are rendered, too, and
    /// go on with what somebody has deleted.
    fn goes_on(&self, local: &[R], state: Local) -> bool {
        let may_go_on = self.cut || state == Local::Incomplete;
        local.starts_with(&self.rendered) && (may_go_on || local.len() == self.rendered.len())
    }

    /// Whether local rows that were held back are to be shown now.
    pub fn released(&self, status: Signal<Status>) -> Memo<bool> {
        let (held, over) = (self.held, self.over);
        Memo::new(move |_| held.get() && status.with(|status| state(status, over.get())) == Local::Current)
    }
}

fn state(status: &Status, over: bool) -> Local {
    match status {
        _ if over => Local::Current,
        Status { has_synced: false, .. } => Local::Incomplete,
        Status { caught_up: true, .. } => Local::Current,
        // What somebody has changed here and not sent yet is not on the server.
        Status { waiting: 1.., .. } => Local::Current,
        _ => Local::Behind,
    }
}

/// The rows that are rendered and not in the local database, before those that are.
fn both<R: Row>(rendered: &[R], local: &[R]) -> Vec<R> {
    let missing = rendered.iter().filter(|row| local.iter().all(|local| local.id() != row.id()));
    missing.chain(local).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::super::word::{Word, words};
    use super::*;

    const NEW: Status = Status {
        open: true,
        tried: true,
        connected: true,
        has_synced: false,
        caught_up: false,
        waiting: 0,
        session_ended: false,
        upload_error: None,
        sync_error: None,
        open_error: None,
    };
    const BEHIND: Status = Status { has_synced: true, ..NEW };
    const CURRENT: Status = Status { caught_up: true, ..BEHIND };

    fn rendered(text: &str) -> Handover<Word> {
        Handover::new(words(text), false, Statement::new("SELECT"))
    }

    fn rendered_and_cut(text: &str) -> Handover<Word> {
        Handover { cut: true, ..rendered(text) }
    }

    /// What is shown, and whether it can be changed; `None` where nothing changes.
    fn take(handover: &Handover<Word>, local: &str, status: &Status) -> Option<(String, bool)> {
        let (rows, load) = handover.take(words(local), status)?;
        let text = rows.iter().map(|word| word.0.as_str()).collect::<Vec<_>>().join(" ");
        Some((text, load == Load::Ready))
    }

    fn shown(text: &str, ready: bool) -> Option<(String, bool)> {
        Some((text.to_owned(), ready))
    }

    #[test]
    fn the_same_rows_are_taken_at_once_and_then_the_local_ones_count() {
        Owner::new().with(|| {
            let handover = rendered("a b");
            assert_eq!(take(&handover, "a b", &BEHIND), shown("a b", true));
            assert_eq!(take(&handover, "b!", &BEHIND), shown("b!", true));
        });
    }

    #[test]
    fn a_result_that_was_cut_goes_on() {
        Owner::new().with(|| {
            assert_eq!(take(&rendered_and_cut("a"), "a b c", &BEHIND), shown("a b c", true));
            assert_eq!(take(&rendered_and_cut("a"), "a! b c", &BEHIND), None, "it has changed");
        });
    }

    #[test]
    fn rows_that_others_have_deleted_do_not_flash_back() {
        Owner::new().with(|| {
            let (handover, status) = (rendered("a"), RwSignal::new(BEHIND));
            let released = handover.released(status.into());
            assert_eq!(take(&handover, "a b c", &BEHIND), None);
            assert_eq!(take(&rendered(""), "a", &BEHIND), None, "all of them");
            assert!(!released.get_untracked());
            status.set(CURRENT);
            assert!(released.get_untracked());
            assert_eq!(take(&handover, "a", &CURRENT), shown("a", true));
        });
    }

    #[test]
    fn what_is_written_on_a_new_device_can_be_changed_at_once() {
        Owner::new().with(|| {
            assert_eq!(take(&rendered(""), "n m", &NEW), shown("n m", true));
            assert_eq!(
                take(&rendered("a"), "a n", &NEW),
                shown("a n", true),
                "all that is rendered has come"
            );
        });
    }

    #[test]
    fn a_device_that_has_never_synced_shows_both_until_it_has() {
        Owner::new().with(|| {
            let (handover, status) = (rendered("a b"), RwSignal::new(NEW));
            assert_eq!(take(&handover, "n", &NEW), shown("a b n", false));
            assert_eq!(take(&handover, "b! n", &NEW), shown("a b! n", false));
            let released = handover.released(status.into());
            assert!(!released.get_untracked());
            status.set(CURRENT);
            assert!(released.get_untracked());
            assert_eq!(take(&handover, "n", &CURRENT), shown("n", true));
        });
    }

    #[test]
    fn a_device_that_was_away_shows_nothing_old_until_it_has_caught_up() {
        Owner::new().with(|| {
            let (handover, status) = (rendered("a! b"), RwSignal::new(BEHIND));
            let released = handover.released(status.into());
            assert_eq!(take(&handover, "a", &BEHIND), None);
            assert!(!released.get_untracked());
            status.set(CURRENT);
            assert!(released.get_untracked(), "caught up, or waited long enough");
            assert_eq!(take(&handover, "c", &CURRENT), shown("c", true));
            assert!(released.get_untracked(), "once is enough");
        });
    }

    #[test]
    fn what_has_not_been_sent_is_shown_and_stays() {
        Owner::new().with(|| {
            let (handover, status) = (rendered("a"), RwSignal::new(BEHIND));
            assert_eq!(take(&handover, "a!", &BEHIND), None);
            status.set(Status { waiting: 1, ..BEHIND });
            assert!(handover.released(status.into()).get_untracked());
            assert_eq!(take(&handover, "a!", &status.get_untracked()), shown("a!", true));
            assert_eq!(take(&handover, "a?", &BEHIND), shown("a?", true));
        });
    }

    #[test]
    fn on_other_rows_it_is_over() {
        Owner::new().with(|| {
            let handover = rendered("a");
            assert!(!handover.is_of(&Statement::new("SELECT of another page")));
            assert!(handover.is_of(&Statement::new("SELECT")));
            assert_eq!(take(&handover, "b", &BEHIND), shown("b", true));
        });
    }
}
