//! Requests that nobody should send: never a panic, never an answer of 5xx but those that are documented, and the service goes on.
//!
//! `HOSTILE_SEED` repeats a run, `HOSTILE_REQUESTS` makes it longer or shorter.

#![expect(clippy::unwrap_used, clippy::panic, reason = "test code outside of test functions")]

#[path = "random/rng.rs"]
mod rng;
mod support;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rng::Rng;
use serde_json::{Value, json};
use support::{API_TOKEN, Database, SYNC_CONFIG, Service, TABLES, claims, op_names, sign, token};

/// Of each test; `HOSTILE_REQUESTS` sets another number.
fn requests() -> usize {
    std::env::var("HOSTILE_REQUESTS").ok().and_then(|number| number.parse().ok()).unwrap_or(400)
}

fn rng() -> Rng {
    let seed = std::env::var("HOSTILE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("to repeat it: HOSTILE_SEED={seed}");
    Rng::new(seed)
}

/// JSON in every shape that a parser or Postgres may stumble over.
fn value(rng: &mut Rng, depth: usize) -> String {
    match rng.below(if depth > 3 { 11 } else { 14 }) {
        0 => "null".into(),
        1 => "true".into(),
        2 => [
            "0",
            "-0",
            "-1",
            "1e308",
            "1e400",
            "-1e-400",
            "18446744073709551616",
            "9223372036854775808",
            "0.1",
            "1E2",
        ][rng.below(10)]
        .into(),
        3 => "9".repeat(1 + rng.below(400)),
        4 => json!(rng.text()).to_string(),
        5 => "\"a\\u0000b\"".into(),
        6 => "\"\\ud83e\"".into(),
        7 => format!("\"{}\"", "x".repeat(rng.below(3000))),
        8 => json!(["9223372036854775807", "-1", "12a", "", " 7", "١", "0x10", "1_000"][rng.below(8)])
            .to_string(),
        9 => "[".repeat(1 + rng.below(300)),
        10 => format!("{}1{}", "[".repeat(100), "]".repeat(100)),
        11 => format!("[{}]", list(rng, depth)),
        12 => format!("{{{}}}", members(rng, depth)),
        _ => format!("{}{}{}", "{\"a\":".repeat(60), 1, "}".repeat(60)),
    }
}

fn list(rng: &mut Rng, depth: usize) -> String {
    (0..rng.below(5)).map(|_| value(rng, depth + 1)).collect::<Vec<_>>().join(",")
}

const KEYS: [&str; 18] = [
    "buckets",
    "name",
    "after",
    "raw_data",
    "client_id",
    "parameters",
    "streams",
    "include_defaults",
    "subscriptions",
    "stream",
    "override_priority",
    "checkpoint_request_id",
    "content",
    "sync_rules",
    "list",
    "sub",
    "\\u0000",
    "",
];

fn members(rng: &mut Rng, depth: usize) -> String {
    let member = |rng: &mut Rng| format!("\"{}\":{}", KEYS[rng.below(KEYS.len())], value(rng, depth + 1));
    (0..rng.below(6)).map(|_| member(rng)).collect::<Vec<_>>().join(",")
}

/// A body that is right but for what `spoil` does to a place or two in it.
fn body(rng: &mut Rng, right: &str) -> Vec<u8> {
    match rng.below(6) {
        0 => value(rng, 0).into_bytes(),
        1 => format!("{{{}}}", members(rng, 0)).into_bytes(),
        2 | 3 => {
            // Another value in the place of one of the right ones.
            let mut parsed: Value = serde_json::from_str(right).unwrap();
            let marker = "\u{1}spoiled\u{1}";
            spoil(rng, &mut parsed, marker);
            parsed.to_string().replace(&json!(marker).to_string(), &value(rng, 2)).into_bytes()
        }
        4 => {
            let mut bytes = right.as_bytes().to_vec();
            for _ in 0..=rng.below(4) {
                let at = rng.below(bytes.len());
                match rng.below(3) {
                    0 => bytes[at] = (rng.next() & 0xff) as u8,
                    1 => bytes.truncate(at.max(1)),
                    _ => bytes.insert(at, b"\"{}[],:\\\0\xff9-"[rng.below(12)]),
                }
            }
            bytes
        }
        // The same keys a second time.
        _ => format!("{},{}}}", &right[..right.len() - 1], members(rng, 1)).into_bytes(),
    }
}

fn spoil(rng: &mut Rng, value: &mut Value, marker: &str) {
    let inner: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(members) => members.values_mut().collect(),
        _ => Vec::new(),
    };
    let count = inner.len();
    match inner.into_iter().nth(rng.below(count)) {
        Some(inner) if !rng.once_in(4) => spoil(rng, inner, marker),
        _ => *value = marker.into(),
    }
}

