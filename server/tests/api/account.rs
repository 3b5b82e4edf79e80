//! Accounts: making one, signing in and out, a new password, and leaving.

use insta::assert_snapshot;
use reqwest::{Client, StatusCode, header};
use schema::upload::Operation;
use serde_json::{Value, json};

use crate::helpers::{Browser, TestApp, cookie, get, spawn_app};

const PASSWORD: &str = "correct horse";

/// A browser with cookies.
struct Visitor<'a> {
    app: &'a TestApp,
    client: Client,
}

impl<'a> Visitor<'a> {
    /// It has opened the first page, and so is a guest, of whom something has been kept.
    async fn new(app: &'a TestApp) -> Visitor<'a> {
        let client = Client::builder().cookie_store(true).build().unwrap();
        let visitor = Visitor { app, client };
        let guest = visitor.page().await;
        sqlx::query("INSERT INTO users (id) VALUES ($1)").bind(guest).execute(&app.pool).await.unwrap();
        visitor
    }

    /// The user that the first page names.
    async fn page(&self) -> Option<String> {
        let page = self.client.get(&self.app.url).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK);
        let html = page.text().await.unwrap();
        let session = html.split("name=\"session\" content=\"").nth(1).unwrap().split('"').next().unwrap();
        let session: Value = serde_json::from_str(&session.replace("&quot;", "\"")).unwrap();
        session["user_id"].as_str().map(str::to_owned)
    }

    /// The status, and what is said besides it.
    async fn post(&self, path: &str, body: Value) -> String {
        let response = self.client.post(format!("{}{path}", self.app.url)).json(&body).send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let said: Value = serde_json::from_str(&text).unwrap_or_default();
        let said = said["error"].as_str().or(said["name"].as_str()).unwrap_or_default();
        format!("{status} {said}").trim_end().to_owned()
    }

