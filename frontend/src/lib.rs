//! The browser's entry: hydrates the app and gives it a [`Store`] on the PowerSync web SDK.
//!
//! From the outside in: [`store`], [`accounts`] and [`invitations`] are the ports' implementations, [`database`] a safe
//! layer over the SDK, [`connector`] and [`upload`] what the SDK asks of an app, and [`sdk`] the SDK's own classes.

mod accounts;
mod connector;
mod database;
mod http;
mod identity;
mod invitations;
mod javascript;
mod offline;
mod reset;
mod sdk;
mod store;
mod sync;
mod upload;

use std::sync::Arc;

use accounts::HttpAccounts;
use app::account::SharedAccounts;
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
    let Some((session, user_id)) = session() else {
        leptos::logging::error!("The page has no session, so it stays as it is. Reload it.");
        return;
    };
    identity::agree(&session);
    leptos::mount::hydrate_body(move || {
        let store = PowerSyncStore::open(session.clone(), user_id.clone());
        provide_context(SharedAccounts(Arc::new(HttpAccounts::new(user_id.clone(), store.database()))));
        provide_context(SharedStore(Arc::new(store)));
        provide_context(SharedInvitations(Arc::new(ServersInvitations)));
        provide_context(session);
        view! { <App /> }
    });
    leptos::task::spawn_local(offline::prepare());
    if let Some(html) = document().document_element() {
        let _ = html.set_attribute("data-hydrated", "");
    }
}

/// What the server has told this page, and whose local database to open.
fn session() -> Option<(Session, String)> {
    let selector = format!("meta[name={}]", Session::META_NAME);
    let meta = document().query_selector(&selector).ok().flatten()?;
    let mut session: Session = serde_json::from_str(&meta.get_attribute("content")?).ok()?;
    // A page from a cache may name a user who has left; the cookie is always right.
    let user_id = identity::user_id(&session).or(session.user_id)?;
    session.user_id = Some(user_id.clone());
    Some((session, user_id))
}
