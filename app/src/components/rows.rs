use leptos::prelude::*;
use schema::Row;

use crate::store::{LiveQuery, LiveRow};

/// The rows of a query as a list. What changes them is disabled until they are in the local database.
#[component]
pub fn Rows<R, F, V>(
    /// The list's accessible name, such as `Todos`.
    label: &'static str,
    /// The rows.
    query: LiveQuery<R>,
    /// Renders one of them, as an `<li>`.
    children: F,
) -> impl IntoView
where
    R: Row,
    F: Fn(LiveRow<R>) -> V + Clone + Send + Sync + 'static,
    V: IntoView + 'static,
{
    view! {
        <fieldset disabled=move || !query.is_local()>
            <ul class="rows" aria-label=label>
                <For each=move || query.rows.get() key=|row| row.id.clone() children />
            </ul>
        </fieldset>
    }
}
