//! The rows in pages: those that their user may read, and nobody else's.

use std::sync::Arc;

use reqwest::{StatusCode, header};
use schema::upload::Operation;
use serde_json::json;

use crate::helpers::{Browser, TestApp, TestDatabase, environment, get, spawn_app, spawn_app_in};

const INVITATION: &str = "11111111-1111-4111-8111-111111111111";

/// A page as `browser` gets it.
async fn page(browser: &Browser, path: &str) -> String {
    let response = get(&browser.url, path, Some(&browser.cookie)).await;
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store", "{path}");
    // Hydration's marks stand between what belongs together.
    response.text().await.unwrap().replace("<!>", "")
}

/// Somebody with a list of two todos, one of them done.
async fn owner_of_a_list(app: &TestApp) -> Browser {
    let mut owner = app.browser().await;
    let changes = [
        owner.put_list("l1", "Groceries & <more>"),
        owner.put_todo("t1", "l1", "Milk"),
        owner.put_todo("t2", "l1", "Bread"),
        owner.patch("todos", "t2", json!({ "done": 1 })),
        owner.change(
            Operation::Put,
            "invitations",
            INVITATION,
            json!({ "list_id": "l1", "role": "reader", "created_at": "2026-11-22T16:22:09.954000Z" }),
        ),
    ];
    owner.upload(&[&changes]).await;
    owner
}

#[tokio::test]
async fn a_page_comes_with_its_users_rows() {
    let app = spawn_app().await;
    let owner = owner_of_a_list(&app).await;

    let lists = page(&owner, "/").await;
    assert!(lists.contains("Groceries &amp; &lt;more&gt;</a>"), "{lists}");
    assert!(lists.contains("1 of 2 done"), "{lists}");
    assert!(!lists.contains("skeleton"), "{lists}");

    let list = page(&owner, "/lists/l1").await;
    assert!(list.contains("<h1>Groceries &amp; &lt;more&gt;</h1>"), "{list}");
    assert!(list.contains("<title>Groceries &amp; &lt;more&gt; · "), "{list}");
    let checkboxes: Vec<_> =
        list.split("type=\"checkbox\"").skip(1).map(|rest| rest.split('>').next().unwrap()).collect();
    assert!(!checkboxes[0].contains("checked") && checkboxes[1].contains("checked"), "{checkboxes:?}");
    assert!(
        list.contains(&format!("/join/{INVITATION}\"")),
        "what is asked for once it is known who owns the list: {list}"
    );
}

#[tokio::test]
async fn a_reader_is_shown_what_readers_may_do() {
    let app = spawn_app().await;
    let (_owner, reader) = (owner_of_a_list(&app).await, app.browser().await);
    sqlx::query("INSERT INTO members (list_id, user_id, role) VALUES ('l1', $1, 'reader')")
        .bind(&reader.user_id)
        .execute(&app.pool)
        .await
        .unwrap();
    let list = page(&reader, "/lists/l1").await;
    for there in ["Milk", "You can read this list.", "Leave list"] {
        assert!(list.contains(there), "{there}: {list}");
    }
    for not_there in ["Add todo", "Edit Milk", INVITATION] {
        assert!(!list.contains(not_there), "{not_there}: {list}");
    }
}

#[tokio::test]
async fn who_has_nothing_is_told_so_at_once() {
    let app = spawn_app().await;
    let browser = app.browser().await;
    assert!(page(&browser, "/").await.contains("No lists yet."));
}

