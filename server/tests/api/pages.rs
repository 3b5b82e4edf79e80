//! Pages, files and guest accounts.

use insta::assert_snapshot;
use reqwest::{Client, Method, StatusCode, header};

use crate::helpers::{POWERSYNC_URL, cookie, get, spawn_app};

#[tokio::test]
async fn the_first_page_makes_a_guest_and_later_ones_know_it() {
    let app = spawn_app().await;
    let first = get(&app.url, "/", None).await;
    assert_eq!(first.status(), StatusCode::OK);
    let set_cookies = first.headers().get_all(header::SET_COOKIE).iter();
    let mut set_cookies: Vec<_> = set_cookies.map(|cookie| cookie.to_str().unwrap()).collect();
    set_cookies.sort_unstable();
    let [session, user] = set_cookies[..] else { panic!("{set_cookies:?}") };
    assert!(session.starts_with("session_test_"), "{session}");
    assert!(session.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=34560000"), "{session}");
    assert!(user.starts_with("user_test_"), "{user}");
    assert!(user.ends_with("; SameSite=Lax; Path=/; Max-Age=34560000"), "{user}");
    assert!(!user.contains("HttpOnly"), "a page reads it: {user}");
    let cookie = cookie(&first).unwrap();
    let user_id = app.rows("SELECT id FROM users").await;
    assert!(first.text().await.unwrap().contains(&user_id), "the page names its user");

    let second = get(&app.url, "/", Some(&cookie)).await;
    assert!(second.headers().get(header::SET_COOKIE).is_none());
    assert!(second.text().await.unwrap().contains(&user_id));
    assert_eq!(app.rows("SELECT id FROM users").await, user_id);
}

#[tokio::test]
async fn two_browsers_are_two_users() {
    let app = spawn_app().await;
    let (one, other) = (app.browser().await, app.browser().await);
    assert_ne!(one.user_id, other.user_id);
    assert_eq!(app.rows("SELECT count(*) FROM users").await, "2");
}

#[tokio::test]
async fn the_cookie_is_secure_where_the_site_is_served_over_https() {
    let app = spawn_app().await;
    let request = Client::new().get(format!("{}/", app.url)).header("x-forwarded-proto", "https");
    let response = request.send().await.unwrap();
    for set_cookie in response.headers().get_all(header::SET_COOKIE) {
        assert!(set_cookie.to_str().unwrap().ends_with("; Secure"), "{set_cookie:?}");
    }
}

#[tokio::test]
async fn who_came_over_https_is_to_stay_there() {
    let app = spawn_app().await;
    let policy = async |protocol: &str| {
        let request = Client::new().get(format!("{}/", app.url)).header("x-forwarded-proto", protocol);
        request.send().await.unwrap().headers().get(header::STRICT_TRANSPORT_SECURITY).cloned()
    };
    assert_eq!(policy("https").await.unwrap(), "max-age=31536000");
    assert_eq!(policy("http").await, None);
}

#[tokio::test]
async fn a_page_runs_no_script_but_its_own() {
    let app = spawn_app().await;
    let mut nonces = Vec::new();
    for (path, sync_service) in [("/", POWERSYNC_URL), ("/lists/1", POWERSYNC_URL), ("/no/such/page", "")] {
        let page = get(&app.url, path, None).await;
        let policy = page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        assert_eq!(
            policy.replace(&nonce, "NONCE"),
            format!(
                "default-src 'self'; script-src 'self' 'nonce-NONCE' 'wasm-unsafe-eval'; connect-src 'self' {sync_service}; \
                 img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
            )
        );
        let html = page.text().await.unwrap();
        let scripts: Vec<_> =
            html.split("<script").skip(1).map(|script| script.split('>').next().unwrap()).collect();
        assert!(!scripts.is_empty());
        for script in scripts {
            assert!(script.contains(&format!("nonce=\"{nonce}\"")), "{path}: {script}");
        }
        assert!(!html.contains(" style=\"") && !html.contains("<style"), "{html}");
        nonces.push(nonce);
    }
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), 3, "a nonce is good for one page");
}

