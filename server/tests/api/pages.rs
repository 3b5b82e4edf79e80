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
    let [guest, user] = set_cookies[..] else { panic!("{set_cookies:?}") };
    assert!(guest.starts_with("guest_test_"), "{guest}");
    assert!(guest.ends_with("; HttpOnly; SameSite=Lax; Path=/; Max-Age=34560000"), "{guest}");
    assert!(user.starts_with("user_test_"), "{user}");
    assert!(user.ends_with("; SameSite=Lax; Path=/; Max-Age=34560000"), "{user}");
    assert!(!user.contains("HttpOnly"), "a page reads it: {user}");
    let user_id = user.split(['=', ';']).nth(1).unwrap().to_owned();
    let cookie = cookie(&first).unwrap();
    assert!(first.text().await.unwrap().contains(&user_id), "the page names its user");

    let second = get(&app.url, "/", Some(&cookie)).await;
    assert!(second.headers().get(header::SET_COOKIE).is_none());
    assert!(second.text().await.unwrap().contains(&user_id));
}

#[tokio::test]
async fn opening_pages_writes_nothing_and_the_first_upload_makes_the_user() {
    let app = spawn_app().await;
    for _ in 0..20 {
        get(&app.url, "/", None).await;
    }
    let mut newcomer = app.newcomer().await;
    get(&app.url, "/lists/l1", Some(&newcomer.cookie)).await;
    let kept = "SELECT (SELECT count(*) FROM users) AS users, (SELECT count(*) FROM sessions) AS visits";
    assert_eq!(app.rows(kept).await, "0 0");

    let list = [newcomer.put_list("l1", "Mine")];
    assert_snapshot!(newcomer.upload(&[&list]).await, @"1 applied");
    assert_eq!(app.rows("SELECT id FROM users").await, newcomer.user_id);
    assert_eq!(app.rows("SELECT user_id FROM members").await, newcomer.user_id);
}

#[tokio::test]
async fn a_guests_cookie_cannot_be_made_up() {
    let app = spawn_app().await;
    let (one, other) = (app.browser().await, app.browser().await);
    let forged = [
        one.cookie.replace(&one.user_id, &other.user_id),
        one.cookie.replacen("guest_", "session_", 1),
        format!("{}={}", one.cookie.split_once('=').unwrap().0, other.user_id),
    ];
    for cookie in forged {
        let token = get(&app.url, "/api/powersync/token", Some(&cookie)).await;
        assert_eq!(token.status(), StatusCode::UNAUTHORIZED, "{cookie}");
    }
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
    for (path, sync_service) in
        [("/", POWERSYNC_URL), ("/lists/1", POWERSYNC_URL), ("/no/such/page", POWERSYNC_URL)]
    {
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
async fn a_user_who_was_deleted_is_nobody() {
    let app = spawn_app().await;
    let browser = app.browser().await;
    sqlx::query("DELETE FROM users").execute(&app.pool).await.unwrap();

    let token = get(&app.url, "/api/powersync/token", Some(&browser.cookie)).await;
    assert_eq!(token.status(), StatusCode::UNAUTHORIZED);
    let page = get(&app.url, "/", Some(&browser.cookie)).await.text().await.unwrap();
    assert!(!page.contains(&browser.user_id));
    assert_eq!(app.rows("SELECT id FROM users").await, "");
}

#[tokio::test]
async fn an_error_on_a_page_is_a_page() {
    let app = spawn_app().await;
    // What is no page of the app's and still no file.
    let post = Client::new().post(format!("{}/", app.url)).header("origin", "https://evil.example");
    let answer = post.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
    let page = answer.text().await.unwrap();
    assert!(page.contains("<p>This was sent by a page of another site.</p>"), "{page}");
    assert!(page.contains("Try again</a>"), "{page}");
}

#[tokio::test]
async fn only_pages_make_guests() {
    let app = spawn_app().await;
    for path in ["/health", "/ready", "/api/powersync/token", "/pkg/app.css"] {
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
