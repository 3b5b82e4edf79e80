use leptos::html::Button;
use leptos::prelude::*;

use crate::components::NameForm;

/// A row whose text can be edited in place, and which can be deleted, by who may.
#[component]
pub fn EditableRow(
    /// The text, which also names the row's buttons.
    text: Memo<String>,
    /// What editing is called on the button, such as `Rename`.
    verb: &'static str,
    /// The accessible name of the field for the new text.
    label: &'static str,
    /// Whether the user may edit it.
    #[prop(into)]
    can_edit: Signal<bool>,
    /// Whether the user may delete it.
    #[prop(into)]
    can_delete: Signal<bool>,
    /// Called with the new text.
    on_edit: impl Fn(String) + Copy + Send + Sync + 'static,
    /// Called to delete the row.
    on_delete: impl Fn() + Copy + Send + Sync + 'static,
    /// What the row shows before its buttons while it is not edited.
    children: ChildrenFn,
) -> impl IntoView {
    let editing = RwSignal::new(false);
    let left = StoredValue::new(false);
    let edit = NodeRef::<Button>::new();
    Effect::new(move || {
        // The field is gone, so whoever edits by keyboard goes on from where editing began.
        if let Some(edit) = edit.get()
            && left.get_value()
        {
            left.set_value(false);
            let _ = edit.focus();
        }
    });
    let leave = move |()| {
        left.set_value(true);
        editing.set(false);
    };
    let row = move || {
        view! {
            {children()}
            <Show when=move || can_edit.get()>
                <button
                    type="button"
                    class="quiet"
                    aria-label=move || format!("{verb} {}", text.get())
                    node_ref=edit
                    on:click=move |_| editing.set(true)
                >
                    {verb}
                </button>
            </Show>
            <Show when=move || can_delete.get()>
                <button
                    type="button"
                    class="quiet danger"
                    aria-label=move || format!("Delete {}", text.get())
                    on:click=move |_| on_delete()
                >
                    "Delete"
                </button>
            </Show>
        }
    };
    view! {
        <li>
            <Show when=move || editing.get() && can_edit.get() fallback=row>
                <NameForm
                    label
                    button="Save"
                    initial=text.get_untracked()
                    on_submit=on_edit
                    on_leave=leave
                />
            </Show>
        </li>
    }
}
