//! Invitations, and what members may upload.

use std::sync::Arc;

use insta::assert_snapshot;
use reqwest::{Client, Response, StatusCode, header};
use schema::upload::{Change, Operation};
use serde_json::{Value, json};

use crate::{
    helpers::{Browser, TestApp, TestDatabase, get, spawn_app, spawn_app_on},
    line::Line,
    log::Log,
};

const EDITORS: &str = "11111111-1111-4111-8111-111111111111";
const READERS: &str = "22222222-2222-4222-8222-222222222222";

/// An owner with a list, a todo and two invitations, and somebody else.
async fn app_with_invitations() -> (TestApp, Browser, Browser) {
    let app = spawn_app().await;
    let (mut owner, other) = (app.browser().await, app.browser().await);
    let changes = [
        owner.put_list("l1", "Groceries"),
        owner.put_todo("t1", "l1", "Milk"),
        invitation(&mut owner, EDITORS, "editor"),
        invitation(&mut owner, READERS, "reader"),
    ];
    assert_snapshot!(owner.upload(&[&changes]).await, @r"
    1 applied
    2 applied
    3 applied
    4 applied
    ");
    (app, owner, other)
}

/// As pages send it that know of neither an end nor uses.
fn invitation(owner: &mut Browser, id: &str, role: &str) -> Change {
    let data = json!({ "list_id": "l1", "role": role, "created_at": "2026-11-22T16:22:09.954000Z" });
    owner.change(Operation::Put, "invitations", id, data)
}

/// What `GET /api/invitations/{id}` answers.
async fn preview(browser: &Browser, id: &str) -> Value {
    let response = get(&browser.url, &format!("/api/invitations/{id}"), Some(&browser.cookie)).await;
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    response.json().await.unwrap()
}

async fn post_join(url: &str, id: &str, cookie: &str) -> Response {
    let request = Client::new().post(format!("{url}/api/invitations/{id}/join"));
    request.header(header::COOKIE, cookie).send().await.unwrap()
}

/// Joins, which must succeed.
async fn join(browser: &Browser, id: &str) {
    let response = post_join(&browser.url, id, &browser.cookie).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.json::<Value>().await.unwrap(), json!({ "list_id": "l1" }));
}

/// The roles of the members, the owner first.
async fn roles(app: &TestApp) -> String {
    app.rows("SELECT role FROM members ORDER BY created_at").await.replace('\n', " ")
}

async fn member_id(app: &TestApp, browser: &Browser) -> String {
    app.rows(&format!("SELECT id FROM members WHERE user_id = '{}'", browser.user_id)).await
}

#[tokio::test]
async fn a_link_says_what_it_is_for_and_makes_a_member() {
    let (app, _owner, editor) = app_with_invitations().await;
    let reader = app.browser().await;
    let invitation =
        |role, member| json!({ "list_id": "l1", "list_name": "Groceries", "role": role, "member": member });

    assert_eq!(preview(&editor, EDITORS).await, invitation("editor", false));
    assert_eq!(roles(&app).await, "owner", "to look is not to join");
    join(&editor, EDITORS).await;
    assert_eq!(preview(&editor, EDITORS).await, invitation("editor", true));
    join(&reader, READERS).await;
    assert_eq!(roles(&app).await, "owner editor reader");
    join(&reader, READERS).await;
    assert_eq!(roles(&app).await, "owner editor reader", "to join twice is to join once");
}

#[tokio::test]
async fn a_link_raises_a_reader_to_an_editor_and_lowers_nobody() {
    let (app, owner, other) = app_with_invitations().await;
    join(&other, READERS).await;
    assert_eq!(preview(&other, EDITORS).await["member"], false, "there is something to gain");
    join(&other, EDITORS).await;
    assert_eq!(roles(&app).await, "owner editor");
    assert_eq!(preview(&other, READERS).await["member"], true);
    join(&other, READERS).await;
    assert_eq!(roles(&app).await, "owner editor");

    assert_eq!(preview(&owner, READERS).await["member"], true);
    join(&owner, READERS).await;
    join(&owner, EDITORS).await;
    assert_eq!(roles(&app).await, "owner editor");
}

#[tokio::test]
async fn a_member_has_the_name_of_their_account() {
    let (app, _owner, mut other) = app_with_invitations().await;
    join(&other, READERS).await;
    let name = "SELECT coalesce(name, 'a guest') AS name FROM members WHERE role = 'reader'";
    assert_eq!(app.rows(name).await, "a guest");
    sqlx::query("UPDATE users SET name = 'Ann', password_hash = '' WHERE id = $1")
        .bind(&other.user_id)
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(app.rows(name).await, "Ann");
    other.cookie = app.session_of(&other.user_id).await;
    sqlx::query("DELETE FROM members WHERE role = 'reader'").execute(&app.pool).await.unwrap();
    join(&other, READERS).await;
    assert_eq!(app.rows(name).await, "Ann");
}

