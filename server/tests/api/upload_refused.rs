//! `POST /api/sync` with what the server does not take.

use insta::assert_snapshot;
use reqwest::{Client, StatusCode, header};
use schema::upload::Operation;
use serde_json::{Value, json};
use sqlx::Executor;

use crate::helpers::spawn_app;

#[tokio::test]
async fn a_rejected_change_takes_its_transaction_with_it_and_no_other() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let before = [browser.put_list("l1", "Before")];
    let rejected =
        [browser.put_list("l2", "Fine"), browser.put_list("l3", "   "), browser.put_list("l4", "Fine")];
    let after = [browser.put_list("l5", "After")];
    assert_snapshot!(browser.upload(&[&before, &rejected, &after]).await, @r"
    1 applied
    2 transaction: Another change that was made together with this one was not taken.
    3 constraint: A list's name must have 1 to 200 characters.
    4 transaction: Another change that was made together with this one was not taken.
    5 applied
    ");
    assert_snapshot!(app.rows("SELECT name FROM lists ORDER BY id").await, @r"
    Before
    After
    ");
}

#[tokio::test]
async fn a_rejection_leaves_one_notice_that_its_user_can_dismiss() {
    let app = spawn_app().await;
    let (mut browser, mut other) = (app.browser().await, app.browser().await);
    let changes = [browser.put_list("l1", ""), browser.put_todo("t1", "l1", "Milk")];
    browser.upload(&[&changes]).await;
    let notice = app
        .rows("SELECT user_id AS a, table_name AS b, row_id AS c, operation AS d, code AS e, reason AS f FROM rejections")
        .await;
    let expected =
        format!("{} lists l1 PUT constraint A list's name must have 1 to 200 characters.", browser.user_id);
    assert_eq!(notice, expected);

    let id = app.rows("SELECT id FROM rejections").await;
    let foreign = other.delete("rejections", &id);
    assert_snapshot!(other.upload(&[&[foreign]]).await, @"1 forbidden: A notice can be dismissed, but not changed.");
    let change = browser.patch("rejections", &id, json!({ "reason": "none" }));
    assert_snapshot!(browser.upload(&[&[change]]).await, @"3 forbidden: A notice can be dismissed, but not changed.");
    let dismissal = browser.delete("rejections", &id);
    assert_snapshot!(browser.upload(&[&[dismissal]]).await, @"4 applied");
    assert_eq!(app.rows(&format!("SELECT id FROM rejections WHERE id = '{id}'")).await, "");
}

#[tokio::test]
async fn only_tables_and_columns_of_the_schema_crate_can_be_written() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let changes = [
        browser.change(Operation::Put, "users", "me", json!({})),
        browser.delete("uploads", "x"),
        browser.delete("lists; DROP TABLE lists", "x"),
        browser.patch("lists", "x", json!({ "name = 'a', owner_id": "x" })),
        browser.patch("lists", "x", json!({ "id": "y" })),
    ];
    let transactions: Vec<_> = changes.iter().map(std::slice::from_ref).collect();
    assert_snapshot!(browser.upload(&transactions).await, @r#"
    1 unknown_table: The server has no table "users".
    2 unknown_table: The server has no table "uploads".
    3 unknown_table: The server has no table "lists; DROP TABLE lists".
    4 unknown_column: The server's table lists has no column "name = 'a', owner_id".
    5 unknown_column: The server's table lists has no column "id".
    "#);
}

#[tokio::test]
async fn values_must_be_of_their_columns_type() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let mut changes: Vec<_> = [
        json!({ "title": 1 }),
        json!({ "title": "nul \u{0} character" }),
        json!({ "title": ["Milk"] }),
        json!({ "done": "yes" }),
        json!({ "done": 2 }),
        json!({ "created_at": "yesterday" }),
        json!({ "created_at": 1_795_375_721 }),
    ]
    .into_iter()
    .map(|data| browser.patch("todos", "t1", data))
    .collect();
    changes.push(browser.delete("todos", ""));
    changes.push(browser.delete("todos", "nul\0"));
    changes.push(browser.delete("todos", &"long".repeat(1000)));
    let transactions: Vec<_> = changes.iter().map(std::slice::from_ref).collect();
    assert_snapshot!(browser.upload(&transactions).await, @r#"
    1 wrong_type: todos.title must be text, and is 1.
    2 wrong_type: todos.title must be text, and is "nul \u0000 character".
    3 wrong_type: todos.title must be text, and is ["Milk"].
    4 wrong_type: todos.done must be 0 or 1, and is "yes".
    5 wrong_type: todos.done must be 0 or 1, and is 2.
    6 wrong_type: todos.created_at must be a time such as 2026-11-22T16:22:09.954983Z, and is "yesterday".
    7 wrong_type: todos.created_at must be a time such as 2026-11-22T16:22:09.954983Z, and is 1795375721.
    8 wrong_type: A row's id must be text of 1 to 100 characters.
    9 wrong_type: A row's id must be text of 1 to 100 characters.
    10 wrong_type: A row's id must be text of 1 to 100 characters.
    "#);
    assert_snapshot!(app.rows("SELECT count(*) FROM rejections").await, @"10");
}

#[tokio::test]
async fn values_that_are_too_large_are_rejected() {
    let app = spawn_app().await;
    // A column with an index, and without a limit of its own.
    let schema = "ALTER TABLE lists DROP CONSTRAINT lists_name_length; CREATE INDEX ON lists (name)";
    app.pool.execute(schema).await.unwrap();
    let mut browser = app.browser().await;
    // No two characters are the same: what Postgres can compress takes less room in the index.
    let incompressible: String = ('\u{4e00}'..).take(2000).collect();
    let changes = [
        browser.put_list("l1", &"x".repeat(1024 * 1024 + 1)),
        browser.put_list("l2", &incompressible),
        browser.put_list("l3", "Fine"),
    ];
    let transactions: Vec<_> = changes.iter().map(std::slice::from_ref).collect();
    assert_snapshot!(browser.upload(&transactions).await, @r#"
    1 too_large: lists.name must have at most 1048576 bytes, and has 1048577.
    2 too_large: This is too large for the database: index row size 6016 exceeds btree version 4 maximum 2704 for index "lists_name_idx".
    3 applied
    "#);
    assert_snapshot!(app.rows("SELECT code FROM rejections").await, @r"
    too_large
    too_large
    ");
}

#[tokio::test]
async fn constraints_speak_to_people() {
    let app = spawn_app().await;
    sqlx::query("ALTER TABLE todos ADD CONSTRAINT no_comment CHECK (title <> 'forbidden word')")
        .execute(&app.pool)
        .await
        .unwrap();
    let mut browser = app.browser().await;
    let setup = [browser.put_list("l1", "Groceries"), browser.put_todo("t1", "l1", "Milk")];
    browser.upload(&[&setup]).await;
    let changes = [
        browser.patch("lists", "l1", json!({ "name": "x".repeat(201) })),
        browser.patch("todos", "t1", json!({ "title": "\t" })),
        browser.patch("todos", "t1", json!({ "title": null })),
        browser.patch("todos", "t1", json!({ "title": "forbidden word" })),
        browser.change(Operation::Put, "todos", "t2", json!({ "list_id": "l1" })),
        browser.patch("todos", "t1", json!({ "created_at": "9999-12-31T23:59:59Z" })),
    ];
    let transactions: Vec<_> = changes.iter().map(std::slice::from_ref).collect();
    assert_snapshot!(browser.upload(&transactions).await, @r"
    3 constraint: A list's name must have 1 to 200 characters.
    4 constraint: A todo's title must have 1 to 500 characters.
    5 constraint: todos.title must have a value.
    6 constraint: The rule no_comment of todos does not hold with this change.
    7 constraint: todos.title must have a value.
    8 applied
    ");
}

#[tokio::test]
async fn a_constraint_that_is_checked_at_commit_rejects_too() {
    let app = spawn_app().await;
    sqlx::query("ALTER TABLE lists ADD CONSTRAINT unique_names UNIQUE (name) DEFERRABLE INITIALLY DEFERRED")
        .execute(&app.pool)
        .await
        .unwrap();
    let mut browser = app.browser().await;
    let changes = [browser.put_list("l1", "Same"), browser.put_list("l2", "Same")];
    assert_snapshot!(browser.upload(&[&changes]).await, @r"
    1 transaction: Another change that was made together with this one was not taken.
    2 constraint: The rule unique_names of lists does not hold with this change.
    ");
}

#[tokio::test]
async fn rows_of_another_user_are_out_of_reach() {
    let app = spawn_app().await;
    let (mut owner, mut stranger) = (app.browser().await, app.browser().await);
    let setup = [owner.put_list("l1", "Groceries"), owner.put_todo("t1", "l1", "Milk")];
    owner.upload(&[&setup]).await;
    let own = [stranger.put_list("l2", "Own"), stranger.put_todo("t2", "l2", "Own")];
    stranger.upload(&[&own]).await;

    let given_away = json!({ "owner_id": owner.user_id, "name": "Gift" });
    let changes = [
        stranger.put_list("l1", "Taken"),
        stranger.patch("lists", "l1", json!({ "name": "Changed" })),
        stranger.delete("lists", "l1"),
        stranger.put_todo("t1", "l2", "Taken"),
        stranger.put_todo("t3", "l1", "Slipped in"),
        stranger.patch("todos", "t1", json!({ "done": 1 })),
        stranger.patch("todos", "t2", json!({ "list_id": "l1" })),
        stranger.delete("todos", "t1"),
        stranger.patch("lists", "l2", json!({ "owner_id": owner.user_id })),
        stranger.change(Operation::Put, "lists", "l3", given_away),
    ];
    let transactions: Vec<_> = changes.iter().map(std::slice::from_ref).collect();
    assert_snapshot!(stranger.upload(&transactions).await, @r"
    3 forbidden: This list belongs to somebody else.
    4 forbidden: You may not change this list: ask its owner to make you an editor.
    5 forbidden: Only its owner can delete a list. You can leave it.
    6 forbidden: You may not change todos of this list: it has been deleted, or you are not one of its editors.
    7 forbidden: You may not change todos of this list: it has been deleted, or you are not one of its editors.
    8 forbidden: You may not change todos of this list: it has been deleted, or you are not one of its editors.
    9 forbidden: You may not change todos of this list: it has been deleted, or you are not one of its editors.
    10 forbidden: You may not change todos of this list: it has been deleted, or you are not one of its editors.
    11 forbidden: You may not change this list: ask its owner to make you an editor.
    12 forbidden: This list belongs to somebody else.
    ");
    assert_snapshot!(app.rows("SELECT id AS a, name AS b FROM lists ORDER BY id").await, @r"
    l1 Groceries
    l2 Own
    ");
    assert_snapshot!(app.rows("SELECT id AS a, list_id AS b, title AS c, done AS d FROM todos ORDER BY id").await, @r"
    t1 l1 Milk false
    t2 l2 Own false
    ");
}

#[tokio::test]
async fn a_request_that_is_not_ours_gets_a_sentence_and_changes_nothing() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let deep = "[".repeat(100_000);
    let client_id = "x".repeat(5000);
    let bodies = [
        String::new(),
        "{".to_owned(),
        "{}".to_owned(),
        deep,
        r#"{"client_id":"c","transactions":[{"changes":[{"op_id":1e300,"op":"PUT","type":"lists","id":"a"}]}]}"#.to_owned(),
        r#"{"client_id":"c","transactions":[{"changes":[{"op_id":1,"op":"DROP","type":"lists","id":"a"}]}]}"#.to_owned(),
        r#"{"client_id":"","transactions":[]}"#.to_owned(),
        r#"{"client_id":"a\u0000b","transactions":[]}"#.to_owned(),
        format!(r#"{{"client_id":"{client_id}","transactions":[]}}"#),
    ];
    for body in bodies {
        let response = browser.post_text(body.clone()).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body:.100}");
        let answer: Value = response.json().await.unwrap();
        assert!(answer["error"].as_str().is_some_and(|sentence| !sentence.is_empty()), "{body:.100}");
    }

    let too_large = browser.post_text(vec![b' '; 9 * 1024 * 1024]).await;
    assert_eq!(too_large.status(), StatusCode::PAYLOAD_TOO_LARGE);

    let list = browser.put_list("l1", "Groceries");
    let form = Client::new()
        .post(format!("{}/api/sync", app.url))
        .header(header::COOKIE, &browser.cookie)
        .header(header::CONTENT_TYPE, "text/plain")
        .body(serde_json::to_string(&browser.request(&[std::slice::from_ref(&list)])).unwrap());
    // A form on another site could post this, with the cookie; JSON it could not.
    assert_eq!(form.send().await.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);

    browser.cookie = "session_app=none".to_owned();
    let nobody = browser.post(&browser.request(&[&[list]])).await;
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(app.rows("SELECT id FROM lists UNION ALL SELECT id FROM rejections").await, "");
}

#[tokio::test]
async fn nothing_to_do_is_done() {
    let app = spawn_app().await;
    let browser = app.browser().await;
    assert_snapshot!(browser.upload(&[]).await, @"");
    assert_snapshot!(browser.upload(&[&[]]).await, @"");
}

#[tokio::test]
async fn what_a_browser_sends_never_is_an_error_of_the_server() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let long = "x".repeat(100_000);
    let changes = [
        browser.delete("\0", "x"),
        browser.delete(&long, &long),
        browser.patch("lists", "x", json!({ long.as_str(): long })),
        browser.put_todo("t1", &long, "Milk"),
        browser.change(
            Operation::Put,
            "lists",
            "x",
            json!({ "owner_id": long, "name": "x", "created_at": "0000-01-01T00:00:00Z" }),
        ),
        browser.change(Operation::Put, "lists", "x", Value::Null),
        browser.patch("todos", "x", json!({ "created_at": "+262142-12-31T23:59:59Z" })),
        browser.patch("todos", "x", json!({ "done": 1e300 })),
        browser.patch("todos", "x", json!({ "done": { "a": [null] } })),
    ];
    let transactions: Vec<_> = changes.iter().map(std::slice::from_ref).collect();
    let verdicts = browser.upload(&transactions).await;
    assert_eq!(verdicts.lines().count(), changes.len());
    assert!(!verdicts.contains("applied"), "{verdicts}");
}
