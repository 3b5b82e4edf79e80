use leptos::prelude::*;

use crate::components::Loading;
use crate::store::{Load, use_caught_up};

/// What stands in the place of a row that is not there: that there is none, or grey lines until that is certain. It is when
/// this device has everything that the user may read.
#[component]
pub fn NotThere(
    /// How far the row's query has come.
    #[prop(into)]
    load: Signal<Load>,
    /// What to say when it is certain.
    children: ChildrenFn,
) -> impl IntoView {
    let caught_up = use_caught_up();
    let certain = Memo::new(move |_| load.get() == Load::Ready && caught_up.get());
    let load = Signal::derive(move || match load.get() {
        Load::Failed(error) => Load::Failed(error),
        _ => Load::Loading,
    });
    view! {
        <Show when=move || certain.get() fallback=move || view! { <Loading load /> }>
            {children()}
        </Show>
    }
}
