//! `POST /api/sync` with changes that are taken.

use std::sync::Arc;

use insta::assert_snapshot;
use reqwest::StatusCode;
use schema::upload::Operation;
use serde_json::json;
use sqlx::{Acquire, Executor};

use crate::{
    helpers::{TestDatabase, cookie, get, spawn_app, spawn_app_on},
    line::Line,
};

#[tokio::test]
async fn rows_are_put_patched_and_deleted() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let list = browser.put_list("l1", "Groceries");
    let todos = [browser.put_todo("t1", "l1", "Milk"), browser.put_todo("t2", "l1", "Bread")];
    assert_snapshot!(browser.upload(&[&[list], &todos]).await, @r"
    1 applied
    2 applied
    3 applied
    ");
    let changes = [
        browser.patch("todos", "t1", json!({ "done": 1 })),
        browser.patch("lists", "l1", json!({ "name": "Shopping" })),
        browser.delete("todos", "t2"),
    ];
    assert_snapshot!(browser.upload(&[&changes]).await, @r"
    4 applied
    5 applied
    6 applied
    ");
    assert_snapshot!(app.rows("SELECT name FROM lists").await, @"Shopping");
    assert_snapshot!(app.rows("SELECT title, done, created_at AT TIME ZONE 'UTC' AS at FROM todos").await, @"2026-11-22T16:22:09.954 true Milk");
    assert_eq!(app.rows("SELECT id FROM rejections").await, "");
}

#[tokio::test]
async fn a_list_is_deleted_with_its_todos_in_one_transaction() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let setup = [browser.put_list("l1", "Groceries"), browser.put_todo("t1", "l1", "Milk")];
    browser.upload(&[&setup]).await;
    // The browser deletes the todos first; Postgres would also do it by itself, so the other order is fine as well.
    let changes = [browser.delete("lists", "l1"), browser.delete("todos", "t1")];
    assert_snapshot!(browser.upload(&[&changes]).await, @r"
    3 applied
    4 applied
    ");
    assert_eq!(app.rows("SELECT id FROM lists UNION ALL SELECT id FROM todos").await, "");
}

#[tokio::test]
async fn a_row_that_is_gone_needs_no_change() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let changes =
        [browser.patch("todos", "gone", json!({ "title": "Milk" })), browser.delete("todos", "gone")];
    assert_snapshot!(browser.upload(&[&changes]).await, @r"
    1 applied
    2 applied
    ");
    assert_eq!(app.rows("SELECT id FROM todos").await, "");
}

#[tokio::test]
async fn a_put_replaces_the_row_and_spares_what_an_old_browser_does_not_know() {
    let app = spawn_app().await;
    sqlx::query("ALTER TABLE todos ADD note text NOT NULL DEFAULT 'none'").execute(&app.pool).await.unwrap();
    let mut browser = app.browser().await;
    let setup = [browser.put_list("l1", "Groceries"), browser.put_todo("t1", "l1", "Milk")];
    browser.upload(&[&setup]).await;
    assert_snapshot!(app.rows("SELECT note FROM todos").await, @"none");
    sqlx::query("UPDATE todos SET note = 'kept', done = true").execute(&app.pool).await.unwrap();
    // Without `done`, which has a default and may not be NULL.
    let put = browser.change(Operation::Put, "todos", "t1", json!({ "list_id": "l1", "title": "Oat milk" }));
    assert_snapshot!(browser.upload(&[&[put]]).await, @"3 applied");
    assert_snapshot!(app.rows("SELECT title AS a, note AS b, done AS c FROM todos").await, @"Oat milk kept true");
}

#[tokio::test]
async fn changes_of_two_users_to_one_row_merge_by_column() {
    let app = spawn_app().await;
    let mut phone = app.browser().await;
    let setup = [phone.put_list("l1", "Groceries"), phone.put_todo("t1", "l1", "Milk")];
    phone.upload(&[&setup]).await;
    let done = phone.patch("todos", "t1", json!({ "done": 1 }));
    phone.client_id = "browser-2".to_owned();
    let title = phone.patch("todos", "t1", json!({ "title": "Oat milk" }));
    phone.upload(&[&[title]]).await;
    phone.client_id = "browser-1".to_owned();
    phone.upload(&[&[done]]).await;
    assert_snapshot!(app.rows("SELECT title AS a, done AS b FROM todos").await, @"Oat milk true");
}

#[tokio::test]
async fn a_transaction_that_deadlocks_with_another_is_tried_again() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let setup = [browser.put_list("l1", "One"), browser.put_list("l2", "Two")];
    browser.upload(&[&setup]).await;

    let mut connection = app.pool.acquire().await.unwrap();
    let mut other = connection.begin().await.unwrap();
    other.execute("UPDATE lists SET name = 'other' WHERE id = 'l2'").await.unwrap();
    let changes = [
        browser.patch("lists", "l1", json!({ "name": "mine" })),
        browser.patch("lists", "l2", json!({ "name": "mine" })),
    ];
    let upload = async {
        let verdicts = browser.upload(&[&changes]).await;
        assert_snapshot!(verdicts, @r"
        3 applied
        4 applied
        ");
    };
    let collision = async {
        // Once the upload waits for l2, this waits for l1. The one that has waited longer gives way.
        app.waiting_for_locks(1).await;
        other.execute("UPDATE lists SET name = 'other' WHERE id = 'l1'").await.unwrap();
        other.commit().await.unwrap();
    };
    tokio::join!(upload, collision);
    assert_snapshot!(app.rows("SELECT name FROM lists").await, @r"
    mine
    mine
    ");
}

#[tokio::test]
async fn while_postgres_is_away_uploads_are_told_so_and_then_go_on() {
    let database = Arc::new(TestDatabase::create().await);
    let mut line = Line::to(&database.options).await;
    let options = line.options(&database.options);
    let app = spawn_app_on(database, options).await;
    let mut browser = app.browser().await;
    let list = browser.put_list("l1", "Groceries");

    line.cut().await;
    let request = browser.request(&[std::slice::from_ref(&list)]);
    assert_eq!(browser.post(&request).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = get(&app.url, "/", Some(&browser.cookie)).await;
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(cookie(&page), None, "the session is not lost");

    line.mend().await;
    assert_snapshot!(browser.upload(&[&[list]]).await, @"1 applied");
}
