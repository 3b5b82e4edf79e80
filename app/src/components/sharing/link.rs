use leptos::html::Input;
use leptos::prelude::*;
use leptos::task::spawn_local;
use schema::{Invitation, Timestamp};
use web_sys::js_sys::Date;
use web_sys::wasm_bindgen::JsValue;

use crate::clipboard;
use crate::components::use_live;
use crate::store::{LiveRow, Statement, use_writer};

/// One link by which others join a list.
#[component]
pub fn LinkItem(
    /// What it stands for.
    invitation: LiveRow<Invitation>,
) -> impl IntoView {
    let writer = use_writer();
    let role = invitation.column(|invitation| invitation.role.clone());
    let validity = invitation.column(|invitation| (invitation.expires_at.clone(), invitation.uses_left));
    let id = StoredValue::new(invitation.id);
    let live = use_live();
    let address = move || {
        // Only the browser knows under which name it has found the server.
        let origin = live.get().then(|| window().location().origin().unwrap_or_default());
        format!("{}/join/{}", origin.unwrap_or_default(), id.get_value())
    };
    let field = NodeRef::<Input>::new();
    let outcome = RwSignal::new("");
    let copy = move |_| {
        let address = address();
        spawn_local(async move {
            let copied = clipboard::write(&address).await;
            if !copied && let Some(field) = field.get_untracked() {
                // Not every browser lets a page write there, and none does where the site is not served over https.
                let _ = field.focus();
                field.select();
            }
            outcome.try_set(if copied { "Copied" } else { "Copy it from the field" });
        });
    };
    let revoke = move |_| {
        let revoke = Statement::new("DELETE FROM invitations WHERE id = $1");
        writer.write_transaction(vec![revoke.bind(id.get_value())]);
    };
    view! {
        <li>
            <span class="name">"For " {role} "s"</span>
            <span class="progress">
                {move || {
                    let (expires_at, uses_left) = validity.get();
                    // Only the browser knows its time and how dates are written there.
                    live.get().then(|| described(expires_at.map(|time| end(&time, &writer.now())), uses_left))
                }}
            </span>
            <button
                type="button"
                class="quiet"
                aria-label=move || format!("Copy link for {}s", role.get())
                on:click=copy
            >
                "Copy link"
            </button>
            <button
                type="button"
                class="quiet danger"
                aria-label=move || format!("Revoke link for {}s", role.get())
                on:click=revoke
            >
                "Revoke link"
            </button>
            <input
                type="text"
                readonly
                aria-label=move || format!("Address of the link for {}s", role.get())
                value=address
                node_ref=field
            />
            <span class="progress" role="status" aria-label="Clipboard">
                {outcome}
            </span>
        </li>
    }
}

/// When an invitation ends.
#[derive(Debug, PartialEq)]
enum End {
    Past,
    /// On that day, as dates are written in the browser.
    Day(String),
}

fn end(expires_at: &Timestamp, now: &Timestamp) -> End {
    // Timestamps of this form are in the order of their texts.
    if expires_at.0 < now.0 {
        return End::Past;
    }
    let language = window().navigator().language().unwrap_or_else(|| "en".to_owned());
    let day = Date::new(&expires_at.0.as_str().into()).to_locale_date_string(&language, &JsValue::UNDEFINED);
    End::Day(day.into())
}

/// Until when an invitation is valid, and for how many people. Before the server has it, it has no end yet.
fn described(end: Option<End>, uses_left: Option<i64>) -> String {
    let people = match uses_left {
        Some(0) => return "used up".to_owned(),
        None => "any number of people".to_owned(),
        Some(1) => "one person".to_owned(),
        Some(count) => format!("{count} people"),
    };
    match end {
        Some(End::Past) => "expired".to_owned(),
        Some(End::Day(day)) => format!("{people}, until {day}"),
        None => people,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_for_whom_it_is_and_until_when() {
        let day = || Some(End::Day("2/12/2026".to_owned()));
        assert_eq!(described(day(), None), "any number of people, until 2/12/2026");
        assert_eq!(described(day(), Some(1)), "one person, until 2/12/2026");
        assert_eq!(described(day(), Some(3)), "3 people, until 2/12/2026");
        assert_eq!(described(None, Some(1)), "one person");
        assert_eq!(described(day(), Some(0)), "used up");
        assert_eq!(described(Some(End::Past), None), "expired");
        let (before, after) = ("2026-11-22T16:22:09.954000Z", "2026-11-22T16:22:09.954983Z");
        assert_eq!(end(&Timestamp(before.to_owned()), &Timestamp(after.to_owned())), End::Past);
    }
}
