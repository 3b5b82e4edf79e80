//! Guests, from the first upload to the time when nobody remembers them, and users who are gone for good.

use reqwest::{Client, StatusCode, header};
use schema::TABLES;
use serde_json::{Value, json};
use sqlx::Executor;

use crate::helpers::{Browser, TestDatabase, cookie, get, spawn_app};

/// Each time from another address, because of the limit for each.
async fn leave(browser: &Browser) -> StatusCode {
    let request = Client::new().post(format!("{}/api/account/delete", browser.url));
    let address: u8 = browser.user_id.bytes().fold(0, u8::wrapping_add);
    let request = request.header("x-forwarded-for", format!("203.0.113.{address}"));
    request.header(header::COOKIE, &browser.cookie).json(&json!({})).send().await.unwrap().status()
}

#[tokio::test]
async fn a_guest_is_remembered_for_as_long_as_they_come_back() {
    let app = spawn_app().await;
    let browser = app.browser().await;
    app.pool.execute("UPDATE users SET seen_at = now() - interval '300 days'").await.unwrap();
    // The same cookie, given out two days ago.
    let (name, value) = browser.cookie.split_once('=').unwrap();
    let old = app.guest_cookie(&browser.user_id, 2 * 24 * 60 * 60);
    let old = format!("{name}={old}");
    assert_ne!(old, format!("{name}={value}"));

    let answer = get(&app.url, "/api/powersync/token", Some(&old)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_ne!(cookie(&answer), None, "it lasts for another 400 days");
    assert_eq!(app.rows("SELECT seen_at > now() - interval '1 minute' AS now FROM users").await, "true");
    let next = get(&app.url, "/api/powersync/token", cookie(&answer).as_deref()).await;
    assert_eq!(cookie(&next), None, "once a day is enough");

    let ancient = app.guest_cookie(&browser.user_id, 401 * 24 * 60 * 60);
    let answer = get(&app.url, "/api/powersync/token", Some(&format!("{name}={ancient}"))).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn guests_who_cannot_come_back_are_deleted_and_nobody_else() {
    let app = spawn_app().await;
    let users = "
        INSERT INTO users (id, name, password_hash) VALUES ('account', 'Ann', '');
        INSERT INTO users (id) VALUES ('idle'), ('sharing'), ('with them');
        INSERT INTO lists (id, owner_id, name) VALUES ('a', 'idle', 'Alone'), ('b', 'sharing', 'Shared');
        INSERT INTO members (list_id, user_id, role) VALUES ('b', 'with them', 'editor');
        UPDATE users SET seen_at = now() - interval '402 days' WHERE id <> 'with them';
        INSERT INTO users (id, seen_at) VALUES ('away', now() - interval '399 days');
        INSERT INTO deleted_users (id, deleted_at) VALUES ('long ago', now() - interval '402 days'), ('late', now() - interval '399 days');
        INSERT INTO sessions (id, user_id, expiry_date) VALUES ('old', 'account', now() - interval '1 minute'), ('new', 'account', now() + interval '1 day');
    ";
    app.pool.execute(users).await.unwrap();
    let left = "SELECT
        (SELECT string_agg(id, ' ' ORDER BY id) FROM users) AS a,
        (SELECT string_agg(id, ' ' ORDER BY id) FROM lists) AS b,
        (SELECT string_agg(id, ' ' ORDER BY id) FROM deleted_users) AS c,
        (SELECT string_agg(id, ' ' ORDER BY id) FROM sessions) AS d";
    app.tidied_up(left, "account away sharing with them b idle late new").await;
}

#[tokio::test]
async fn a_deleted_user_stays_deleted() {
    let app = spawn_app().await;
    for mut browser in [app.browser().await, app.newcomer().await] {
        let list = [browser.put_list("l1", "Queued")];
        let request = browser.request(&[&list]);
        assert_eq!(leave(&browser).await, StatusCode::NO_CONTENT);
        assert_eq!(browser.post(&request).await.status(), StatusCode::UNAUTHORIZED);
        let token = get(&app.url, "/api/powersync/token", Some(&browser.cookie)).await;
        assert_eq!(token.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(leave(&browser).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(app.rows("SELECT id FROM users UNION ALL SELECT id FROM lists").await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_upload_at_the_moment_of_deletion_makes_nobody() {
    let app = spawn_app().await;
    for round in 0..100 {
        let mut browser = app.newcomer().await;
        let list = [browser.put_list(&format!("l{round}"), "Queued")];
        let request = browser.request(&[&list]);
        let (upload, again, left) =
            tokio::join!(browser.post(&request), browser.post(&request), leave(&browser));
        assert_eq!(left, StatusCode::NO_CONTENT);
        for status in [upload.status(), again.status()] {
            assert!(
                [StatusCode::OK, StatusCode::UNAUTHORIZED].contains(&status) || status.is_server_error(),
                "{status}"
            );
        }
        assert_eq!(browser.post(&request).await.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(app.rows("SELECT id FROM users UNION ALL SELECT id FROM lists").await, "");
}

#[tokio::test]
async fn a_deleted_account_leaves_no_session() {
    let app = spawn_app().await;
    let browser = app.newcomer().await;
    let create =
        Client::new().post(format!("{}/api/account", app.url)).header(header::COOKIE, &browser.cookie);
    let created = create.json(&json!({ "name": "Ann", "password": "correct horse" })).send().await.unwrap();
    let session = cookie(&created).unwrap();
    assert_eq!(
        get(&app.url, "/api/account", Some(&browser.cookie)).await.status(),
        StatusCode::UNAUTHORIZED,
        "the guest's cookie does not open the account"
    );
    let sign_in = Client::new().post(format!("{}/api/account/sign-in", app.url));
    let elsewhere =
        sign_in.json(&json!({ "name": "Ann", "password": "correct horse" })).send().await.unwrap();
    let elsewhere = cookie(&elsewhere).unwrap();
    assert_eq!(app.rows("SELECT count(*) FROM sessions").await, "2");

    let delete =
        Client::new().post(format!("{}/api/account/delete", app.url)).header(header::COOKIE, &session);
    let deleted = delete.json(&json!({ "password": "correct horse" })).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(app.rows("SELECT count(*) FROM sessions").await, "0");
    for cookie in [&session, &elsewhere, &browser.cookie] {
        assert_eq!(get(&app.url, "/api/account", Some(cookie)).await.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn sessions_from_before_go_on() {
    // As an older server has written them, one in the user's last generation and one in the one before.
    let database = TestDatabase::create().await;
    let pool = sqlx::PgPool::connect_with(database.options.clone()).await.unwrap();
    let mut migrations = sqlx::migrate!("../migrations");
    let all = migrations.migrations.clone();
    migrations.migrations = all.iter().filter(|migration| migration.version < 10).cloned().collect();
    migrations.run(&pool).await.unwrap();
    let sessions = "
        INSERT INTO users (id) VALUES ('7b66ff8b-4d01-4deb-b248-1df4a9fea1fb'), ('e875749b-ca4c-440d-8009-76a353b318e7');
        UPDATE users SET session_generation = 1 WHERE id LIKE 'e875%';
        INSERT INTO sessions (id, data, expiry_date) VALUES
        ('EdIBYn3jTGw2cxx8pURYPA', '\\x93c4103c5844a57c1c73366c4ce37d6201d21183aa72656e657765645f6174ce6b06dcb0a7757365725f6964d92437623636666638622d346430312d346465622d623234382d316466346139666561316662aa67656e65726174696f6e0099cd07ebcd016c0d032dce00679567000000', now() + interval '400 days'),
        ('HXqv-U3TsmCSrvkRPcv8jg', '\\x93c4108efccb3d11f9ae9260b2d34df9af7a1d83a7757365725f6964d92465383735373439622d636134632d343430642d383030392d373661333533623331386537aa67656e65726174696f6e00aa72656e657765645f6174ce6b06dcaa99cd07ebcd016c0d0326ce1cc3810e000000', now() + interval '400 days');
    ";
    pool.execute(sessions).await.unwrap();
    let app = crate::helpers::spawn_app_on(database.into(), (*pool.connect_options()).clone()).await;
    let name = app.session_cookie_name();
    let whose = async |id: &str| get(&app.url, "/api/account", Some(&format!("{name}={id}"))).await;
    let account: Value = whose("EdIBYn3jTGw2cxx8pURYPA").await.json().await.unwrap();
    assert_eq!(account["user_id"], "7b66ff8b-4d01-4deb-b248-1df4a9fea1fb");
    assert_eq!(whose("HXqv-U3TsmCSrvkRPcv8jg").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn people_take_their_data_along() {
    let app = spawn_app().await;
    let (mut browser, mut other) = (app.browser().await, app.browser().await);
    let own = [browser.put_list("l1", "Groceries \"and\" more"), browser.put_todo("t1", "l1", "Milk")];
    browser.upload(&[&own]).await;
    let many = "INSERT INTO todos (id, list_id, title) SELECT 'n' || n, 'l1', 'Item' FROM generate_series(1, 200) AS n";
    app.pool.execute(many).await.unwrap();
    let others = [other.put_list("l2", "Secret")];
    other.upload(&[&others]).await;

    let answer = get(&app.url, "/api/account/export", Some(&browser.cookie)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(answer.headers()[header::CONTENT_DISPOSITION], "attachment; filename=\"my-data.json\"");
    let data: Value = answer.json().await.unwrap();
    assert_eq!(data["user"], json!({ "id": browser.user_id, "name": null }));
    assert_eq!(data["lists"].as_array().unwrap().len(), 1);
    assert_eq!(data["lists"][0]["name"], "Groceries \"and\" more");
    assert_eq!(data["todos"].as_array().unwrap().len(), 201);
    assert_eq!(data["members"][0]["role"], "owner");
    assert!(!data.to_string().contains("Secret"));
    for table in TABLES {
        assert!(data[table.name].is_array(), "{}", table.name);
    }

    let nobody = get(&app.url, "/api/account/export", None).await;
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    let again = async || get(&app.url, "/api/account/export", Some(&browser.cookie)).await.status();
    for _ in 0..4 {
        assert_eq!(again().await, StatusCode::OK);
    }
    assert_eq!(again().await, StatusCode::TOO_MANY_REQUESTS);
}
