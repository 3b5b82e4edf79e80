//! How far the local database and the server agree.

use leptos::prelude::*;

use super::use_store;

/// The state of syncing, for people to see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Whether the local database is open. Until then nothing can be read or written.
    pub open: bool,
    /// Whether the first attempt to connect has ended, well or not.
    pub tried: bool,
    /// Whether the sync stream is up.
    pub connected: bool,
    /// Whether the local database has ever held everything the user may read.
    pub has_synced: bool,
    /// Whether the local database has got what changed on the server before this page was opened, or that is not to be
    /// waited for any longer.
    pub caught_up: bool,
    /// Changes in the upload queue.
    pub waiting: usize,
    /// Whether the server knows this browser no more. What is written stays here until its user signs in again.
    pub session_ended: bool,
    /// Why the last upload failed, while it is being tried again.
    pub upload_error: Option<String>,
    /// Why the sync service refuses to send anything, and what to do about it.
    pub sync_error: Option<String>,
    /// Why the local database could not be opened. Resetting it is the way out.
    pub open_error: Option<String>,
}

/// So many changes, and a verb that fits: `changes(2, "has", "have")` is "2 changes have".
pub(crate) fn changes(count: usize, one: &str, many: &str) -> String {
    let (noun, verb) = if count == 1 { ("change", one) } else { ("changes", many) };
    format!("{count} {noun} {verb}").trim_end().to_owned()
}

/// Whether this device has everything that the user may read, as far as it can know. Before that, a row that has not been
/// downloaded yet looks like one that does not exist.
pub fn use_caught_up() -> Signal<bool> {
    use_status(|status| status.has_synced && status.caught_up)
}

/// Whether the server knows this browser no more ([`Status::session_ended`]).
pub fn use_session_ended() -> Signal<bool> {
    use_status(|status| status.session_ended)
}

fn use_status(read: fn(&Status) -> bool) -> Signal<bool> {
    match use_store() {
        Some(store) => {
            let status = store.status();
            Memo::new(move |_| status.with(read)).into()
        }
        None => Signal::stored(false),
    }
}
