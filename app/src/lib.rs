//! What people see: the pages, and [`store::Store`], the port through which they read and write.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// What the server tells the browser about its user and its sync service, with every page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The signed-in user's id, the `sub` of sync tokens.
    pub user_id: String,
    /// The sync service's URL, from `VITE_POWERSYNC_URL`.
    pub powersync_url: String,
    /// Where sync tokens come from, from `VITE_POWERSYNC_TOKEN_ENDPOINT`.
    pub token_endpoint: String,
}

/// The document around [`App`]. The server calls it with a [`Session`] in context.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <AutoReload options=options.clone() />
                <HydrationScripts options />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// The app.
#[component]
pub fn App() -> impl IntoView {
    view! { <main>"Hello"</main> }
}
