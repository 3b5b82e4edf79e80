//! The browser's entry: hydrates the app and gives it a [`Store`] on the PowerSync web SDK.
//!
//! From the outside in: [`store`] is the port's implementation, [`database`] a safe layer over the SDK, [`connector`]
//! and [`upload`] what the SDK asks of an app, and [`sdk`] the SDK's own classes.

mod connector;
mod database;
mod invitations;
mod javascript;
mod offline;
mod reset;
mod sdk;
mod store;
mod sync;
mod upload;

use std::sync::Arc;

use app::invitations::SharedInvitations;
use app::store::SharedStore;
use app::{App, Session};
use invitations::ServersInvitations;
use leptos::prelude::*;
use store::PowerSyncStore;
use wasm_bindgen::prelude::wasm_bindgen;

/// Makes the server's page a live one. When it is, `<html>` has `data-hydrated`.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    let Some(session) = session() else {
        leptos::logging::error!("The page has no session, so it stays as it is. Reload it.");
        return;
    };
    leptos::mount::hydrate_body(move || {
        provide_context(SharedStore(Arc::new(PowerSyncStore::open(session.clone()))));
        provide_context(SharedInvitations(Arc::new(ServersInvitations)));
        provide_context(session);
        view! { <App /> }
    });
    leptos::task::spawn_local(offline::prepare());
    if let Some(html) = document().document_element() {
        let _ = html.set_attribute("data-hydrated", "");
    }
}

fn session() -> Option<Session> {
    let selector = format!("meta[name={}]", Session::META_NAME);
    let meta = document().query_selector(&selector).ok().flatten()?;
    serde_json::from_str(&meta.get_attribute("content")?).ok()
}