#[tokio::test]
async fn nobody_gets_rows_of_somebody_else() {
    let app = spawn_app().await;
    let (owner, stranger) = (owner_of_a_list(&app).await, app.browser().await);
    for path in ["/", "/lists/l1", "/lists/l1?skeleton", "/join/l1", "/account"] {
        let page = page(&stranger, path).await;
        for secret in ["Groceries", "Milk", INVITATION, &owner.user_id] {
            assert!(!page.contains(secret), "{secret} on {path}: {page}");
        }
    }
    assert!(!get(&app.url, "/lists/l1", None).await.text().await.unwrap().contains("Milk"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pages_that_are_rendered_at_once_do_not_mix() {
    let app = spawn_app().await;
    let mut owners = Vec::new();
    for name in ["Apples", "Bricks"] {
        let mut owner = app.browser().await;
        let changes = [owner.put_list(name, name), owner.put_todo(&format!("{name} todo"), name, name)];
        owner.upload(&[&changes]).await;
        owners.push((name, owner));
    }
    let owners: &'static _ = owners.leak();
    for _ in 0..20 {
        let pages = (0..4).flat_map(|_| owners).map(|(name, owner)| {
            tokio::spawn(async move {
                let page = page(owner, &format!("/lists/{name}")).await;
                assert!(page.contains(&format!("<title>{name} · ")), "{page}");
                assert!(page.contains(&format!("<span>{name}</span>")), "{page}");
            })
        });
        for page in pages.collect::<Vec<_>>() {
            page.await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_a_user_sees_is_up_to_the_policies() {
    let app = spawn_app().await;
    let owner = owner_of_a_list(&app).await;
    sqlx::query("ALTER POLICY todos_read ON todos USING (title = 'Milk')").execute(&app.pool).await.unwrap();
    sqlx::query("DROP POLICY todos_write ON todos").execute(&app.pool).await.unwrap();
    let list = page(&owner, "/lists/l1").await;
    assert!(list.contains("Milk") && !list.contains("Bread"), "{list}");
}

#[tokio::test]
async fn a_session_that_has_ended_gets_no_rows() {
    let app = spawn_app().await;
    let mut owner = owner_of_a_list(&app).await;
    sqlx::query("DELETE FROM sessions").execute(&app.pool).await.unwrap();
    owner.cookie += &format!(
        "; {}={}",
        owner.cookie.split('=').next().unwrap().replace("session_", "user_"),
        owner.user_id
    );
    let list = page(&owner, "/lists/l1").await;
    assert!(!list.contains("Milk") && list.contains("skeleton"), "{list}");
}

#[tokio::test]
async fn a_skeleton_is_the_same_for_all_rows() {
    let app = spawn_app().await;
    let owner = owner_of_a_list(&app).await;
    let body = async |path: &str| {
        let page = page(&owner, path).await;
        assert!(page.contains("skeleton"), "{page}");
        // Each page has a nonce of its own before the body and after it.
        page.split_once("<body>").unwrap().1.split_once("</body>").unwrap().0.to_owned()
    };
    assert_eq!(body("/lists/l1?skeleton").await, body("/lists/offline?skeleton").await);
    assert!(!body("/?skeleton").await.contains("Groceries"));
}

#[tokio::test]
async fn an_address_that_means_harm_is_a_page_without_rows() {
    let app = spawn_app().await;
    let owner = owner_of_a_list(&app).await;
    for id in ["%00", "l1%00", "%27%20OR%20%271%27%3D%271", "%ff%fe", "$1", "l1%2F..", &"l".repeat(4000)] {
        let page = page(&owner, &format!("/lists/{id}")).await;
        assert!(!page.contains("Milk"), "{id}: {page}");
    }
    assert!(page(&owner, "/lists/l1").await.contains("Milk"));
}

#[tokio::test]
async fn a_long_result_is_cut() {
    let app = spawn_app().await;
    let owner = owner_of_a_list(&app).await;
    let todos = "INSERT INTO todos (id, list_id, title) SELECT n, 'l1', 'Item ' || n FROM generate_series(1, 1000) AS n";
    sqlx::query(todos).execute(&app.pool).await.unwrap();
    let list = page(&owner, "/lists/l1").await;
    assert_eq!(list.matches("type=\"checkbox\"").count(), 200);
}

#[tokio::test]
async fn without_the_database_for_reading_a_page_is_a_skeleton() {
    let database = Arc::new(TestDatabase::create().await);
    let mut environment = environment(database.options.clone());
    environment.pooled_database = environment.pooled_database.host("127.0.0.1").port(1);
    let app = spawn_app_in(database, environment).await;
    let owner = owner_of_a_list(&app).await;
    let list = page(&owner, "/lists/l1").await;
    assert!(list.contains("skeleton") && !list.contains("Milk"), "{list}");
}
