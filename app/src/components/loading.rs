use leptos::prelude::*;

use crate::store::Load;

/// What stands in a list's place until its rows are there: grey lines, or why there are none.
#[component]
pub fn Loading(#[prop(into)] load: Signal<Load>) -> impl IntoView {
    move || match load.get() {
        Load::Loading => view! {
            <div class="skeleton" role="status" aria-label="Loading">
                <span></span>
                <span></span>
                <span></span>
            </div>
        }
        .into_any(),
        Load::Failed(error) => view! { <p class="notice error" role="alert">{error.0}</p> }.into_any(),
        Load::Rendered | Load::Ready => ().into_any(),
    }
}
