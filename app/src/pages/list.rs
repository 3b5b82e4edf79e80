use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;
use leptos_router::hooks::use_params_map;
use schema::Todo;

use crate::components::{EditableRow, Loading, NameForm};
use crate::queries;
use crate::store::{LiveRow, Load, Statement, use_query, use_synced, use_writer};

/// One list: add, check, edit, delete its todos.
#[component]
pub fn ListPage() -> impl IntoView {
    let params = use_params_map();
    let list_id = Memo::new(move |_| params.with(|params| params.get("id").unwrap_or_default()));
    let list = use_query(move || queries::list(list_id.get()));
    let todos = use_query(move || queries::todos(list_id.get()));
    let name = Memo::new(move |_| {
        list.rows.with(|rows| rows.first().map(|row| row.row.with(|list| list.name.clone())))
    });
    let writer = use_writer();
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
    let has_synced = use_synced();
    let missing = move || list.load.get() == Load::Ready && name.get().is_none() && has_synced.get();
    view! {
        <Title text=move || name.get().unwrap_or_default() />
        <nav>
            <A href="/">"All lists"</A>
        </nav>
        <Show
            when=move || !missing()
            fallback=|| view! {
                <h1>"No such list"</h1>
                <p>"It was deleted, or it is not yours."</p>
            }
        >
            <h1>{move || name.get().unwrap_or_default()}</h1>
            <NameForm label="New todo" button="Add todo" on_submit=add />
            <Loading load=todos.load />
            <ul class="rows" aria-label="Todos">
                <For each=move || todos.rows.get() key=|todo| todo.id.clone() let:todo>
                    <TodoItem todo />
                </For>
            </ul>
            <Show when=move || todos.is_empty()>
                <p class="empty">"Nothing to do yet. Add the first todo above."</p>
            </Show>
        </Show>
    }
}

#[component]
fn TodoItem(todo: LiveRow<Todo>) -> impl IntoView {
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
        <EditableRow text=title verb="Edit" label="Todo" on_edit=edit on_delete=delete>
            <label class:done=move || done.get()>
                <input type="checkbox" prop:checked=move || done.get() on:change=check />
                <span>{title}</span>
            </label>
        </EditableRow>
    }
}
