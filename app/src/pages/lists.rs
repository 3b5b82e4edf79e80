use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;
use schema::List;
use schema::sharing::Role;

use crate::components::{EditableRow, Loading, NameForm, Rows};
use crate::confirm::confirmed;
use crate::queries::{self, ListSummary};
use crate::store::{LiveRow, Statement, use_query, use_writer};

/// All lists: make, rename, delete one.
#[component]
pub fn ListsPage() -> impl IntoView {
    let writer = use_writer();
    let lists = use_query(move || queries::lists(writer.user_id()));
    let add = move |name| {
        let list = List { id: writer.new_id(), owner_id: writer.user_id(), name, created_at: writer.now() };
        writer.write_transaction(vec![Statement::insert(&list)]);
    };
    view! {
        <Title text="Lists" />
        <h1>"Lists"</h1>
        <NameForm label="New list" button="Add list" on_submit=add />
        <Loading load=lists.load />
        <Rows label="Lists" query=lists let:list>
            <ListItem list />
        </Rows>
        <Show when=move || lists.is_empty()>
            <p class="empty">"No lists yet. Add the first one above."</p>
        </Show>
    }
}

#[component]
fn ListItem(list: LiveRow<ListSummary>) -> impl IntoView {
    let writer = use_writer();
    let name = list.column(|list| list.name.clone());
    let progress = list.column(|list| (list.done, list.todos));
    let shared = list.column(|list| list.members > 1);
    let role = list.column(|list| Role::named(&list.role));
    let can_edit = Signal::derive(move || role.get().is_some_and(Role::can_edit));
    let can_delete = Signal::derive(move || role.get() == Some(Role::Owner));
    let id = StoredValue::new(list.id);
    let rename = move |name: String| {
        let rename = Statement::new("UPDATE lists SET name = $1 WHERE id = $2");
        writer.write_transaction(vec![rename.bind(name).bind(id.get_value())]);
    };
    // The todos go first, so that no watcher and no server ever sees a todo without its list.
    let delete = move || {
        let question =
            move || format!("Delete the list “{}” for everybody who is on it?", name.get_untracked());
        if shared.get_untracked() && !confirmed(&question()) {
            return;
        }
        let todos = Statement::new("DELETE FROM todos WHERE list_id = $1").bind(id.get_value());
        let list = Statement::new("DELETE FROM lists WHERE id = $1").bind(id.get_value());
        writer.write_transaction(vec![todos, list]);
    };
    view! {
        <EditableRow text=name verb="Rename" label="List name" can_edit can_delete on_edit=rename on_delete=delete>
            <A href=format!("/lists/{}", id.get_value())>{name}</A>
            <Show when=move || shared.get()>
                <span class="tag">"shared"</span>
            </Show>
            <span class="progress">{move || progress_text(progress.get())}</span>
        </EditableRow>
    }
}

fn progress_text((done, todos): (i64, i64)) -> String {
    match todos {
        0 => "empty".to_owned(),
        todos => format!("{done} of {todos} done"),
    }
}
