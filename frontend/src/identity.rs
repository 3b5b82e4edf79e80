//! Whose browser this is by now: a cookie says so, which the server sets and removes together with the session's.

use app::Session;
use leptos::prelude::{document, window};
use wasm_bindgen::JsCast;
use web_sys::HtmlDocument;

/// The id of the user whose local database this browser uses.
pub fn user_id(session: &Session) -> Option<String> {
    let cookies = document().unchecked_into::<HtmlDocument>().cookie().ok()?;
    let prefix = format!("{}=", session.user_cookie);
    cookies.split("; ").find_map(|cookie| cookie.strip_prefix(&prefix)).map(str::to_owned)
}

/// Loads the page again where another user has signed in since, in another tab.
pub fn reload_if_changed(session: &Session) {
    if user_id(session).is_some_and(|user_id| session.user_id.as_ref() != Some(&user_id)) {
        let _ = window().location().reload();
    }
}