#[tokio::test]
async fn a_link_that_is_not_valid_says_so() {
    let (app, mut owner, other) = app_with_invitations().await;
    let revocation = owner.delete("invitations", EDITORS);
    assert_snapshot!(owner.upload(&[&[revocation]]).await, @"5 applied");
    for id in [EDITORS, "unknown", "%00", "%ff", "'; DROP TABLE members --"] {
        for response in [
            get(&app.url, &format!("/api/invitations/{id}"), Some(&other.cookie)).await,
            post_join(&app.url, id, &other.cookie).await,
        ] {
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{id}");
            let body: Value = response.json().await.unwrap();
            assert_eq!(
                body,
                json!({ "error": "This link is not valid any more: ask for a new one." }),
                "{id}"
            );
        }
    }
    let deletion = [owner.delete("todos", "t1"), owner.delete("lists", "l1")];
    owner.upload(&[&deletion]).await;
    assert_eq!(post_join(&app.url, READERS, &other.cookie).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(roles(&app).await, "");
}

#[tokio::test]
async fn a_list_that_is_being_deleted_cannot_be_joined() {
    let (app, owner, other) = app_with_invitations().await;
    let mut deletion = app.pool.begin().await.unwrap();
    sqlx::query("DELETE FROM lists WHERE owner_id = $1")
        .bind(&owner.user_id)
        .execute(&mut *deletion)
        .await
        .unwrap();
    let joining = tokio::spawn(async move { post_join(&other.url, EDITORS, &other.cookie).await });
    app.waiting_for_locks(1).await;
    deletion.commit().await.unwrap();
    assert_eq!(joining.await.unwrap().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn without_a_session_nobody_joins() {
    let (app, ..) = app_with_invitations().await;
    let look = get(&app.url, &format!("/api/invitations/{EDITORS}"), None).await;
    assert_eq!(look.status(), StatusCode::UNAUTHORIZED);
    let response = post_join(&app.url, EDITORS, "session_app=nonsense").await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(roles(&app).await, "owner");
}

#[tokio::test]
async fn an_editor_uploads_and_a_reader_is_told_to_ask() {
    let (app, _owner, mut other) = app_with_invitations().await;
    join(&other, READERS).await;
    let changes = [
        other.patch("todos", "t1", json!({ "done": 1 })),
        other.put_todo("t2", "l1", "Bread"),
        other.patch("lists", "l1", json!({ "name": "Mine" })),
        other.delete("todos", "t1"),
    ];
    let transactions: Vec<_> = changes.iter().map(std::slice::from_ref).collect();
    assert_snapshot!(other.upload(&transactions).await, @r"
    1 forbidden: You may not change todos of this list: it has been deleted, or you are not one of its editors.
    2 forbidden: You may not change todos of this list: it has been deleted, or you are not one of its editors.
    3 forbidden: You may not change this list: ask its owner to make you an editor.
    4 forbidden: You may not change todos of this list: it has been deleted, or you are not one of its editors.
    ");
    join(&other, EDITORS).await;
    let changes = [other.patch("todos", "t1", json!({ "done": 1 })), other.put_todo("t2", "l1", "Bread")];
    assert_snapshot!(other.upload(&[&changes]).await, @r"
    5 applied
    6 applied
    ");
    assert_snapshot!(app.rows("SELECT title, done FROM todos ORDER BY id").await, @r"
    true Milk
    false Bread
    ");
}

#[tokio::test]
async fn what_a_member_had_queued_when_they_were_removed_is_rejected() {
    let (app, mut owner, mut other) = app_with_invitations().await;
    join(&other, EDITORS).await;
    let queued = [other.patch("todos", "t1", json!({ "done": 1 })), other.put_todo("t2", "l1", "Bread")];
    let removal = owner.delete("members", &member_id(&app, &other).await);
    assert_snapshot!(owner.upload(&[&[removal]]).await, @"5 applied");
    let transactions: Vec<_> = queued.iter().map(std::slice::from_ref).collect();
    assert_snapshot!(other.upload(&transactions).await, @r"
    1 forbidden: You may not change todos of this list: it has been deleted, or you are not one of its editors.
    2 forbidden: You may not change todos of this list: it has been deleted, or you are not one of its editors.
    ");
    assert_snapshot!(app.rows("SELECT title, done FROM todos").await, @"false Milk");
    assert_snapshot!(app.rows("SELECT changes IS NOT NULL AS kept FROM rejections").await, @r"
    true
    true
    ");
}

#[tokio::test]
async fn a_member_leaves_the_owner_stays_and_roles_are_the_owners_to_change() {
    let (app, mut owner, mut other) = app_with_invitations().await;
    join(&other, READERS).await;
    let (owners, others) = (member_id(&app, &owner).await, member_id(&app, &other).await);
    let changes = [
        other.patch("members", &others, json!({ "role": "editor" })),
        other.delete("members", &owners),
        other.delete("members", &others),
    ];
    let transactions: Vec<_> = changes.iter().map(std::slice::from_ref).collect();
    assert_snapshot!(other.upload(&transactions).await, @r"
    1 forbidden: Only a list's owner can change what its members may do.
    2 forbidden: Only a list's owner can remove other members, and the owner stays.
    3 applied
    ");
    assert_eq!(roles(&app).await, "owner");

    join(&other, READERS).await;
    let others = member_id(&app, &other).await;
    let changes =
        [owner.patch("members", &others, json!({ "role": "editor" })), owner.delete("members", &owners)];
    let transactions: Vec<_> = changes.iter().map(std::slice::from_ref).collect();
    assert_snapshot!(owner.upload(&transactions).await, @r"
    5 applied
    6 forbidden: Only a list's owner can remove other members, and the owner stays.
    ");
    assert_eq!(roles(&app).await, "owner editor");
}

#[tokio::test]
async fn a_link_is_valid_for_a_week_and_for_thirty_days_at_most() {
    let (app, mut owner, _other) = app_with_invitations().await;
    let ends = async |id: &str| {
        let days = "SELECT round(extract(epoch FROM expires_at - now()) / 86400) AS days FROM invitations";
        app.rows(&format!("{days} WHERE id = '{id}'")).await
    };
    assert_eq!(ends(EDITORS).await, "7", "no browser has said so");
    for (expires_at, days) in [("3000-01-01T00:00:00Z", "30"), ("infinity", "7")] {
        let change = owner.patch("invitations", EDITORS, json!({ "expires_at": expires_at }));
        let verdict = owner.upload(&[&[change]]).await;
        assert_eq!(verdict.ends_with("applied"), days == "30", "{verdict}");
        assert_eq!(ends(EDITORS).await, "30");
    }
    let change = owner.patch("invitations", EDITORS, json!({ "expires_at": null }));
    owner.upload(&[&[change]]).await;
    assert_eq!(ends(EDITORS).await, "7");
}

#[tokio::test]
async fn an_invitation_is_its_lists_owners_whatever_a_browser_sends() {
    let (app, mut owner, mut other) = app_with_invitations().await;
    let forged = owner.patch("invitations", EDITORS, json!({ "owner_id": other.user_id }));
    assert_snapshot!(owner.upload(&[&[forged]]).await, @"5 applied");
    let data = json!({ "list_id": "l1", "owner_id": other.user_id, "role": "editor" });
    let strangers = other.change(Operation::Put, "invitations", &EDITORS.replace('1', "3"), data);
    assert_snapshot!(other.upload(&[&[strangers]]).await, @"1 forbidden: Only a list's owner can invite others to it.");
    let owners = "SELECT DISTINCT invitations.owner_id FROM invitations";
    assert_eq!(app.rows(owners).await, owner.user_id);
}

#[tokio::test]
async fn a_link_that_has_expired_or_is_used_up_makes_nobody_a_member() {
    let (app, _owner, member) = app_with_invitations().await;
    let other = app.browser().await;
    join(&member, READERS).await;
    for what in
        ["expires_at = now() - interval '1 second'", "expires_at = now() + interval '1 day', uses_left = 0"]
    {
        sqlx::query(&format!("UPDATE invitations SET {what}")).execute(&app.pool).await.unwrap();
        for response in [
            get(&app.url, &format!("/api/invitations/{READERS}"), Some(&other.cookie)).await,
            post_join(&app.url, READERS, &other.cookie).await,
            post_join(&app.url, EDITORS, &member.cookie).await,
        ] {
            assert_eq!(response.status(), StatusCode::NOT_FOUND, "{what}");
        }
        assert_eq!(roles(&app).await, "owner reader", "{what}");
        assert_eq!(preview(&member, READERS).await["member"], true, "it still leads a member to the list");
        join(&member, READERS).await;
    }
}

#[tokio::test]
async fn a_link_for_one_person_is_used_up_by_one_and_their_second_try() {
    let (app, mut owner, other) = app_with_invitations().await;
    let uses = "SELECT uses_left FROM invitations ORDER BY id";
    let once = [EDITORS, READERS].map(|id| owner.patch("invitations", id, json!({ "uses_left": 1 })));
    owner.upload(&[&once]).await;
    join(&other, READERS).await;
    join(&other, READERS).await;
    assert_snapshot!(app.rows(uses).await, @r"
    1
    0
    ");
    join(&other, EDITORS).await;
    join(&other, EDITORS).await;
    assert_eq!(roles(&app).await, "owner editor");
    assert_snapshot!(app.rows(uses).await, @r"
    0
    0
    ");
    let negative = owner.patch("invitations", EDITORS, json!({ "uses_left": -1 }));
    assert_snapshot!(owner.upload(&[&[negative]]).await, @"7 constraint: An invitation is for one person or more.");
}

#[tokio::test]
async fn one_list_more_than_can_be_synced_is_refused_and_joining_one_too() {
    let (app, owner, mut other) = app_with_invitations().await;
    let lists = "INSERT INTO lists (id, owner_id, name) SELECT 'other ' || n, $1, 'One of many' FROM generate_series(1, 900) AS n";
    sqlx::query("INSERT INTO users (id) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(&other.user_id)
        .execute(&app.pool)
        .await
        .unwrap();
    sqlx::query(lists).bind(&other.user_id).execute(&app.pool).await.unwrap();

    let one_more = other.put_list("one more", "One more");
    assert_snapshot!(
        other.upload(&[&[one_more]]).await,
        @"1 constraint: You are on 900 lists, and more cannot be synced. Delete or leave one, then try again."
    );
    let response = post_join(&app.url, EDITORS, &other.cookie).await;
    assert_eq!(response.status(), StatusCode::CONFLICT);
    let refusal: Value = response.json().await.unwrap();
    let sentence = "You are on 900 lists, and more cannot be synced. Delete or leave one, then try again.";
    assert_eq!(refusal, json!({ "error": sentence }));
    assert_eq!(roles(&app).await.matches("editor").count(), 0);
    let notices = format!("SELECT reason FROM rejections WHERE user_id = '{}'", other.user_id);
    assert_eq!(app.rows(&notices).await, sentence);

    let deletion = other.delete("lists", "other 1");
    let one_more = other.put_list("one more", "One more");
    assert_snapshot!(other.upload(&[&[deletion, one_more]]).await, @r"
    2 applied
    3 applied
    ");
    assert_eq!(preview(&owner, EDITORS).await["member"], true, "nobody else is held up");
}

#[tokio::test]
async fn who_follows_links_all_the_time_is_told_to_wait() {
    let (app, owner, other) = app_with_invitations().await;
    let mut looks = 0;
    let refused = loop {
        let response = get(&app.url, "/api/invitations/unknown", Some(&other.cookie)).await;
        if response.status() != StatusCode::NOT_FOUND {
            break response;
        }
        looks += 1;
    };
    assert!((30..60).contains(&looks), "{looks}");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    assert_eq!(post_join(&app.url, EDITORS, &other.cookie).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(preview(&owner, EDITORS).await["member"], true);
}

#[tokio::test]
async fn no_line_of_the_log_has_an_invitations_id() {
    let log = Log::capture();
    let database = Arc::new(TestDatabase::create().await);
    let mut line = Line::to(&database.options).await;
    let options = line.options(&database.options);
    let app = spawn_app_on(database, options).await;
    let (mut owner, other) = (app.browser().await, app.browser().await);
    let changes = [owner.put_list("l1", "Groceries"), invitation(&mut owner, EDITORS, "editor")];
    owner.upload(&[&changes]).await;

    assert_eq!(preview(&other, EDITORS).await["member"], false);
    get(&app.url, &format!("/join/{EDITORS}"), Some(&other.cookie)).await;
    sqlx::query("ALTER TABLE members RENAME COLUMN role TO part").execute(&app.pool).await.unwrap();
    let response = post_join(&app.url, EDITORS, &other.cookie).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    line.cut().await;
    assert_eq!(post_join(&app.url, EDITORS, &other.cookie).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    get(&app.url, &format!("/join/{EDITORS}"), Some(&other.cookie)).await;

    let text = log.text();
    assert!(text.contains("Postgres refused a statement"), "{text}");
    let with_id: Vec<_> = text.lines().filter(|line| line.contains(EDITORS)).collect();
    assert!(with_id.is_empty(), "{with_id:#?}");
}
