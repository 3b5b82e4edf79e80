use leptos::ev::{KeyboardEvent, SubmitEvent};
use leptos::html::Input;
use leptos::prelude::*;

use crate::components::Fields;

/// A text field with its button: for a new list or todo (empty, stays open), or to edit one (filled, Escape leaves).
#[component]
pub fn NameForm(
    /// The field's accessible name, such as `New list`.
    label: &'static str,
    /// The button's, such as `Add list`.
    button: &'static str,
    /// What the field holds at first. A filled field takes the focus, and submitting or Escape calls `on_leave`.
    #[prop(optional, into)]
    initial: Option<String>,
    /// Called with the text, trimmed and not empty.
    on_submit: impl Fn(String) + 'static,
    /// Called when editing ends, whether something changed or not.
    #[prop(optional, into)]
    on_leave: Option<Callback<()>>,
) -> impl IntoView {
    let field = NodeRef::<Input>::new();
    let leave = move || {
        if let Some(on_leave) = on_leave {
            on_leave.run(());
        }
    };
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let Some(field) = field.get_untracked() else { return };
        let text = field.value().trim().to_owned();
        if text.is_empty() {
            return;
        }
        field.set_value("");
        on_submit(text);
        leave();
    };
    let escape = move |event: KeyboardEvent| {
        if event.key() == "Escape" {
            leave();
        }
    };
    let editing = initial.is_some();
    Effect::new(move || {
        if let Some(field) = field.get()
            && editing
        {
            // A field that somebody asked for by pressing "Rename" or "Edit" is where they want to type.
            let _ = field.focus();
            field.select();
        }
    });
    view! {
        <form class="name-form" on:submit=submit>
            <Fields>
                <input
                    type="text"
                    aria-label=label
                    placeholder=label
                    autocomplete="off"
                    required
                    value=initial
                    node_ref=field
                    on:keydown=escape
                />
                <button type="submit">{button}</button>
                {editing
                    .then(|| {
                        view! { <button type="button" class="quiet" on:click=move |_| leave()>"Cancel"</button> }
                    })}
            </Fields>
        </form>
    }
}
