use std::time::Duration;

use leptos::prelude::*;
use leptos_router::components::A;
use schema::Rejection;
use schema::upload::Change;

use crate::queries;
use crate::store::{LiveRow, Statement, WriteFailure, use_query, use_session_ended, use_writer};

/// What went wrong: changes that the server rejected, until they are dismissed, the last failed local write, and a session
/// that has ended.
///
/// Rejections are synced rows, so a notice arrives together with the rollback of its change, on all devices.
#[component]
pub fn Notices() -> impl IntoView {
    let rejections = use_query(queries::rejections);
    let session_ended = use_session_ended();
    let failure = expect_context::<WriteFailure>().0;
    view! {
        <section class="notices" aria-label="Notices" aria-live="polite">
            {move || {
                failure
                    .get()
                    .map(|error| {
                        view! {
                            <p class="notice error" role="alert">
                                {format!("That could not be saved on this device: {}", error.0)}
                                <button type="button" on:click=move |_| failure.set(None)>"Dismiss"</button>
                            </p>
                        }
                    })
            }}
            <Show when=move || session_ended.get()>
                <p class="notice" role="alert">
                    <span>
                        "Your session has ended. What you change stays on this device until you sign in again."
                    </span>
                    <A href="/account">"Sign in"</A>
                </p>
            </Show>
            <fieldset disabled=move || !rejections.is_local()>
                <For each=move || rejections.rows.get() key=|rejection| rejection.id.clone() let:rejection>
                    <Notice rejection />
                </For>
            </fieldset>
        </section>
    }
}

/// A rejection, with its code for who is asked about it.
#[component]
fn Notice(rejection: LiveRow<Rejection>) -> impl IntoView {
    let writer = use_writer();
    let reason = rejection.column(|rejection| rejection.reason.clone());
    let code = rejection.column(|rejection| rejection.code.clone());
    let changes = rejection.column(|rejection| rejection.changes.clone());
    let id = StoredValue::new(rejection.id);
    let tried = RwSignal::new(false);
    let try_again = move |_| {
        let changes = parse(changes.get_untracked());
        // Two transactions: if the changes are rejected again, this notice goes all the same, and theirs is the only one.
        let redo = changes.iter().flat_map(Statement::redo).collect();
        let delete = vec![Statement::delete_redone(id.get_value(), &changes)];
        writer.write_transactions(vec![redo, delete], move || {
            // By then the notice is gone, if it goes.
            set_timeout(
                move || {
                    let _ = tried.try_set(true);
                },
                Duration::from_secs(1),
            );
        });
    };
    let dismiss = move |_| {
        let delete = Statement::new("DELETE FROM rejections WHERE id = $1");
        writer.write_transaction(vec![delete.bind(id.get_value())]);
    };
    view! {
        <div class="notice" role="alert">
            <p>
                "A change was undone: " {reason} " " <small>{code}</small>
                <Show when=move || tried.get()>
                    " It cannot be made again now: what it is about is not on this device any more."
                </Show>
            </p>
            <Show when=move || changes.with(|changes| !parse(changes.clone()).is_empty())>
                <button type="button" on:click=try_again>
                    "Try again"
                </button>
            </Show>
            <button type="button" class="quiet" on:click=dismiss>
                "Dismiss"
            </button>
        </div>
    }
}

/// The changes of a rejected transaction; none where they were not kept, or are not what this version understands.
fn parse(changes: Option<String>) -> Vec<Change> {
    changes.and_then(|changes| serde_json::from_str(&changes).ok()).unwrap_or_default()
}
