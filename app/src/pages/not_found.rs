use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;

/// The page for addresses that have none.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    view! {
        <Title text="Not found" />
        <h1>"Not found"</h1>
        <p>
            "There is nothing at this address. " <A href="/">"All lists"</A>
        </p>
    }
}
