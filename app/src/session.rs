//! What a page knows about its user.

use serde::{Deserialize, Serialize};

/// What the server tells the browser about its user and its sync service, with every page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The signed-in user's id, the `sub` of sync tokens; `None` where the session has ended, or another user's began
    /// before this page came from a cache. The cookie knows then.
    pub user_id: Option<String>,
    /// The name of the cookie with the id of the user whose local database this browser uses.
    pub user_cookie: String,
    /// The sync service's URL, from `VITE_POWERSYNC_URL`.
    pub powersync_url: String,
    /// Where sync tokens come from, from `VITE_POWERSYNC_TOKEN_ENDPOINT`.
    pub token_endpoint: String,
}

impl Session {
    /// The name of the `<meta>` element that carries the session to the browser.
    pub const META_NAME: &'static str = "session";

    /// The `<meta>` element's content.
    pub fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }
}
