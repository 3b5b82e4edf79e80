//! Whose browser this is by now: a cookie says so, which the server sets and removes together with the session's.

use std::cell::Cell;

use app::Session;
use leptos::prelude::{document, window};
use wasm_bindgen::prelude::*;
use web_sys::{BroadcastChannel, HtmlDocument, MessageEvent};

/// The id of the user whose local database this browser uses.
pub fn user_id(session: &Session) -> Option<String> {
    let cookies = document().unchecked_into::<HtmlDocument>().cookie().ok()?;
    let prefix = format!("{}=", session.user_cookie);
    cookies.split("; ").find_map(|cookie| cookie.strip_prefix(&prefix)).map(str::to_owned)
}

/// Tells the other tabs whose this one is, and loads this one again when another tells of somebody else.
pub fn agree(session: &Session) {
    // A browser without such channels finds out when it next asks for a token.
    let Ok(channel) = BroadcastChannel::new(&session.user_cookie) else { return };
    let _ = channel.post_message(&session.user_id.as_deref().into());
    let ours = session.clone();
    let told = Closure::<dyn Fn(MessageEvent)>::new(move |_| reload_if_changed(&ours));
    channel.set_onmessage(Some(told.into_js_value().unchecked_ref()));
    // Nobody else holds it, and it must live as long as the page.
    std::mem::forget(channel);
}

thread_local! {
    static LEAVING: Cell<bool> = const { Cell::new(false) };
}

/// While this lives, this tab is about to load the first page as another user's, and is not loaded again as it is.
pub struct Leaving(());

impl Leaving {
    /// From before the server is asked, because its answer changes the cookie.
    pub fn begin() -> Leaving {
        LEAVING.set(true);
        Leaving(())
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        LEAVING.set(false);
    }
}

/// Loads the page again where another user has signed in since, in another tab.
pub fn reload_if_changed(session: &Session) {
    if LEAVING.get() {
        return;
    }
    if user_id(session).is_some_and(|user_id| session.user_id.as_ref() != Some(&user_id)) {
        let _ = window().location().reload();
    }
}
