//! Who is on a list, and how others come to be.

mod link;
mod links;
mod members;

use leptos::prelude::*;
use links::Links;
use members::{LeaveList, Members};
use schema::Member;

use crate::store::LiveQuery;

/// Everything about who is on a list: for its owner to change, for the others to see and to leave.
#[component]
pub fn Sharing(
    /// The list's id.
    #[prop(into)]
    list_id: Signal<String>,
    /// What the list is called.
    #[prop(into)]
    name: Signal<String>,
    /// Whether the user is its owner.
    #[prop(into)]
    owner: Signal<bool>,
    /// Who is on it.
    members: LiveQuery<Member>,
) -> impl IntoView {
    view! {
        <section class="sharing" aria-label="Sharing">
            <details>
                <summary>
                    <h2>"Sharing"</h2>
                    <span class="progress">{move || members.rows.with(|rows| people(rows.len()))}</span>
                </summary>
                <Members members owner />
                <Show when=move || owner.get() fallback=move || view! { <LeaveList members name /> }>
                    <Links list_id />
                </Show>
            </details>
        </section>
    }
}

fn people(count: usize) -> String {
    match count {
        0 | 1 => "only you".to_owned(),
        count => format!("{count} people"),
    }
}
