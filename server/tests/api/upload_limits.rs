//! `POST /api/sync` with more than there is room for.

use insta::assert_snapshot;
use reqwest::{StatusCode, header};
use schema::upload::{Change, MAX_CHANGES, Transaction, UploadRequest, UploadResponse};
use serde_json::json;
use sqlx::{Acquire, Executor};

use crate::helpers::{Browser, TestApp, spawn_app};

fn deletions(browser: &mut Browser, count: usize) -> Vec<Change> {
    (0..count).map(|number| browser.delete("todos", &format!("t{number}"))).collect()
}

/// The sentence of the first verdict, how many verdicts there are, and of which kinds.
fn summary(verdicts: &str) -> String {
    let mut kinds: Vec<_> = verdicts.lines().filter_map(|line| line.split([' ', ':']).nth(1)).collect();
    kinds.dedup();
    let first = verdicts.lines().next().unwrap_or_default();
    format!("{first}\n{} {}", verdicts.lines().count(), kinds.join(" "))
}

#[tokio::test]
async fn a_transaction_of_too_many_changes_gets_a_verdict_and_those_behind_it_go_on() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let most = deletions(&mut browser, MAX_CHANGES);
    assert_snapshot!(summary(&browser.upload(&[&most]).await), @r"
    1 applied
    10000 applied
    ");
    let more = deletions(&mut browser, MAX_CHANGES + 1);
    let behind = [browser.put_list("l1", "Behind")];
    assert_snapshot!(summary(&browser.upload(&[&more, &behind]).await), @r"
    10001 too_large: This is more than can be sent at once: 10001 rows were changed together. Change them in smaller parts.
    10002 too_large transaction applied
    ");
    assert_snapshot!(app.rows("SELECT name FROM lists").await, @"Behind");
    assert_snapshot!(app.rows("SELECT table_name AS a, row_id AS b, operation AS c, code AS d FROM rejections WHERE changes IS NULL").await, @"todos t0 DELETE too_large");
}

#[tokio::test]
async fn an_outline_is_never_applied_and_leaves_a_notice() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let setup = [browser.put_list("l1", "Groceries"), browser.put_todo("t0", "l1", "Milk")];
    browser.upload(&[&setup]).await;
    let first = deletions(&mut browser, 1);
    browser.next_op_id = 20_000;
    let last = deletions(&mut browser, 1);
    let outline =
        Transaction { epoch: browser.epoch.clone(), changes: [first, last].concat(), omitted: Some(19_996) };
    let request = UploadRequest { transactions: vec![outline], ..browser.request(&[]) };
    let first: UploadResponse = browser.post(&request).await.json().await.unwrap();
    let again: UploadResponse = browser.post(&request).await.json().await.unwrap();
    assert_eq!(first, again);
    let verdicts = first.verdicts;
    assert_snapshot!(serde_json::to_string(&verdicts[0]).unwrap(), @r#"{"op_id":3,"outcome":"rejected","code":"too_large","reason":"This is more than can be sent at once: 19998 rows were changed together. Change them in smaller parts."}"#);
    assert_eq!((verdicts.len(), verdicts[1].op_id), (2, 20_000));
    assert_snapshot!(app.rows("SELECT id FROM todos").await, @"t0");
    assert_snapshot!(app.rows("SELECT code FROM rejections").await, @"too_large");
    let behind = [browser.put_list("l2", "Behind")];
    assert_snapshot!(browser.upload(&[&behind]).await, @"20001 applied");
}

#[tokio::test]
async fn a_request_of_too_many_changes_is_to_be_sent_in_parts() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let changes = deletions(&mut browser, MAX_CHANGES);
    let request = browser.request(&[&changes, &changes, &changes[..1]]);
    assert_eq!(browser.post(&request).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_snapshot!(app.rows("SELECT count(*) FROM uploads").await, @"0");
}

/// Uploads that touch the list `held` wait until this ends.
struct Held(sqlx::pool::PoolConnection<sqlx::Postgres>);

impl Held {
    async fn new(app: &TestApp, owner: &mut Browser) -> Held {
        let list = [owner.put_list("held", "Held")];
        owner.upload(&[&list]).await;
        let mut connection = app.pool.acquire().await.unwrap();
        connection.execute("BEGIN; SELECT FROM lists WHERE id = 'held' FOR UPDATE").await.unwrap();
        Held(connection)
    }

    async fn end(mut self) {
        self.0.acquire().await.unwrap().execute("COMMIT").await.unwrap();
    }
}

#[tokio::test]
async fn a_user_has_two_uploads_at_once() {
    let app = spawn_app().await;
    let (mut browser, mut other) = (app.browser().await, app.browser().await);
    let held = Held::new(&app, &mut browser).await;
    let mut requests = Vec::new();
    for client_id in ["phone", "laptop", "tablet"] {
        browser.client_id = client_id.to_owned();
        let change = [browser.patch("lists", "held", json!({ "name": client_id }))];
        requests.push(browser.request(&[&change]));
    }
    let third = async {
        app.waiting_for_locks(2).await;
        let refused = browser.post(&requests[2]).await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
        let list = [other.put_list("l1", "Of somebody else")];
        assert_snapshot!(other.upload(&[&list]).await, @"1 applied");
        held.end().await;
    };
    let (one, two, ()) = tokio::join!(browser.post(&requests[0]), browser.post(&requests[1]), third);
    assert_eq!((one.status(), two.status()), (StatusCode::OK, StatusCode::OK));
    assert_eq!(browser.post(&requests[2]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn large_uploads_keep_no_small_one_waiting() {
    let app = spawn_app().await;
    let (mut owner, mut other) = (app.browser().await, app.browser().await);
    let held = Held::new(&app, &mut owner).await;
    let long = "x".repeat(100_000);
    let mut large = Vec::new();
    for number in 0..3 {
        let mut browser = app.browser().await;
        let change = [
            browser.patch("lists", "nobody has this", json!({ "name": long })),
            // It waits for the row before it finds that the user has no right to it.
            browser.put_list("held", &number.to_string()),
        ];
        let request = browser.request(&[&change]);
        large.push((browser, request));
    }
    let small = async {
        // Two have their turn, the third waits for it.
        app.waiting_for_locks(2).await;
        let list = [other.put_list("l1", "Small")];
        assert_snapshot!(other.upload(&[&list]).await, @"1 applied");
        held.end().await;
    };
    let upload = |number: usize| large[number].0.post(&large[number].1);
    let (one, two, three, ()) = tokio::join!(upload(0), upload(1), upload(2), small);
    for response in [one, two, three] {
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn the_oldest_notice_makes_room_for_a_new_one() {
    let app = spawn_app().await;
    let (mut browser, mut other) = (app.browser().await, app.browser().await);
    let refused = [other.put_list("l1", "")];
    other.upload(&[&refused]).await;
    let many = format!(
        "INSERT INTO rejections (id, user_id, table_name, row_id, operation, code, reason, created_at)
         SELECT n, '{}', 'lists', 'l' || n, 'PUT', 'constraint', '', now() - n * interval '1 day' FROM generate_series(1, 1000) AS n",
        browser.user_id
    );
    app.pool.execute(many.as_str()).await.unwrap();
    let refused = [browser.put_list("l0", "")];
    browser.upload(&[&refused]).await;
    let notices = format!(
        "SELECT count(*) AS a, count(*) FILTER (WHERE row_id = 'l0') AS b, count(*) FILTER (WHERE row_id = 'l1000') AS c
         FROM rejections WHERE user_id = '{}'",
        browser.user_id
    );
    assert_snapshot!(app.rows(&notices).await, @"1000 1 0");
    assert_snapshot!(app.rows("SELECT row_id FROM rejections ORDER BY created_at DESC LIMIT 2").await, @r"
    l0
    l1
    ");
}

#[tokio::test]
async fn an_upload_waits_for_a_row_only_so_long_and_is_then_to_be_sent_again() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let held = Held::new(&app, &mut browser).await;
    let change = [browser.patch("lists", "held", json!({ "name": "Later" }))];
    let request = browser.request(&[&change]);
    let refused = browser.post(&request).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    held.end().await;
    assert_eq!(browser.post(&request).await.status(), StatusCode::OK);
    assert_snapshot!(app.rows("SELECT name FROM lists").await, @"Later");
}

#[tokio::test]
async fn a_user_has_as_many_rows_as_a_device_can_hold() {
    let app = spawn_app().await;
    let (mut browser, mut other) = (app.browser().await, app.browser().await);
    let setup = [browser.put_list("l1", "Full")];
    browser.upload(&[&setup]).await;
    let others = [other.put_list("l2", "Of somebody else")];
    other.upload(&[&others]).await;
    // With the list and its member, two less than there may be.
    app.pool
        .execute(
            "INSERT INTO todos (id, list_id, title) SELECT 'f' || n, 'l1', 'One of many' FROM generate_series(1, 99996) AS n;
             INSERT INTO todos (id, list_id, title) SELECT 'o' || n, 'l2', 'Of others' FROM generate_series(1, 10) AS n;
             UPDATE row_counts SET at_most = 100000",
        )
        .await
        .unwrap();
    let todos: Vec<_> = (0..4).map(|number| browser.put_todo(&format!("t{number}"), "l1", "Milk")).collect();
    let transactions: Vec<_> = todos.iter().map(std::slice::from_ref).collect();
    assert_snapshot!(browser.upload(&transactions).await, @r"
    2 applied
    3 applied
    4 too_many_rows: You have 100000 rows, and there can be no more. Delete what you do not need, or leave a list, and try again.
    5 too_many_rows: You have 100000 rows, and there can be no more. Delete what you do not need, or leave a list, and try again.
    ");
    // What makes no row is taken, and so is what takes the place of a deleted one.
    let more = [
        browser.patch("todos", "t0", json!({ "done": 1 })),
        browser.put_todo("t1", "l1", "Oat milk"),
        browser.delete("todos", "f1"),
        browser.put_todo("t4", "l1", "Bread"),
    ];
    let transactions: Vec<_> = more.iter().map(std::slice::from_ref).collect();
    assert_snapshot!(browser.upload(&transactions).await, @r"
    6 applied
    7 applied
    8 applied
    9 applied
    ");
    assert_snapshot!(app.rows("SELECT count(*) FROM rejections WHERE code = 'too_many_rows'").await, @"2");
    let list = [other.put_list("l3", "Small")];
    assert_snapshot!(other.upload(&[&list]).await, @"2 applied");
}
