use leptos::prelude::*;

/// Whether the page is live, which it is from hydration on.
#[derive(Clone, Copy)]
pub struct Live(Signal<bool>);

impl Live {
    /// Makes it known to the components below. Effects run in the browser after hydration only.
    pub fn provide() {
        let live = RwSignal::new(false);
        Effect::new(move || live.set(true));
        provide_context(Self(live.into()));
    }
}

/// Whether the page is live. Before, nothing may be asked of the browser, because the server renders the same.
pub fn use_live() -> Signal<bool> {
    use_context::<Live>().map_or(Signal::stored(false), |Live(live)| live)
}

/// The fields and buttons of a form. They are disabled until the page is live: before that, what somebody typed would
/// be lost.
#[component]
pub fn Fields(children: Children) -> impl IntoView {
    let live = use_live();
    view! { <fieldset disabled=move || !live.get()>{children()}</fieldset> }
}