    async fn account(&self) -> (StatusCode, Value) {
        let answer = self.client.get(format!("{}/api/account", self.app.url)).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn create(&self, name: &str) -> String {
        self.post("/api/account", json!({ "name": name, "password": PASSWORD })).await
    }

    async fn sign_in(&self, name: &str, password: &str) -> String {
        self.post("/api/account/sign-in", json!({ "name": name, "password": password })).await
    }
}

#[tokio::test]
async fn a_guest_makes_an_account_and_stays_the_same_user() {
    let app = spawn_app().await;
    let visitor = Visitor::new(&app).await;
    let guest = visitor.page().await.unwrap();
    sqlx::query("INSERT INTO lists (id, owner_id, name) VALUES ('l', $1, 'Kept')")
        .bind(&guest)
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(visitor.account().await.1, json!({ "user_id": guest, "name": null }));

    assert_snapshot!(visitor.create(" Ann ").await, @"200 Ann");
    assert_eq!(visitor.page().await.as_ref(), Some(&guest));
    assert_eq!(visitor.account().await.1, json!({ "user_id": guest, "name": "Ann" }));
    assert_eq!(app.rows("SELECT name FROM members").await, "Ann", "the people on a list read the name");
    assert!(app.rows("SELECT password_hash FROM users").await.starts_with("$argon2id$"));
    assert_snapshot!(visitor.create("Ann").await, @"409 You have an account already.");

    let elsewhere = Visitor::new(&app).await;
    assert_ne!(elsewhere.page().await.as_ref(), Some(&guest));
    for alike in ["aNN", "Аnn", "Αnn", "ＡＮＮ"] {
        let answer = elsewhere.create(alike).await;
        assert!(
            answer.starts_with("409 Somebody has this name already") || answer.starts_with("422 "),
            "{alike}: {answer}"
        );
    }
    assert_snapshot!(elsewhere.sign_in("ann", PASSWORD).await, @"200 Ann");
    assert_eq!(elsewhere.page().await, Some(guest));
}

#[tokio::test]
async fn a_name_and_a_password_have_a_form() {
    let app = spawn_app().await;
    let visitor = Visitor::new(&app).await;
    for name in ["", "  ", "\0", &"x".repeat(61)] {
        assert_eq!(visitor.create(name).await, "422 A name must have 1 to 60 characters.", "{name:?}");
    }
    for name in ["\u{200b}", "Ann\u{202e}", "a\u{7}b", "Аnn", "Änn 🐎"] {
        assert!(
            visitor.create(name).await.starts_with("422 A name may have letters of one alphabet"),
            "{name:?}"
        );
    }
    let short = json!({ "name": "Ann", "password": "1234567" });
    assert_snapshot!(visitor.post("/api/account", short).await, @"422 A password must have at least 8 characters.");
    assert!(visitor.post("/api/account", json!({ "name": 1 })).await.starts_with("400 "));
    assert!(visitor.create(&"x".repeat(17 * 1024)).await.starts_with("413 "));
    let nobody = Client::new().post(format!("{}/api/account", app.url));
    let nobody = nobody.json(&json!({ "name": "Ann", "password": PASSWORD })).send().await.unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
    // As long as it gets, and with every kind of letter.
    let long = json!({ "name": " Änn\u{3000}Lee ", "password": "🐎".repeat(1000) });
    assert_snapshot!(visitor.post("/api/account", long.clone()).await, @"200 Änn Lee");
    assert_snapshot!(Visitor::new(&app).await.post("/api/account/sign-in", long).await, @"200 Änn Lee");
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_are_told_apart_by_nobody() {
    let app = spawn_app().await;
    Visitor::new(&app).await.create("Ann").await;
    let visitor = Visitor::new(&app).await;
    let guest = visitor.page().await;
    for (name, password) in [("Ann", "wrong horse"), ("Bob", PASSWORD), ("", ""), ("\0", "\0")] {
        assert_eq!(
            visitor.sign_in(name, password).await,
            "401 The name or the password is wrong.",
            "{name:?}"
        );
    }
    assert_eq!(visitor.page().await, guest, "who does not get in stays who they are");
}

#[tokio::test]
async fn signing_in_begins_a_session_with_an_id_of_its_own() {
    let app = spawn_app().await;
    Visitor::new(&app).await.create("Ann").await;
    let known = cookie(&get(&app.url, "/", None).await).unwrap();
    let sign_in =
        Client::new().post(format!("{}/api/account/sign-in", app.url)).header(header::COOKIE, &known);
    let answer = sign_in.json(&json!({ "name": "Ann", "password": PASSWORD })).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let new = cookie(&answer).unwrap();
    assert_ne!(new, known);
    let removed = answer.headers().get_all(header::SET_COOKIE).iter().any(|cookie| {
        let cookie = cookie.to_str().unwrap();
        cookie.starts_with("guest_") && cookie.contains("Max-Age=0")
    });
    assert!(removed, "the guest's cookie is taken from the browser");
    let whose = async |cookie: &str| get(&app.url, "/api/account", Some(cookie)).await;
    let account: Value = whose(&new).await.json().await.unwrap();
    assert_eq!(account["name"], "Ann");
    let late = whose(&known).await;
    assert!(
        late.headers().get(header::SET_COOKIE).is_none(),
        "a late request must not take the new cookie away"
    );
}

#[tokio::test]
async fn who_has_signed_out_is_nobody_and_then_a_new_guest() {
    let app = spawn_app().await;
    let visitor = Visitor::new(&app).await;
    visitor.create("Ann").await;
    let ann = visitor.page().await;
    let sign_out = visitor.client.post(format!("{}/api/account/sign-out", app.url)).send().await.unwrap();
    assert_eq!(sign_out.status(), StatusCode::NO_CONTENT);
    let removed: Vec<_> = sign_out.headers().get_all(header::SET_COOKIE).iter().collect();
    assert_eq!(removed.len(), 2, "both cookies: {removed:?}");
    assert_eq!(visitor.account().await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(app.rows("SELECT count(*) FROM sessions").await, "0");
    let guest = visitor.page().await;
    assert!(guest.is_some() && guest != ann);
    assert_snapshot!(visitor.post("/api/account/sign-out", json!({})).await, @"204");
    assert_snapshot!(visitor.post("/api/account/sign-out", json!({})).await, @"204");
}

#[tokio::test]
async fn a_session_that_was_revoked_makes_no_guest_but_asks_to_sign_in() {
    let app = spawn_app().await;
    let visitor = Visitor::new(&app).await;
    visitor.create("Ann").await;
    let ann = visitor.page().await;
    sqlx::query("DELETE FROM sessions").execute(&app.pool).await.unwrap();
    for _ in 0..2 {
        assert_eq!(visitor.page().await, None);
    }
    assert_eq!(visitor.account().await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(app.rows("SELECT count(*) FROM users").await, "1");
    visitor.sign_in("Ann", PASSWORD).await;
    assert_eq!(visitor.page().await, ann);
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let app = spawn_app().await;
    let (here, there) = (Visitor::new(&app).await, Visitor::new(&app).await);
    here.create("Ann").await;
    there.sign_in("Ann", PASSWORD).await;
    let change = async |current: &str, new: &str| {
        here.post("/api/account/password", json!({ "current": current, "new": new })).await
    };
    assert_snapshot!(change("wrong horse", "battery staple").await, @"403 The password is wrong.");
    assert_snapshot!(change(PASSWORD, "short").await, @"422 A password must have at least 8 characters.");
    assert_eq!(there.account().await.0, StatusCode::OK);

    assert_snapshot!(change(PASSWORD, "battery staple").await, @"204");
    assert_eq!(here.account().await.0, StatusCode::OK);
    assert_eq!(there.account().await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(there.page().await, None);
    assert_snapshot!(there.sign_in("Ann", PASSWORD).await, @"401 The name or the password is wrong.");
    assert_snapshot!(there.sign_in("Ann", "battery staple").await, @"200 Ann");
}

#[tokio::test]
async fn who_leaves_takes_everything_along() {
    let app = spawn_app().await;
    let (ann, bob) = (Visitor::new(&app).await, Visitor::new(&app).await);
    ann.create("Ann").await;
    let (ann_id, bob_id) = (ann.page().await.unwrap(), bob.page().await.unwrap());
    for (id, owner) in [("a", &ann_id), ("b", &bob_id)] {
        let list = "INSERT INTO lists (id, owner_id, name) VALUES ($1, $2, 'List')";
        sqlx::query(list).bind(id).bind(owner).execute(&app.pool).await.unwrap();
    }
    sqlx::query("INSERT INTO members (list_id, user_id, role) VALUES ('b', $1, 'editor')")
        .bind(&ann_id)
        .execute(&app.pool)
        .await
        .unwrap();
    assert_snapshot!(ann.post("/api/account/delete", json!({ "password": null })).await, @"403 The password is wrong.");
    assert_snapshot!(ann.post("/api/account/delete", json!({ "password": PASSWORD })).await, @"204");
    assert_eq!(app.rows("SELECT id FROM users").await, bob_id);
    assert_eq!(app.rows("SELECT id FROM lists").await, "b");
    assert_eq!(app.rows("SELECT role FROM members").await, "owner");
    assert_eq!(ann.account().await.0, StatusCode::UNAUTHORIZED);
    // A guest has no password.
    assert_snapshot!(bob.post("/api/account/delete", json!({})).await, @"204");
    assert_eq!(app.rows("SELECT count(*) FROM users").await, "0");
}

#[tokio::test]
async fn another_sites_page_can_do_nothing() {
    let app = spawn_app().await;
    let browser = app.browser().await;
    for path in
        ["/api/account", "/api/account/sign-in", "/api/account/sign-out", "/api/account/delete", "/api/sync"]
    {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("origin", "https://evil.example"),
        ] {
            let post =
                Client::new().post(format!("{}{path}", app.url)).header(header::COOKIE, &browser.cookie);
            let answer = post.header(name, value).json(&json!({})).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{path} {name}: {value}");
        }
    }
    assert_eq!(app.rows("SELECT count(*) FROM users").await, "1");
    let ours = Client::new().post(format!("{}/api/account/sign-out", app.url)).header("origin", &app.url);
    assert_eq!(ours.send().await.unwrap().status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn guessing_a_password_takes_forever() {
    let app = spawn_app().await;
    Visitor::new(&app).await.create("Ann").await;
    let guesser = Visitor::new(&app).await;
    for _ in 0..10 {
        assert_eq!(guesser.sign_in("Ann", "guess guess").await, "401 The name or the password is wrong.");
    }
    for name in ["Ann", "ANN", " ann ", "A\0nn"] {
        let answer = guesser.sign_in(name, PASSWORD).await;
        assert!(answer.starts_with("429 That was too often. Try again in "), "{name:?}: {answer}");
    }
    assert!(guesser.sign_in("Bob", PASSWORD).await.starts_with("401 "), "another name, another limit");
}

#[tokio::test]
async fn one_address_makes_so_many_guests_and_no_more() {
    let app = spawn_app().await;
    let page = async |address: &str| {
        let request = Client::new().get(&app.url).header("x-forwarded-for", address);
        request.send().await.unwrap()
    };
    let first_upload = async |address: &str| {
        let guest = cookie(&page(address).await).unwrap();
        let upload = Client::new().post(format!("{}/api/sync", app.url)).header("x-forwarded-for", address);
        let nothing = json!({ "client_id": "browser", "transactions": [] });
        upload.header(header::COOKIE, guest).json(&nothing).send().await.unwrap()
    };
    let mut made = 0;
    let refused = loop {
        let answer = first_upload("203.0.113.7").await;
        if answer.status() != StatusCode::OK {
            break answer;
        }
        made += 1;
        assert!(made < 300, "there is a limit");
    };
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    assert!(refused.text().await.unwrap().contains("That was too often. Try again in "));
    assert!(made >= 200, "{made}");
    assert_eq!(app.rows("SELECT count(*) FROM users").await, made.to_string());
    assert_eq!(page("203.0.113.7").await.status(), StatusCode::OK, "to look costs nothing");
    assert_eq!(first_upload("203.0.113.8").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn changes_of_one_user_are_never_taken_for_anothers() {
    let app = spawn_app().await;
    let (mut ann, bob) = (app.browser().await, app.browser().await);
    let list = [ann.put_list("l", "Of Ann")];
    // The browser is Bob's by now, and the page still Ann's.
    let page = Browser { cookie: bob.cookie.clone(), ..ann };
    let request = page.request(&[&list]);
    assert_eq!(page.post(&request).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(app.rows("SELECT count(*) FROM lists").await, "0");
    let mut page = page;
    page.user_id.clone_from(&bob.user_id);
    let own =
        [page.change(Operation::Put, "lists", "b", json!({ "owner_id": bob.user_id, "name": "Of Bob" }))];
    assert!(page.upload(&[&own]).await.ends_with(" applied"));
}
