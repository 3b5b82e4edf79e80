//! What people see: the pages, and [`store::Store`], the port through which they read and write.

pub mod account;
mod clipboard;
mod components;
mod confirm;
pub mod invitations;
mod pages;
pub mod queries;
mod session;
pub mod store;
mod title;

use components::{Live, Notices, SyncStatus};
use leptos::prelude::*;
use leptos_meta::{ServerMetaContext, Title, provide_meta_context};
use leptos_router::components::{A, Route, Router, Routes};
use leptos_router::path;
use pages::{AccountPage, JoinPage, ListPage, ListsPage, NotFoundPage};
pub use session::Session;
use store::{Snapshot, WriteFailure};
use title::TITLE;

/// The document around [`App`]. The server calls it with a [`Session`] and a [`store::Snapshot`] in context.
pub fn shell(options: LeptosOptions) -> impl IntoView {
    let session = use_context::<Session>().map(|session| session.to_json());
    let snapshot = use_context::<Snapshot>().and_then(|snapshot| snapshot.to_json());
    view! {
        <!DOCTYPE html>
        <html lang="en">
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <meta name="description" content="Lists and todos that work offline and sync in real time." />
                <meta name=Session::META_NAME content=session />
                {snapshot.map(|snapshot| view! { <meta name=Snapshot::META_NAME content=snapshot /> })}
                <link rel="stylesheet" id="leptos" href="/pkg/app.css" />
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                <AutoReload options=options.clone() />
                <HydrationScripts options />
                <leptos_meta::MetaTags />
            </head>
            <body>
                <App />
            </body>
        </html>
    }
}

/// The app. It expects a [`Session`], a [`store::Snapshot`] and, in a browser, a [`store::SharedStore`],
/// [`account::SharedAccounts`] and [`invitations::SharedInvitations`] in context.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    // A browser sets the title as text. Into a page on a server it is written as it is, and names of rows are part of it.
    let in_html = use_context::<ServerMetaContext>().is_some();
    let title = move |page: String| {
        let title = if page.is_empty() { TITLE.to_owned() } else { format!("{page} · {TITLE}") };
        if in_html { html_escape::encode_text(&title).into_owned() } else { title }
    };
    provide_context(WriteFailure(RwSignal::new(None)));
    Live::provide();
    view! {
        <Title formatter=title />
        <Router>
            <header class="bar">
                <A href="/" attr:class="brand">
                    {TITLE}
                </A>
                <nav aria-label="Pages">
                    <A href="/" exact=true>
                        "Lists"
                    </A>
                </nav>
                <A href="/account" attr:class="account">
                    "Account"
                </A>
                <SyncStatus />
            </header>
            <Notices />
            <main>
                <Routes fallback=NotFoundPage>
                    <Route path=path!("/") view=ListsPage />
                    <Route path=path!("/lists/:id") view=ListPage />
                    <Route path=path!("/account") view=AccountPage />
                    <Route path=path!("/join/:id") view=JoinPage />
                </Routes>
            </main>
        </Router>
    }
}
