use leptos::prelude::*;
use leptos_router::hooks::use_navigate;
use schema::Member;
use schema::sharing::Role;

use crate::components::Rows;
use crate::confirm::confirmed;
use crate::store::{LiveQuery, LiveRow, Statement, use_writer};

/// Who is on a list. Its owner changes what they may do, and removes them.
#[component]
pub fn Members(
    /// Who is on it.
    members: LiveQuery<Member>,
    /// Whether the user is its owner.
    owner: Signal<bool>,
) -> impl IntoView {
    view! {
        <Rows label="Members" query=members let:member>
            <MemberItem member owner />
        </Rows>
    }
}

#[component]
fn MemberItem(member: LiveRow<Member>, owner: Signal<bool>) -> impl IntoView {
    let writer = use_writer();
    let user_id = writer.user_id();
    let name = member.column(move |member| match member.user_id == user_id {
        true => "You".to_owned(),
        false => member.name.clone().unwrap_or_else(|| "Guest".to_owned()),
    });
    let role = member.column(|member| member.role.clone());
    let list_id = StoredValue::new(member.row.with_untracked(|member| member.list_id.clone()));
    let id = StoredValue::new(member.id);
    // A link by which somebody has come must not give back what its owner takes away.
    let change = move |event| {
        let role = event_target_value(&event);
        let change = Statement::new("UPDATE members SET role = $1 WHERE id = $2");
        let revoke = Statement::new("DELETE FROM invitations WHERE list_id = $1 AND role <> $2");
        let revoke =
            (role == Role::Reader.as_str()).then(|| revoke.bind(list_id.get_value()).bind(role.clone()));
        let change = change.bind(role).bind(id.get_value());
        writer.write_transaction([Some(change), revoke].into_iter().flatten().collect());
    };
    let remove = move |_| {
        let remove = Statement::new("DELETE FROM members WHERE id = $1").bind(id.get_value());
        let revoke = Statement::new("DELETE FROM invitations WHERE list_id = $1").bind(list_id.get_value());
        writer.write_transaction(vec![remove, revoke]);
    };
    let option = move |value: Role| {
        let selected = move || role.with(|role| role == value.as_str());
        view! {
            <option value=value.as_str() selected=selected prop:selected=selected>
                {value.as_str()}
            </option>
        }
    };
    view! {
        <li>
            <span class="name">{name}</span>
            <Show
                when=move || owner.get() && role.with(|role| role != Role::Owner.as_str())
                fallback=move || view! { <span class="progress">{role}</span> }
            >
                <select aria-label=move || format!("Role of {}", name.get()) on:change=change>
                    {[Role::Editor, Role::Reader].map(option)}
                </select>
                <button
                    type="button"
                    class="quiet danger"
                    aria-label=move || format!("Remove {}", name.get())
                    on:click=remove
                >
                    "Remove"
                </button>
            </Show>
        </li>
    }
}

/// The way off a list for who does not own it.
#[component]
pub fn LeaveList(
    /// Who is on it.
    members: LiveQuery<Member>,
    /// What it is called.
    name: Signal<String>,
) -> impl IntoView {
    let writer = use_writer();
    let navigate = use_navigate();
    let leave = move |_| {
        let question =
            format!("Leave the list “{}”? To be on it again you need a new link.", name.get_untracked());
        if !confirmed(&question) {
            return;
        }
        let user_id = writer.user_id();
        let own = |row: &&LiveRow<Member>| row.row.with_untracked(|member| member.user_id == user_id);
        let own = members.rows.with_untracked(|rows| rows.iter().find(own).map(|row| row.id.clone()));
        if let Some(id) = own {
            writer.write_transaction(vec![Statement::new("DELETE FROM members WHERE id = $1").bind(id)]);
            navigate("/", Default::default());
        }
    };
    view! {
        <button type="button" class="quiet danger" disabled=move || !members.is_local() on:click=leave>
            "Leave list"
        </button>
    }
}
