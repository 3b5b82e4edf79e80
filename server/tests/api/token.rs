//! `GET /api/powersync/token`.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use reqwest::{StatusCode, header};
use serde_json::Value;

use crate::helpers::{POWERSYNC_URL, get, signing_key, spawn_app};

#[tokio::test]
async fn a_token_is_signed_for_its_user_and_this_sync_service() {
    let app = spawn_app().await;
    let browser = app.browser().await;
    let response = get(&app.url, "/api/powersync/token", Some(&browser.cookie)).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let body: Value = response.json().await.unwrap();

    let public_key = DecodingKey::from_ed_der(signing_key().verifying_key().as_bytes());
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[POWERSYNC_URL]);
    validation.set_required_spec_claims(&["exp", "aud", "sub"]);
    let token = decode::<Value>(body["token"].as_str().unwrap(), &public_key, &validation).unwrap();

    assert_eq!(token.claims["sub"], browser.user_id);
    assert_eq!(body["user_id"], browser.user_id);
    assert_eq!(token.claims["exp"], body["expires_at"]);
    assert_eq!(token.claims["exp"].as_i64().unwrap() - token.claims["iat"].as_i64().unwrap(), 300);
    assert_eq!(token.header.typ.as_deref(), Some("JWT"));
    assert_eq!(token.header.kid.unwrap().len(), 43, "a SHA-256 in base64url");
}

#[tokio::test]
async fn without_a_session_there_is_no_token() {
    let app = spawn_app().await;
    for cookie in [None, Some("session_app=AAAAAAAAAAAAAAAAAAAAAA"), Some("session_app=nonsense")] {
        let response = get(&app.url, "/api/powersync/token", cookie).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let body: Value = response.json().await.unwrap();
        assert_eq!(
            body["error"],
            "You are not signed in: open the app's page, which starts a session or asks you to sign in."
        );
    }
}

#[tokio::test]
async fn who_asks_for_tokens_all_the_time_is_told_to_wait() {
    let app = spawn_app().await;
    let browser = app.browser().await;
    let token = async || get(&app.url, "/api/powersync/token", Some(&browser.cookie)).await;
    let mut answer = token().await;
    for _ in 0..200 {
        if answer.status() != StatusCode::OK {
            break;
        }
        answer = token().await;
    }
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers().contains_key(header::RETRY_AFTER));
    let another = app.browser().await;
    assert_eq!(get(&app.url, "/api/powersync/token", Some(&another.cookie)).await.status(), StatusCode::OK);
}
