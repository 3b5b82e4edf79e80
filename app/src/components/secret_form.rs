use std::future::Future;

use leptos::ev::SubmitEvent;
use leptos::html::{Form, Input};
use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::components::Fields;

/// A field of a [`SecretForm`].
#[derive(Clone, Copy)]
pub struct SecretField {
    /// Its accessible name.
    pub label: &'static str,
    /// What the browser's password manager takes it for: `username`, `current-password` or `new-password`.
    pub autocomplete: &'static str,
}

/// A form for passwords: it waits for the server, and says what the server says.
#[component]
pub fn SecretForm<F>(
    /// The form's accessible name.
    label: &'static str,
    /// The button's.
    button: &'static str,
    /// The button's class.
    #[prop(optional)]
    class: &'static str,
    /// The fields, in their order.
    fields: &'static [SecretField],
    /// What is said when it has worked, where the form is still there then.
    #[prop(optional)]
    done: &'static str,
    /// Called with the fields' values, in their order.
    on_submit: impl Fn(Vec<String>) -> F + Copy + 'static,
) -> impl IntoView
where
    F: Future<Output = Result<(), String>> + 'static,
{
    let form = NodeRef::<Form>::new();
    let inputs: Vec<_> = fields.iter().map(|field| (field, NodeRef::<Input>::new())).collect();
    let values = {
        let inputs = inputs.clone();
        move || {
            inputs.iter().map(|(_, input)| Some(input.get_untracked()?.value())).collect::<Option<Vec<_>>>()
        }
    };
    let busy = RwSignal::new(false);
    let answer = RwSignal::new(None::<Result<(), String>>);
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let Some(values) = values().filter(|_| !busy.get_untracked()) else { return };
        busy.set(true);
        answer.set(None);
        spawn_local(async move {
            let result = on_submit(values).await;
            // The page may be another one by now.
            if result.is_ok()
                && let Some(form) = form.try_get_untracked().flatten()
            {
                form.reset();
            }
            answer.try_set(Some(result));
            busy.try_set(false);
        });
    };
    let said = move || match answer.get()? {
        Ok(()) if done.is_empty() => None,
        Ok(()) => Some(view! { <p role="status">{done}</p> }.into_any()),
        Err(error) => Some(view! { <p class="notice error" role="alert">{error}</p> }.into_any()),
    };
    view! {
        <form class="fields" aria-label=label node_ref=form on:submit=submit>
            <Fields>
                {inputs
                    .into_iter()
                    .map(|(field, input)| {
                        let kind = if field.autocomplete == "username" { "text" } else { "password" };
                        view! {
                            <label>
                                {field.label}
                                <input
                                    type=kind
                                    autocomplete=field.autocomplete
                                    autocapitalize="none"
                                    required
                                    node_ref=input
                                />
                            </label>
                        }
                    })
                    .collect_view()}
                <button type="submit" class=class aria-busy=move || busy.get().then_some("true")>
                    {button}
                </button>
            </Fields>
        </form>
        {said}
    }
}
