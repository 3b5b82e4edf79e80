use leptos::prelude::*;
use leptos_router::components::A;

use crate::queries;
use crate::store::{Statement, WriteFailure, use_query, use_session_ended, use_writer};

/// What went wrong: changes that the server rejected, until they are dismissed, the last failed local write, and a session
/// that has ended.
///
/// Rejections are synced rows, so a notice arrives together with the rollback of its change, on all devices.
#[component]
pub fn Notices() -> impl IntoView {
    let rejections = use_query(queries::rejections);
    let writer = use_writer();
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
            <For
                each=move || rejections.rows.get()
                key=|rejection| rejection.id.clone()
                children=move |rejection| {
                    let reason = rejection.column(|rejection| rejection.reason.clone());
                    let dismiss = move |_| {
                        let delete = Statement::new("DELETE FROM rejections WHERE id = $1");
                        writer.write_transaction(vec![delete.bind(rejection.id.clone())]);
                    };
                    view! {
                        <p class="notice" role="alert">
                            <span>"A change was undone: " {reason}</span>
                            <button type="button" on:click=dismiss>
                                "Dismiss"
                            </button>
                        </p>
                    }
                }
            />
        </section>
    }
}
