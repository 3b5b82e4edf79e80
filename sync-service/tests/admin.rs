//! Deploying and looking at the sync config.

mod support;

use serde_json::{Value, json};
use support::{Database, SYNC_CONFIG, Service, TABLES, op_names, token};

#[tokio::test]
async fn a_config_is_deployed_shown_and_survives_a_restart() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
    let service = Service::start(&database).await;
    let (status, answer) = service.admin("GET", "/api/sync-rules/v1/current", "", String::new()).await;
    assert_eq!((status, &answer["error"]["code"]), (422, &json!("PSYNC_S4104")));
    let response = service.post_stream(&token("ann"), json!({})).await;
    assert_eq!(response.status(), 500);
    let expected = json!({ "error": { "status": 500, "code": "PSYNC_S2302", "description": "No sync config available", "name": "ServiceError" } });
    assert_eq!(response.json::<Value>().await.unwrap(), expected);

    let (status, answer) =
        service.admin_json("/api/sync-rules/v1/deploy", json!({ "content": SYNC_CONFIG })).await;
    assert_eq!(status, 200);
    let slot = answer["data"]["slot_name"].clone();
    let service = {
        // The answer comes when the config is stored; a restart takes it from there.
        service.kill().await;
        Service::start(&database).await
    };
    support::eventually("the config becomes active", async || {
        let (_, answer) =
            service.admin_json("/api/admin/v1/diagnostics", json!({ "sync_rules_content": true })).await;
        let active = &answer["data"]["active_sync_rules"];
        active["content"] == SYNC_CONFIG && active["connections"][0]["slot_name"] == slot
    })
    .await;
    let (status, answer) = service.admin("GET", "/api/sync-rules/v1/current", "", String::new()).await;
    assert_eq!(status, 200);
    assert_eq!(answer["data"]["current"]["content"], SYNC_CONFIG);
    assert_eq!(answer["data"]["current"]["slot_name"], slot);
    assert_eq!(answer["data"]["current"]["bucket_definitions"], json!(["stream lists", "stream todos"]));
    assert_eq!(answer["data"]["next"], Value::Null);
    assert_eq!(op_names(&service.stream("ann").await.checkpoint().await), ["PUT lists/l1"]);

    let (status, again) = service.admin_json("/api/sync-rules/v1/reprocess", json!({})).await;
    assert_eq!(status, 200);
    assert_ne!(again["data"]["slot_name"], slot);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_config_outside_the_subset_is_refused_with_the_place_and_the_reason() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let bad = format!(
        "{SYNC_CONFIG}  counts:\n    query: |\n      SELECT *\n      FROM lists\n      WHERE name LIKE 'a%'\n"
    );
    let (status, answer) =
        service.admin("POST", "/api/sync-rules/v1/deploy", "application/yaml", bad.clone()).await;
    assert_eq!(status, 422);
    assert_eq!(answer["error"]["code"], "PSYNC_R0001");
    assert_eq!(answer["error"]["description"], "Sync config parsing failed");
    let details = answer["error"]["details"].as_str().unwrap();
    assert!(
        details.starts_with("stream \"counts\", line 14, column 13: `name LIKE 'a%'` is not supported"),
        "{details}"
    );
    let (_, answer) = service.admin("GET", "/api/sync-rules/v1/current", "", String::new()).await;
    assert_eq!(answer["data"]["current"]["content"], SYNC_CONFIG, "the active one stays");

    let (status, answer) = service.admin_json("/api/sync-rules/v1/validate", json!({ "content": bad })).await;
    assert_eq!((status, &answer["valid"]), (200, &json!(false)));
    let (status, answer) = service.admin_json("/api/admin/v1/validate", json!({ "sync_rules": bad })).await;
    assert_eq!((status, &answer["data"]["errors"][0]["level"]), (200, &json!("fatal")));
    let (_, answer) =
        service.admin_json("/api/sync-rules/v1/validate", json!({ "content": SYNC_CONFIG })).await;
    assert_eq!(answer["valid"], true);
    let missing = "config: { edition: 3 }\nstreams: { a: { query: 'SELECT nope, id FROM lists' }, b: { query: SELECT * FROM absent } }";
    let (_, answer) = service.admin_json("/api/admin/v1/validate", json!({ "sync_rules": missing })).await;
    let messages: Vec<_> =
        answer["data"]["errors"].as_array().unwrap().iter().map(|e| e["message"].as_str().unwrap()).collect();
    assert_eq!(
        messages,
        [
            "Column \"nope\" not found in table \"public\".\"lists\".",
            "Table \"public\".\"absent\" not found in publication \"powersync\"."
        ]
    );

    let open = "config: { edition: 3 }\nstreams: { a: { query: SELECT * FROM lists WHERE id = subscription.parameter('l') } }";
    let (_, answer) = service.admin_json("/api/admin/v1/validate", json!({ "sync_rules": open })).await;
    let warning = &answer["data"]["errors"][0];
    assert_eq!(warning["level"], "warning");
    assert!(warning["message"].as_str().unwrap().contains("clients can send any value"), "{warning}");

    let (status, answer) =
        service.admin("POST", "/api/sync-rules/v1/deploy", "text/yaml", SYNC_CONFIG.into()).await;
    assert_eq!((status, &answer["error"]["code"]), (415, &json!("FST_ERR_CTP_INVALID_MEDIA_TYPE")));
    let (status, answer) = service.admin_json("/api/sync-rules/v1/deploy", json!({})).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("PSYNC_S2001")));
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn the_admin_api_needs_its_token() {
    let database = Database::new(TABLES).await;
    let service = Service::start(&database).await;
    for authorization in
        [None, Some("Bearer wrong"), Some("Bearer "), Some("Basic admin-token"), Some("admin-token")]
    {
        for (method, path) in [
            ("POST", "/api/sync-rules/v1/deploy"),
            ("POST", "/api/sync-rules/v1/validate"),
            ("POST", "/api/sync-rules/v1/reprocess"),
            ("GET", "/api/sync-rules/v1/current"),
            ("POST", "/api/admin/v1/validate"),
            ("POST", "/api/admin/v1/diagnostics"),
        ] {
            let mut request = service.http.request(method.parse().unwrap(), format!("{}{path}", service.url));
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 401, "{method} {path} with {authorization:?}");
            let expected = json!({ "error": { "code": "PSYNC_S2101", "status": 401, "description": "Authorization failed", "name": "AuthorizationError" } });
            assert_eq!(response.json::<Value>().await.unwrap(), expected);
        }
    }
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn an_unknown_path_and_a_malformed_body_are_answered_as_officially() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    for (method, path) in [("GET", "/"), ("POST", "/write-checkpoint2.json")] {
        let response = service
            .http
            .request(method.parse().unwrap(), format!("{}{path}", service.url))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 404);
        let answer: Value = response.json().await.unwrap();
        assert_eq!(
            answer["error"],
            json!({ "code": "PSYNC_S2002", "status": 404, "description": "The path does not exist on this server",
                "details": format!("The path {method} \"{path}\" does not exist on this server"), "severity": "info", "name": "RouteNotFound" })
        );
    }
    for body in [
        json!([]),
        json!({ "buckets": [{ "name": "a", "after": "x" }] }),
        json!({ "streams": { "subscriptions": 1 } }),
    ] {
        let response = service.post_stream(&token("ann"), body).await;
        assert_eq!(response.status(), 400);
        assert_eq!(response.json::<Value>().await.unwrap()["error"]["code"], "PSYNC_S2001");
    }
    for probe in ["startup", "liveness", "readiness"] {
        let response = service.http.get(format!("{}/probes/{probe}", service.url)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let answer: Value = response.json().await.unwrap();
        assert_eq!((&answer["ready"], &answer["started"]), (&json!(true), &json!(true)));
        assert!(answer["touched_at"].is_string());
    }
    service.stop().await;
    database.drop().await;
}