#[tokio::test]
async fn nobody_frames_a_page_and_no_answer_is_taken_for_something_else() {
    let app = spawn_app().await;
    for path in ["/", "/api/powersync/token", "/health"] {
        let answer = get(&app.url, path, None).await;
        assert_eq!(answer.headers()[header::X_FRAME_OPTIONS], "DENY", "{path}");
        assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(answer.headers()[header::REFERRER_POLICY], "same-origin", "{path}");
    }
}

#[tokio::test]
async fn a_session_is_renewed_once_it_is_a_day_old() {
    let app = spawn_app().await;
    let browser = app.browser().await;
    // The store keeps sessions as MessagePack, where a time as a number cannot be edited in SQL; so the whole session
    // is made to look new instead: without the time of its renewal it counts as never renewed.
    let store = tower_sessions_sqlx_store::PostgresStore::new(app.pool.clone())
        .with_schema_name("public")
        .unwrap()
        .with_table_name("sessions")
        .unwrap();
    let id = browser.cookie.split('=').nth(1).unwrap().parse().unwrap();
    let mut record = tower_sessions::SessionStore::load(&store, &id).await.unwrap().unwrap();
    let two_days_ago = record.data["renewed_at"].as_i64().unwrap() - 2 * 24 * 60 * 60;
    record.data.insert("renewed_at".to_owned(), two_days_ago.into());
    tower_sessions::SessionStore::save(&store, &record).await.unwrap();

    let page = get(&app.url, "/", Some(&browser.cookie)).await;
    assert_eq!(cookie(&page), Some(browser.cookie.clone()), "the same session, for another 400 days");
    let next = get(&app.url, "/", Some(&browser.cookie)).await;
    assert_eq!(cookie(&next), None);
}

#[tokio::test]
async fn a_user_who_was_deleted_becomes_a_new_guest_on_a_page_and_nobody_in_the_api() {
    let app = spawn_app().await;
    let browser = app.browser().await;
    sqlx::query("DELETE FROM users").execute(&app.pool).await.unwrap();

    let token = get(&app.url, "/api/powersync/token", Some(&browser.cookie)).await;
    assert_eq!(token.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(app.rows("SELECT id FROM users").await, "");

    let page = get(&app.url, "/", Some(&browser.cookie)).await.text().await.unwrap();
    assert!(!page.contains(&browser.user_id));
    assert!(page.contains(&app.rows("SELECT id FROM users").await));
}

#[tokio::test]
async fn only_pages_make_guests() {
    let app = spawn_app().await;
    for path in ["/health", "/api/powersync/token", "/pkg/app.css", "/no-such-page"] {
        assert_eq!(cookie(&get(&app.url, path, None).await), None, "{path}");
    }
    Client::new().request(Method::HEAD, format!("{}/", app.url)).send().await.unwrap();
    assert_eq!(app.rows("SELECT id FROM users").await, "");
}

#[tokio::test]
async fn a_page_that_does_not_exist_is_a_404_that_knows_its_user() {
    let app = spawn_app().await;
    let browser = app.browser().await;
    let response = get(&app.url, "/no-such-page", Some(&browser.cookie)).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    assert!(response.text().await.unwrap().contains(&browser.user_id));

    let api = get(&app.url, "/api/no-such-path", Some(&browser.cookie)).await;
    assert_eq!(api.status(), StatusCode::NOT_FOUND);
    assert_snapshot!(api.text().await.unwrap(), @r#"{"error":"The API has no such path."}"#);
}

#[tokio::test]
async fn files_are_revalidated() {
    let app = spawn_app().await;
    for path in ["/pkg/app.css", "/sw.js"] {
        let response = get(&app.url, path, None).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
        let modified = response.headers()[header::LAST_MODIFIED].clone();
        let again =
            Client::new().get(format!("{}{path}", app.url)).header(header::IF_MODIFIED_SINCE, modified);
        assert_eq!(again.send().await.unwrap().status(), StatusCode::NOT_MODIFIED, "{path}");
    }
}

#[tokio::test]
async fn every_response_has_security_headers() {
    let app = spawn_app().await;
    for path in ["/", "/pkg/app.css", "/api/powersync/token", "/no-such-page"] {
        let response = get(&app.url, path, None).await;
        let value = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(value("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(value("referrer-policy"), "same-origin", "{path}");
        assert_eq!(value("cross-origin-opener-policy"), "same-origin", "{path}");
    }
}
