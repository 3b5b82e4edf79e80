use leptos::prelude::*;
use leptos_router::components::A;
use leptos_router::hooks::use_params_map;
use schema::sharing::Role;
use schema::{List, Member, Todo};

use crate::components::{EditableRow, Loading, NameForm, NotThere, PageTitle, Rows, Sharing};
use crate::queries;
use crate::store::{LiveQuery, LiveRow, Load, Statement, use_query, use_writer};

/// One list: add, check, edit, delete its todos, and share it.
#[component]
pub fn ListPage() -> impl IntoView {
    let params = use_params_map();
    let list_id = Memo::new(move |_| params.with(|params| params.get("id").unwrap_or_default()));
    let list = use_query(move || queries::list(list_id.get()));
    let todos = use_query(move || queries::todos(list_id.get()));
    let members = use_query(move || queries::members(list_id.get()));
    let name = Memo::new(move |_| {
        list.rows.with(|rows| rows.first().map(|row| row.row.with(|list| list.name.clone())))
    });
    let writer = use_writer();
    let role = use_role(list, members);
    let add = move |title| {
        let todo = Todo {
            id: writer.new_id(),
            list_id: list_id.get_untracked(),
            title,
            done: false,
            created_at: writer.now(),
        };
        writer.write_transaction(vec![Statement::insert(&todo)]);
    };
    let load = Signal::derive(move || match list.load.get() {
        Load::Ready => members.load.get(),
        load => load,
    });
    let can_edit = Signal::derive(move || role.get().is_some_and(Role::can_edit));
    let owner = Memo::new(move |_| role.get() == Some(Role::Owner));
    view! {
        <PageTitle text=name />
        <nav>
            <A href="/">"All lists"</A>
        </nav>
        <Show
            when=move || role.get().is_some()
            fallback=move || view! {
                <NotThere load>
                    <h1>"No such list"</h1>
                    <p>"It was deleted, or you are not on it."</p>
                </NotThere>
            }
        >
            <h1>{move || name.get().unwrap_or_default()}</h1>
            <Show
                when=move || can_edit.get()
                fallback=|| view! { <p class="empty">"You can read this list."</p> }
            >
                <NameForm label="New todo" button="Add todo" on_submit=add />
            </Show>
            <Loading load=todos.load />
            <Rows label="Todos" query=todos let:todo>
                <TodoItem todo can_edit />
            </Rows>
            <Show when=move || todos.is_empty()>
                <p class="empty">
                    {move || match can_edit.get() {
                        true => "Nothing to do yet. Add the first todo above.",
                        false => "Nothing to do yet.",
                    }}
                </p>
            </Show>
            <Sharing list_id name=move || name.get().unwrap_or_default() owner members />
        </Show>
    }
}

/// What the user may do on the list; `None` where they are not on it, and until it is known.
fn use_role(list: LiveQuery<List>, members: LiveQuery<Member>) -> Memo<Option<Role>> {
    let user_id = use_writer().user_id();
    Memo::new(move |_| {
        let owner =
            list.rows.with(|rows| rows.first().map(|row| row.row.with(|list| list.owner_id == user_id)))?;
        // A list that has just been made has no members yet: the server writes them.
        if owner {
            return Some(Role::Owner);
        }
        members.rows.with(|rows| {
            let own = rows.iter().find(|row| row.row.with(|member| member.user_id == user_id))?;
            // What a role that this version of the app does not know lets one do is unknown, too.
            Some(own.row.with(|member| Role::named(&member.role).unwrap_or(Role::Reader)))
        })
    })
}

#[component]
fn TodoItem(todo: LiveRow<Todo>, can_edit: Signal<bool>) -> impl IntoView {
    let writer = use_writer();
    let title = todo.column(|todo| todo.title.clone());
    let done = todo.column(|todo| todo.done);
    let id = StoredValue::new(todo.id);
    let check = move |event| {
        let check = Statement::new("UPDATE todos SET done = $1 WHERE id = $2");
        writer.write_transaction(vec![check.bind(event_target_checked(&event)).bind(id.get_value())]);
    };
    let edit = move |title: String| {
        let edit = Statement::new("UPDATE todos SET title = $1 WHERE id = $2");
        writer.write_transaction(vec![edit.bind(title).bind(id.get_value())]);
    };
    let delete = move || {
        writer
            .write_transaction(vec![Statement::new("DELETE FROM todos WHERE id = $1").bind(id.get_value())]);
    };
    view! {
        <EditableRow text=title verb="Edit" label="Todo" can_edit can_delete=can_edit on_edit=edit on_delete=delete>
            <label class:done=move || done.get()>
                <input
                    type="checkbox"
                    disabled=move || !can_edit.get()
                    checked=move || done.get()
                    prop:checked=move || done.get()
                    on:change=check
                />
                <span>{title}</span>
            </label>
        </EditableRow>
    }
}
