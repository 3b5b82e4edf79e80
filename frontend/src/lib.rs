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
use app::store::{SharedStore, Snapshot, Status, Store};
use app::{App, Session};
use invitations::ServersInvitations;
use leptos::prelude::*;
use store::PowerSyncStore;
use wasm_bindgen::prelude::wasm_bindgen;

/// Makes the server's page a live one. When it is, `<html>` has `data-hydrated`.
#[wasm_bindgen]
pub fn hydrate() {
    console_error_panic_hook::set_once();
    let Some(page) = Page::read() else {
        leptos::logging::error!("The page has no session, so it stays as it is. Reload it.");
        return;
    };
    if page.is_somebody_elses() {
        let _ = window().location().set_search(Snapshot::SKELETON);
        return;
    }
    let Page { session, user_id, snapshot, .. } = page;
    identity::agree(&session);
    leptos::mount::hydrate_body(move || {
        let store = PowerSyncStore::open(session.clone(), user_id.clone());
        forget_when_synced(snapshot.clone(), store.status());
        provide_context(SharedAccounts(Arc::new(HttpAccounts::new(user_id.clone(), store.database()))));
        provide_context(SharedStore(Arc::new(store)));
        provide_context(SharedInvitations(Arc::new(ServersInvitations)));
        provide_context(session);
        provide_context(snapshot);
        view! { <App /> }
    });
    leptos::task::spawn_local(offline::prepare());
    if let Some(html) = document().document_element() {
        let _ = html.set_attribute("data-hydrated", "");
    }
}

/// From when the local database has ever had everything, no page needs what the server has rendered.
fn forget_when_synced(snapshot: Snapshot, status: Signal<Status>) {
    Effect::new(move || {
        if status.with(|status| status.has_synced) {
            snapshot.clear();
        }
    });
}

/// What the server has told this page.
struct Page {
    session: Session,
    /// Whose local database to open.
    user_id: String,
    /// Whom the server has rendered it for.
    rendered_for: Option<String>,
    snapshot: Snapshot,
}

impl Page {
    fn read() -> Option<Page> {
        let mut session: Session = serde_json::from_str(&meta(Session::META_NAME)?).ok()?;
        let snapshot = meta(Snapshot::META_NAME).map(|json| Snapshot::from_json(&json)).unwrap_or_default();
        let rendered_for = session.user_id.take();
        // A page from a cache may name a user who has left; the cookie is always right.
        let user_id = identity::user_id(&session).or_else(|| rendered_for.clone())?;
        session.user_id = Some(user_id.clone());
        Some(Page { session, user_id, rendered_for, snapshot })
    }

    /// Whether it has rows, and somebody else has signed in since they were read. Pages from a cache have none.
    fn is_somebody_elses(&self) -> bool {
        self.rendered_for.as_ref() != Some(&self.user_id) && !self.snapshot.is_empty()
    }
}

/// The content of the `<meta>` element of that name.
fn meta(name: &str) -> Option<String> {
    let element = document().query_selector(&format!("meta[name={name}]")).ok().flatten()?;
    element.get_attribute("content")
}
