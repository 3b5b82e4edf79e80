use leptos::html::Input;
use leptos::prelude::*;
use leptos::task::spawn_local;
use schema::Invitation;

use crate::clipboard;
use crate::components::use_live;
use crate::store::{LiveRow, Statement, use_writer};

/// One link by which others join a list.
#[component]
pub fn LinkItem(
    /// What it stands for.
    invitation: LiveRow<Invitation>,
) -> impl IntoView {
    let writer = use_writer();
    let role = invitation.column(|invitation| invitation.role.clone());
    let id = StoredValue::new(invitation.id);
    let live = use_live();
    let address = move || {
        // Only the browser knows under which name it has found the server.
        let origin = live.get().then(|| window().location().origin().unwrap_or_default());
        format!("{}/join/{}", origin.unwrap_or_default(), id.get_value())
    };
    let field = NodeRef::<Input>::new();
    let outcome = RwSignal::new("");
    let copy = move |_| {
        let address = address();
        spawn_local(async move {
            let copied = clipboard::write(&address).await;
            if !copied && let Some(field) = field.get_untracked() {
                // Not every browser lets a page write there, and none does where the site is not served over https.
                let _ = field.focus();
                field.select();
            }
            outcome.try_set(if copied { "Copied" } else { "Copy it from the field" });
        });
    };
    let revoke = move |_| {
        let revoke = Statement::new("DELETE FROM invitations WHERE id = $1");
        writer.write_transaction(vec![revoke.bind(id.get_value())]);
    };
    view! {
        <li>
            <span class="name">"For " {role} "s"</span>
            <button
                type="button"
                class="quiet"
                aria-label=move || format!("Copy link for {}s", role.get())
                on:click=copy
            >
                "Copy link"
            </button>
            <button
                type="button"
                class="quiet danger"
                aria-label=move || format!("Revoke link for {}s", role.get())
                on:click=revoke
            >
                "Revoke link"
            </button>
            <input
                type="text"
                readonly
                aria-label=move || format!("Address of the link for {}s", role.get())
                value=address
                node_ref=field
            />
            <span class="progress" role="status" aria-label="Clipboard">
                {outcome}
            </span>
        </li>
    }
}
