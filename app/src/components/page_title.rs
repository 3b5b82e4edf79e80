use leptos::prelude::*;
use leptos::text_prop::TextProp;
use leptos_meta::{ServerMetaContext, Title};

/// A page's title that comes from rows.
///
/// A server writes the title when the page's own signals are out of reach, and those in reach may be another user's page's. So
/// there it is read at once.
#[component]
pub fn PageTitle(
    /// The title; none until it is known.
    text: Memo<Option<String>>,
) -> impl IntoView {
    let text: TextProp = match use_context::<ServerMetaContext>() {
        Some(_) => text.get_untracked().unwrap_or_default().into(),
        None => (move || text.get().unwrap_or_default()).into(),
    };
    view! { <Title text /> }
}
