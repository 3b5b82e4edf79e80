use leptos::prelude::*;
use schema::Invitation;
use schema::sharing::Role;

use super::link::LinkItem;
use crate::components::{Fields, Rows};
use crate::queries;
use crate::store::{Statement, use_query, use_writer};

/// The links by which others join a list, for its owner to make and to revoke.
#[component]
pub fn Links(
    /// The list's id.
    list_id: Signal<String>,
) -> impl IntoView {
    let invitations = use_query(move || queries::invitations(list_id.get()));
    let writer = use_writer();
    let one_person = RwSignal::new(false);
    let make = move |role: Role| {
        let invitation = Invitation {
            id: writer.new_id(),
            list_id: list_id.get_untracked(),
            owner_id: writer.user_id(),
            role: role.as_str().to_owned(),
            expires_at: None,
            uses_left: one_person.get_untracked().then_some(1),
            created_at: writer.now(),
        };
        writer.write_transaction(vec![Statement::insert(&invitation)]);
    };
    view! {
        <div class="buttons">
            <Fields>
                <button type="button" on:click=move |_| make(Role::Editor)>
                    "Make a link for editors"
                </button>
                <button type="button" on:click=move |_| make(Role::Reader)>
                    "Make a link for readers"
                </button>
                <select
                    aria-label="Who can use the link"
                    prop:value=move || if one_person.get() { "one" } else { "any" }
                    on:change=move |event| one_person.set(event_target_value(&event) == "one")
                >
                    <option value="any">"Any number of people"</option>
                    <option value="one">"One person"</option>
                </select>
            </Fields>
        </div>
        <Rows label="Links" query=invitations let:invitation>
            <LinkItem invitation />
        </Rows>
        <p class="empty">
            {move || match invitations.is_empty() {
                true => "No links yet. A person who follows one joins the list.",
                false => {
                    "A person who follows a link joins the list. It is valid for a week, or until you revoke it. People \
                     who have joined stay until you remove them; that revokes all links."
                }
            }}
        </p>
    }
}