/// Whether the answer is one that the service may give.
async fn expect_sound(answer: reqwest::Result<reqwest::Response>, of: &str) -> u16 {
    let answer = answer.unwrap_or_else(|error| panic!("no answer to {of}: {error}"));
    let status = answer.status().as_u16();
    if status >= 500 {
        let text = tokio::time::timeout(Duration::from_secs(5), answer.text()).await.unwrap().unwrap();
        assert!(text.contains("PSYNC_S2305") || text.contains("PSYNC_S2302"), "{status} {text} to {of}");
    }
    status
}

async fn still_works(service: &Service, database: &Database) {
    let mut stream = service.stream("ann").await;
    let before = op_names(&stream.checkpoint().await);
    assert!(before.contains(&"PUT lists/l1".to_owned()), "{before:?}");
    database.run("UPDATE lists SET name = name || '!' WHERE id = 'l1'").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT lists/l1"]);
}

async fn started() -> (Database, Service) {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
    let service = Service::start(&database).await;
    service
        .deploy(&format!(
            "{SYNC_CONFIG}  named:
    query: SELECT * FROM lists WHERE id = subscription.parameter('list') AND name = connection.parameter('name')
    accept_potentially_dangerous_queries: true
  claimed:
    auto_subscribe: true
    query: SELECT * FROM lists WHERE id = auth.parameter('list')
"
        ))
        .await;
    (database, service)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_body_of_a_stream_or_a_checkpoint_request_is_answered() {
    let (database, service) = started().await;
    let mut rng = rng();
    let stream = json!({
        "buckets": [{ "name": "1#lists|0[\"ann\"]", "after": "12" }, { "name": "2#x", "after": "0" }],
        "include_checksum": true, "raw_data": true, "binary_data": true, "client_id": "client-1",
        "parameters": { "name": "One", "b": [1, { "c": null }] },
        "streams": { "include_defaults": true, "subscriptions": [
            { "stream": "named", "parameters": { "list": "l1" }, "override_priority": 1 },
            { "stream": "named", "parameters": null, "override_priority": null }] },
        "app_metadata": { "k": "v" }
    })
    .to_string();
    let checkpoint = json!({ "client_id": "client-1", "checkpoint_request_id": "7" }).to_string();
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..requests() {
        let (path, right) = match rng.below(3) {
            0 => ("/sync/checkpoint-request", &checkpoint),
            _ => ("/sync/stream", &stream),
        };
        let body = body(&mut rng, right);
        let of = format!("{path} {}", String::from_utf8_lossy(&body).chars().take(600).collect::<String>());
        let request = service.http.post(format!("{}{path}", service.url));
        let request = request.header("authorization", format!("Token {}", token("ann"))).body(body);
        let status = expect_sound(request.send().await, &of).await;
        *seen.entry(status).or_insert(0) += 1;
    }
    assert!(seen.contains_key(&200) && seen.contains_key(&400), "{seen:?}");
    still_works(&service, &database).await;
    service.stop().await;
    database.drop().await;
}

/// A claim's value as nobody should sign it.
fn claim(rng: &mut Rng) -> Value {
    match rng.below(12) {
        0 => json!(null),
        1 => json!("a\u{0}b"),
        2 => json!("x".repeat(rng.below(3000))),
        3 => json!(i64::MAX),
        4 => json!(i64::MIN),
        5 => json!(u64::MAX),
        6 => json!(1e300),
        7 => json!(-0.5),
        8 => json!(["l1", null, { "a": [] }]),
        9 => json!({ "l1": "\u{0}" }),
        10 => json!(true),
        _ => json!(rng.text()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_token_is_let_in_or_refused() {
    let (database, service) = started().await;
    let mut rng = rng();
    let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": "key-1" });
    for _ in 0..requests() {
        let mut claims = claims("ann");
        let mut may_be_let_in = true;
        let token = match rng.below(5) {
            0 => {
                // The algorithms that a careless service would take the public key as a secret for.
                may_be_let_in = false;
                let alg =
                    *rng.pick(&["none", "None", "HS256", "RS256", "ES256", "Ed25519", "eddsa", "EdDSA "]);
                sign(&json!({ "alg": alg, "kid": "key-1" }), &claims)
            }
            1 => {
                let mut header = header.clone();
                header[*rng.pick(&["alg", "kid", "typ", "crit", "jwk", "jku"])] = claim(&mut rng);
                sign(&header, &claims)
            }
            2 | 3 => {
                for _ in 0..=rng.below(2) {
                    claims[*rng.pick(&["sub", "aud", "iat", "exp", "nbf", "list", "parameters", "\u{0}"])] =
                        claim(&mut rng);
                }
                sign(&header, &claims)
            }
            _ => {
                may_be_let_in = false;
                let mut bytes = support::token("ann").into_bytes();
                let at = rng.below(bytes.len() - 2);
                let old = bytes[at];
                bytes[at] = b"ABCxyz019-_.=+/ "[rng.below(16)];
                if bytes[at] == old {
                    bytes[at] = if old == b'A' { b'B' } else { b'A' };
                }
                if rng.once_in(4) {
                    bytes.truncate(at);
                }
                String::from_utf8(bytes).unwrap()
            }
        };
        let of = format!("token {} with {claims}", &token.chars().take(200).collect::<String>());
        let get = rng.once_in(3);
        let request = if get {
            service.http.get(format!("{}/write-checkpoint2.json?client_id=c", service.url))
        } else {
            service.http.post(format!("{}/sync/stream", service.url)).body("{}")
        };
        let request = request.header("authorization", format!("Token {token}"));
        let status = expect_sound(request.send().await, &of).await;
        assert!(may_be_let_in || status == 401, "{status} to {of}");
    }
    let parts: Vec<String> = token("ann").split('.').map(str::to_owned).collect();
    let none = URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}");
    for token in [format!("{none}.{}.", parts[1]), format!("{}.{}.", parts[0], parts[1]), "..".to_owned()] {
        assert_eq!(service.post_stream(&token, json!({})).await.status(), 401, "{token}");
    }
    still_works(&service, &database).await;
    service.stop().await;
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_query_string_path_and_admin_body_is_answered() {
    let (database, service) = started().await;
    let mut rng = rng();
    let paths = [
        "/api/sync-rules/v1/validate",
        "/api/admin/v1/validate",
        "/api/admin/v1/diagnostics",
        "/api/sync-rules/v1/current",
        "/write-checkpoint2.json",
        "/sync/stream",
        "/probes/readiness",
        "/../..",
    ];
    let right = json!({ "content": SYNC_CONFIG, "sync_rules": SYNC_CONFIG }).to_string();
    for _ in 0..requests() {
        let path = *rng.pick(&paths);
        let query = [
            "",
            "?client_id=%00",
            "?client_id=%ff%fe",
            "?client_id",
            "?client_id=a&client_id=b",
            "?%",
            "?x[]=1",
        ];
        let query = match rng.below(query.len() + 1) {
            7 => format!("?client_id={}", "x".repeat(rng.below(5000))),
            index => query[index].to_owned(),
        };
        let method = *rng.pick(&["GET", "POST", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH"]);
        let admin = path.starts_with("/api");
        let authorization =
            if admin { format!("Bearer {API_TOKEN}") } else { format!("Token {}", token("ann")) };
        let body = body(&mut rng, &right);
        let of = format!(
            "{method} {path}{query} {}",
            String::from_utf8_lossy(&body).chars().take(600).collect::<String>()
        );
        let content_type = *rng.pick(&["application/json", "application/yaml", "text/plain", ""]);
        let request = service.http.request(method.parse().unwrap(), format!("{}{path}{query}", service.url));
        let request = request.header("authorization", authorization).header("content-type", content_type);
        expect_sound(request.body(body).send().await, &of).await;
    }
    // What is deployed must be refused or become active, and not stop the one that is served.
    for _ in 0..requests() / 4 {
        let mut config = SYNC_CONFIG.as_bytes().to_vec();
        for _ in 0..=rng.below(3) {
            let at = rng.below(config.len());
            config[at] = b" :-'\"\n()=*,.a0"[rng.below(14)];
        }
        let of = String::from_utf8_lossy(&config).into_owned();
        let request = service.http.post(format!("{}/api/sync-rules/v1/deploy", service.url));
        let request = request.header("authorization", format!("Bearer {API_TOKEN}"));
        let request = request.header("content-type", "application/yaml").body(config);
        expect_sound(request.send().await, &of).await;
    }
    service.deploy(SYNC_CONFIG).await;
    still_works(&service, &database).await;
    service.stop().await;
    database.drop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_leaves_no_transaction_behind() {
    let (database, service) = started().await;
    let mut rng = rng();
    let open = || {
        let request = service.http.post(format!("{}/sync/stream", service.url));
        request.header("authorization", format!("Token {}", token("ann"))).body("{}").send()
    };
    let begin = std::time::Instant::now();
    for _ in 0..10 {
        open().await.unwrap();
    }
    let usual = u64::try_from(begin.elapsed().as_micros()).unwrap() / 10;
    for _ in 0..40 {
        let patience = Duration::from_micros(rng.next() % usual);
        let _ = tokio::time::timeout(patience, open()).await;
        // Within a transaction that was left behind it could not write, as that is one that only reads.
        service.write_checkpoint("ann", "client-1").await;
        service.write_checkpoint("ann", "client-2").await;
    }
    still_works(&service, &database).await;
    service.stop().await;
    database.drop().await;
}
