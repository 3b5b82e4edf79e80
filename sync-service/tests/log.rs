//! What the service says in its log of streams that it does not serve.

mod support;

use serde_json::json;
use support::{Database, Log, Service, TABLES, claims, eventually, sign, token};

/// The lines that warn of a stream.
fn warnings(log: &Log) -> Vec<String> {
    let text = log.text();
    let warnings = text.lines().filter(|line| line.contains(" WARN ") && line.contains("a stream"));
    warnings.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_stream_that_is_refused_or_has_to_end_stands_there_with_its_user_and_the_reason() {
    let log = Log::capture();
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;

    let mut expired = claims("ann");
    expired["exp"] = json!(1_700_000_000);
    let old = sign(&json!({ "alg": "EdDSA", "kid": "key-1" }), &expired);
    assert_eq!(service.post_stream(&old, json!({})).await.status(), 401);
    let [warning] = warnings(&log).try_into().unwrap();
    assert!(
        warning.contains("a stream is refused") && warning.contains("PSYNC_S2103 JWT has expired"),
        "{warning}"
    );
    assert!(!warning.contains(&old), "{warning}");

    let mut ann = service.stream("ann").await;
    ann.checkpoint().await;
    database.run("INSERT INTO lists SELECT 'l' || i, 'ann', 'x' FROM generate_series(1, 1001) i").await;
    ann.ends().await;
    eventually("the end is in the log", async || warnings(&log).len() == 2).await;
    let has_to_end = warnings(&log).remove(1);
    assert_eq!(service.post_stream(&token("ann"), json!({})).await.status(), 500);
    let refused = warnings(&log).remove(2);
    for (warning, what) in [(has_to_end, "a stream has to end"), (refused, "a stream is refused")] {
        for part in [what, "user=\"ann\"", "PSYNC_S2305", "limit of 1000"] {
            assert!(warning.contains(part), "{part}: {warning}");
        }
    }
    service.stop().await;
    database.drop().await;
}
