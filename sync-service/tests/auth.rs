//! Who is let in.

#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

mod support;

use serde_json::{Value, json};
use support::{AUDIENCE, Database, Lines, Service, TABLES, claims, sign, token};

fn header() -> Value {
    json!({ "alg": "EdDSA", "typ": "JWT", "kid": "key-1" })
}

/// A good token's claims, changed.
fn with(changes: Value) -> Value {
    let mut claims = claims("ann");
    for (key, value) in changes.as_object().unwrap() {
        claims[key] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

#[tokio::test]
async fn tokens_are_refused_as_the_official_service_refuses_them() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let now = chrono::Utc::now().timestamp();
    let other_alg = |alg: &str| sign(&json!({ "alg": alg, "kid": "key-1" }), &claims("ann"));
    let mut forged = token("ann").into_bytes();
    let at = forged.len() - 10;
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    let unknown_key = "Could not find an appropriate key in the keystore. The key is missing or no key matched the token KID";
    let alg = "\"alg\" (Algorithm) Header Parameter not allowed";
    for (token, code, description) in [
        ("nonsense".to_owned(), "PSYNC_S2101", "Token is not a well-formed JWT. Check the token format."),
        ("a.b.c".to_owned(), "PSYNC_S2101", "Token is not a well-formed JWT. Check the token format."),
        (
            sign(&header(), &with(json!({ "aud": "other" }))),
            "PSYNC_S2105",
            "Unexpected \"aud\" claim value: \"other\"",
        ),
        (
            sign(&header(), &with(json!({ "aud": null }))),
            "PSYNC_S2105",
            "JWT payload is missing a required claim \"aud\"",
        ),
        (
            sign(&header(), &with(json!({ "sub": null }))),
            "PSYNC_S2101",
            "JWT payload is missing a required claim \"sub\"",
        ),
        (
            sign(&header(), &with(json!({ "iat": null }))),
            "PSYNC_S2101",
            "JWT payload is missing a required claim \"iat\"",
        ),
        (
            sign(&header(), &with(json!({ "exp": null }))),
            "PSYNC_S2101",
            "JWT payload is missing a required claim \"exp\"",
        ),
        (
            sign(&header(), &with(json!({ "nbf": now + 300 }))),
            "PSYNC_S2101",
            "JWT payload is missing a required claim \"nbf\"",
        ),
        (
            sign(&header(), &with(json!({ "iat": now, "exp": now + 86401 }))),
            "PSYNC_S2104",
            "Token must expire in a maximum of 86400 seconds, got 86401s",
        ),
        (
            sign(&header(), &with(json!({ "iat": now - 200, "exp": now - 70 }))),
            "PSYNC_S2103",
            "JWT has expired",
        ),
        (sign(&json!({ "alg": "EdDSA", "kid": "key-2" }), &claims("ann")), "PSYNC_S2101", unknown_key),
        (sign(&json!({ "alg": "EdDSA" }), &claims("ann")), "PSYNC_S2101", unknown_key),
        (String::from_utf8(forged).unwrap(), "PSYNC_S2101", "signature verification failed"),
        (other_alg("none"), "PSYNC_S2101", alg),
        (other_alg("Ed25519"), "PSYNC_S2101", alg),
        (other_alg("HS256"), "PSYNC_S2101", alg),
        (
            sign(&header(), &with(json!({ "parameters": 1 }))),
            "PSYNC_S2101",
            "Payload parameters must be an object",
        ),
    ] {
        let response = service.post_stream(&token, json!({})).await;
        assert_eq!(response.status(), 401, "{description}");
        let expected = json!({ "error": { "code": code, "status": 401, "description": description, "name": "AuthorizationError" } });
        assert_eq!(response.json::<Value>().await.unwrap(), expected);
    }
    let response =
        service.http.post(format!("{}/sync/stream", service.url)).json(&json!({})).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.json::<Value>().await.unwrap()["error"]["code"], "PSYNC_S2106");
    let url = format!("{}/write-checkpoint2.json?client_id=c", service.url);
    assert_eq!(service.http.get(url).send().await.unwrap().status(), 401);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn tokens_are_taken_as_the_official_service_takes_them() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let now = chrono::Utc::now().timestamp();
    for claims in [
        with(json!({})),
        with(json!({ "aud": ["other", AUDIENCE] })),
        with(json!({ "sub": 5 })),
        with(json!({ "iat": now, "exp": now + 86400 })),
        with(json!({ "iat": now + 100 })),
        with(json!({ "parameters": {} })),
    ] {
        let response = service.post_stream(&sign(&header(), &claims), json!({})).await;
        assert_eq!(response.status(), 200, "{claims}");
        assert_eq!(response.headers()["content-type"], "application/x-ndjson");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
    }
    let bearer =
        service.http.post(format!("{}/sync/stream", service.url)).bearer_auth(token("ann")).json(&json!({}));
    assert_eq!(bearer.send().await.unwrap().status(), 200);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn an_expired_token_within_the_tolerance_gets_one_line() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let now = chrono::Utc::now().timestamp();
    let response = service
        .post_stream(&sign(&header(), &with(json!({ "iat": now - 100, "exp": now - 10 }))), json!({}))
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.text().await.unwrap(), "{\"token_expires_in\":0}\n");
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_stream_ends_when_its_token_expires() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let now = chrono::Utc::now().timestamp();
    let response =
        service.post_stream(&sign(&header(), &with(json!({ "iat": now, "exp": now + 3 }))), json!({})).await;
    let mut lines = Lines::new(response);
    lines.checkpoint().await;
    assert_eq!(lines.next().await, Some(json!({ "token_expires_in": 0 })));
    assert_eq!(lines.next().await, None);
    assert!(chrono::Utc::now().timestamp() >= now + 2);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_browser_of_another_origin_may_call() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let preflight = service
        .http
        .request("OPTIONS".parse().unwrap(), format!("{}/sync/stream", service.url))
        .header("origin", "http://127.0.0.1:3000")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type,x-user-agent")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.status(), 200);
    assert_eq!(preflight.headers()["access-control-allow-origin"], "*");
    assert_eq!(
        preflight.headers()["access-control-allow-headers"],
        "authorization,content-type,x-user-agent"
    );
    assert_eq!(preflight.headers()["access-control-allow-methods"], "POST");
    let response = service.post_stream(&token("ann"), json!({})).await;
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    service.stop().await;
    database.drop().await;
}
