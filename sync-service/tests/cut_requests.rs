//! Clients that hang up, at any moment, with some milliseconds between the service and Postgres.

#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

#[path = "random/rng.rs"]
#[expect(dead_code, reason = "this test uses a part of it")]
mod rng;
mod support;

use std::collections::HashMap;
use std::str::FromStr as _;
use std::time::Duration;

use futures::StreamExt as _;
use rng::Rng;
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;
use support::{API_TOKEN, Database, Log, SYNC_CONFIG, Service, TABLES, claims, eventually, sign};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const ROUNDS: u64 = 30;
const REQUESTS: u64 = 100;
/// As many as the service has connections for them.
const AT_ONCE: usize = 8;
const USERS: usize = 5;

/// An address at which Postgres is reached a few milliseconds later, in each direction.
async fn far_away(database: &Database) -> String {
    let options = PgConnectOptions::from_str(&database.url).unwrap();
    let (host, port) = (options.get_host().to_owned(), options.get_port());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let postgres = TcpStream::connect((host.as_str(), port)).await.unwrap();
            let ((from, to), (back_from, back_to)) = (client.into_split(), postgres.into_split());
            tokio::spawn(carry(from, back_to));
            tokio::spawn(carry(back_from, to));
        }
    });
    options.host("127.0.0.1").port(near).to_url_lossy().to_string()
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        tokio::time::sleep(Duration::from_millis(2)).await;
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

/// What a client was told that stands: its user, and the value of a write checkpoint.
type Acknowledged = Option<(String, i64)>;

/// One request of any kind, which may take so long.
async fn request(service: &Service, random: &mut Rng) -> Acknowledged {
    let user = format!("user-{}", random.below(USERS));
    let mut claims = claims(&user);
    if random.once_in(4) {
        claims["exp"] = json!(claims["iat"].as_i64().unwrap() + *random.pick(&[1, 2]));
    }
    let token = format!("Token {}", sign(&json!({ "alg": "EdDSA", "kid": "key-1" }), &claims));
    let admin = format!("Bearer {API_TOKEN}");
    let post = |path: &str, by: &str| {
        service.http.post(format!("{}{path}", service.url)).header("authorization", by)
    };
    let get =
        |path: &str, by: &str| service.http.get(format!("{}{path}", service.url)).header("authorization", by);
    let yaml = |request: reqwest::RequestBuilder| {
        request.header("content-type", "application/yaml").body(SYNC_CONFIG)
    };
    let chosen = chrono::Utc::now().timestamp_micros();
    let (request, value) = match random.below(40) {
        0..3 => (yaml(post("/api/sync-rules/v1/deploy", &admin)), None),
        3..6 => (yaml(post("/api/sync-rules/v1/validate", &admin)), None),
        6..9 => (get("/api/sync-rules/v1/current", &admin), None),
        9..17 => (get("/write-checkpoint2.json?client_id=c", &token), Some("write_checkpoint")),
        17..25 => {
            let body = json!({ "client_id": "c", "checkpoint_request_id": chosen.to_string() });
            (post("/sync/checkpoint-request", &token).json(&body), Some("checkpoint_request_id"))
        }
        _ => {
            let body = json!({ "buckets": [], "include_checksum": true, "raw_data": true, "client_id": "c",
                "streams": { "include_defaults": true, "subscriptions": [] } });
            (post("/sync/stream", &token).json(&body), None)
        }
    };
    // A stream goes on for as long as somebody reads; of the others, some are answered.
    let waits = value.is_some() && random.once_in(3);
    let patience =
        if waits { Duration::from_secs(60) } else { Duration::from_micros(random.next() % 40_000) };
    let answer = async {
        let mut response = request.send().await.ok()?;
        let Some(value) = value else {
            while let Ok(Some(_)) = response.chunk().await {}
            return None;
        };
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
        let answer: Value = response.json().await.ok()?;
        Some((user, answer["data"][value].as_str()?.parse().ok()?))
    };
    tokio::time::timeout(patience, answer).await.ok().flatten()
}

#[tokio::test]
async fn requests_of_every_kind_that_are_cut_at_any_moment_leave_no_transaction_behind_and_lose_nothing() {
    let log = Log::capture();
    let database = Database::new(TABLES).await;
    database
        .run("INSERT INTO lists SELECT 'l' || n, 'user-' || n % 5, 'A list' FROM generate_series(1, 20) n")
        .await;
    let service = Service::start_at(&far_away(&database).await, "127.0.0.1:0".parse().unwrap()).await;
    service.wait_ready().await;
    service.deploy(SYNC_CONFIG).await;
    let mut acknowledged = HashMap::<String, i64>::new();
    for round in 0..ROUNDS {
        let requests = futures::stream::iter(0..REQUESTS).map(|number| {
            let service = &service;
            async move { request(service, &mut Rng::new(round * 10_000 + number)).await }
        });
        let answers: Vec<_> = requests.buffer_unordered(AT_ONCE).collect().await;
        for (user, value) in answers.into_iter().flatten() {
            let last = acknowledged.entry(user).or_default();
            *last = value.max(*last);
        }
        eventually("no connection of the service is idle in a transaction", async || {
            let idle = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                AND application_name = 'sync-service' AND state LIKE 'idle in transaction%'";
            sqlx::query_scalar::<_, i64>(idle).fetch_one(&database.pool).await.unwrap() == 0
        })
        .await;
    }
    // What Postgres says of a `BEGIN` on a connection that was given back within a transaction.
    assert!(!log.text().contains("already a transaction in progress"), "{}", log.text());
    assert_eq!(acknowledged.len(), USERS);
    let stored: Vec<(String, i64)> =
        sqlx::query_as("SELECT user_id, value FROM sync_service.write_checkpoint")
            .fetch_all(&database.pool)
            .await
            .unwrap();
    let stored: HashMap<_, _> = stored.into_iter().collect();
    for (user, value) in acknowledged {
        assert!(
            stored.get(&user).is_some_and(|stored| *stored >= value),
            "{user} was told {value}: {stored:?}"
        );
    }
    service.stop().await;
    database.drop().await;
}
