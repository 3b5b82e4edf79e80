//! What the tests share: a database of their own, a running service, tokens and an open stream.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "test code")]

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer as _, SigningKey};
use futures::StreamExt as _;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgPool};
use sync_service::{Config, Jwk, Jwks};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub const AUDIENCE: &str = "http://service.test";
pub const API_TOKEN: &str = "admin-token";
const KEY: [u8; 32] = [7; 32];

pub const SYNC_CONFIG: &str = "config:
  edition: 3
streams:
  lists:
    auto_subscribe: true
    query: SELECT * FROM lists WHERE owner_id = auth.user_id()
  todos:
    auto_subscribe: true
    query: SELECT * FROM todos WHERE list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id())
";

pub const TABLES: &str = "
CREATE TABLE lists (id text PRIMARY KEY, owner_id text NOT NULL, name text NOT NULL);
CREATE TABLE todos (id text PRIMARY KEY, list_id text NOT NULL REFERENCES lists ON DELETE CASCADE, title text NOT NULL, done boolean NOT NULL DEFAULT false);
CREATE PUBLICATION powersync FOR TABLE lists, todos;
";

/// A database of this test. [`Database::drop`] removes it.
pub struct Database {
    pub pool: PgPool,
    pub url: String,
    admin_url: String,
    name: String,
}

impl Database {
    pub async fn new(tables: &str) -> Self {
        let admin_url = std::env::var("TEST_DATABASE_URL")
            .expect("these tests need Postgres: run `cargo realtime test`, or set TEST_DATABASE_URL");
        let name =
            format!("sync_test_{}_{}", std::process::id(), chrono::Utc::now().timestamp_nanos_opt().unwrap());
        let options = PgConnectOptions::from_str(&admin_url).unwrap();
        let mut admin = options.connect().await.unwrap();
        admin.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
        admin.close().await.unwrap();
        let url = options.database(&name).to_url_lossy().to_string();
        let pool = PgPoolOptions::new().max_connections(4).connect(&url).await.unwrap();
        pool.execute(tables).await.unwrap();
        Self { pool, url, admin_url, name }
    }

    /// Another database with the same contents. Whoever is connected to this one is thrown out.
    pub async fn copy(&self) -> Self {
        let name = format!("{}_copy", self.name);
        let options = PgConnectOptions::from_str(&self.admin_url).unwrap();
        let mut admin = options.connect().await.unwrap();
        admin.execute(self.end_of_connections().as_str()).await.unwrap();
        admin.execute(format!("CREATE DATABASE {name} TEMPLATE {}", self.name).as_str()).await.unwrap();
        admin.close().await.unwrap();
        let url = options.database(&name).to_url_lossy().to_string();
        let pool = PgPoolOptions::new().max_connections(4).connect(&url).await.unwrap();
        Self { pool, url, admin_url: self.admin_url.clone(), name }
    }

    fn end_of_connections(&self) -> String {
        format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND usename = current_user",
            self.name
        )
    }

    pub async fn run(&self, sql: &str) {
        self.pool.execute(sql).await.unwrap();
    }

    pub async fn drop(self) {
        self.pool.close().await;
        let mut admin = PgConnectOptions::from_str(&self.admin_url).unwrap().connect().await.unwrap();
        // FORCE would fail where an autovacuum worker happens to be, which this role may not end. Without it, Postgres does.
        admin.execute(self.end_of_connections().as_str()).await.unwrap();
        admin.execute(format!("DROP DATABASE {}", self.name).as_str()).await.unwrap();
    }
}

/// A running service.
pub struct Service {
    pub url: String,
    pub address: SocketAddr,
    pub http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<Result<(), sync_service::Error>>,
}

pub fn config(database_url: &str) -> Config {
    let x = URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&KEY).verifying_key().as_bytes());
    let key = |kid: Option<&str>| Jwk {
        kty: "OKP".into(),
        crv: "Ed25519".into(),
        alg: "EdDSA".into(),
        use_: Some("sig".into()),
        kid: kid.map(Into::into),
        x: x.clone(),
    };
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        database_url: database_url.into(),
        jwks: Jwks { keys: vec![key(Some("key-1"))] },
        audience: vec![AUDIENCE.into()],
        api_tokens: vec![API_TOKEN.into()],
    }
}

impl Service {
    /// Starts it and waits until it is ready.
    pub async fn start(database: &Database) -> Self {
        let service = Self::start_at(&database.url, "127.0.0.1:0".parse().unwrap()).await;
        service.wait_ready().await;
        service
    }

    pub async fn start_at(database_url: &str, address: SocketAddr) -> Self {
        let _ = tracing_subscriber::fmt()
            .with_env_filter(std::env::var("RUST_LOG").unwrap_or_default())
            .with_test_writer()
            .try_init();
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(sync_service::serve_on(listener, config(database_url), async {
            let _ = stopped.await;
        }));
        Self {
            url: format!("http://{address}"),
            address,
            http: reqwest::Client::new(),
            stop: Some(stop),
            task,
        }
    }

    /// Starts it with [`SYNC_CONFIG`] active.
    pub async fn start_deployed(database: &Database) -> Self {
        let service = Self::start(database).await;
        service.deploy(SYNC_CONFIG).await;
        service
    }

    pub async fn wait_ready(&self) {
        eventually("the service is ready", async || {
            let response = self.http.get(format!("{}/probes/readiness", self.url)).send().await;
            response.is_ok_and(|response| response.status() == 200)
        })
        .await;
    }

    /// Stops it as a signal would.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(10), self.task)
            .await
            .expect("stops in time")
            .unwrap()
            .unwrap();
    }

    /// Stops it as `kill -9` would: nothing of it runs any more.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub async fn admin(&self, method: &str, path: &str, content_type: &str, body: String) -> (u16, Value) {
        let response = self
            .http
            .request(method.parse().unwrap(), format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {API_TOKEN}"))
            .header("content-type", content_type)
            .body(body)
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }

    pub async fn admin_json(&self, path: &str, body: Value) -> (u16, Value) {
        self.admin("POST", path, "application/json", body.to_string()).await
    }

    /// Deploys and waits until it is active.
    pub async fn deploy(&self, text: &str) -> String {
        let (status, answer) =
            self.admin("POST", "/api/sync-rules/v1/deploy", "application/yaml", text.into()).await;
        assert_eq!(status, 200, "{answer}");
        let slot = answer["data"]["slot_name"].as_str().unwrap().to_owned();
        eventually("the sync config is active", async || {
            let (_, answer) = self.admin_json("/api/admin/v1/diagnostics", json!({})).await;
            answer["data"]["active_sync_rules"]["connections"][0]["slot_name"] == slot.as_str()
        })
        .await;
        slot
    }

    pub async fn write_checkpoint(&self, user: &str, client: &str) -> i64 {
        let url = format!("{}/write-checkpoint2.json?client_id={client}", self.url);
        let response = self
            .http
            .get(url)
            .header("authorization", format!("Token {}", token(user)))
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        let answer: Value = response.json().await.unwrap();
        answer["data"]["write_checkpoint"].as_str().unwrap().parse().unwrap()
    }

    pub async fn post_stream(&self, token: &str, body: Value) -> reqwest::Response {
        let request = self
            .http
            .post(format!("{}/sync/stream", self.url))
            .header("authorization", format!("Token {token}"));
        request.json(&body).send().await.unwrap()
    }

    pub async fn stream(&self, user: &str) -> Lines {
        self.stream_of(user, "client-1", json!([])).await
    }

    pub async fn stream_of(&self, user: &str, client: &str, buckets: Value) -> Lines {
        let body = json!({ "buckets": buckets, "include_checksum": true, "raw_data": true, "client_id": client, "parameters": {},
            "streams": { "include_defaults": true, "subscriptions": [] } });
        self.open(user, body).await
    }

    pub async fn open(&self, user: &str, body: Value) -> Lines {
        let response = self.post_stream(&token(user), body).await;
        assert_eq!(response.status(), 200, "{}", response.text().await.unwrap());
        Lines::new(response)
    }
}

/// The lines of an open stream.
pub struct Lines {
    body: futures::stream::BoxStream<'static, reqwest::Result<axum::body::Bytes>>,
    rest: Vec<u8>,
    searched: usize,
    ready: VecDeque<Value>,
}

impl Lines {
    pub fn new(response: reqwest::Response) -> Self {
        Self { body: response.bytes_stream().boxed(), rest: Vec::new(), searched: 0, ready: VecDeque::new() }
    }

    /// The next line; None when the stream has ended.
    pub async fn next(&mut self) -> Option<Value> {
        while self.ready.is_empty() {
            let bytes = tokio::time::timeout(Duration::from_secs(30), self.body.next())
                .await
                .expect("a line in time")?;
            self.rest.extend_from_slice(&bytes.ok()?);
            while let Some(end) = self.rest[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=self.searched + end).collect();
                self.searched = 0;
                self.ready.push_back(serde_json::from_slice(&line).expect("a line of JSON"));
            }
            self.searched = self.rest.len();
        }
        self.ready.pop_front()
    }

    /// All lines up to the one that completes a checkpoint.
    pub async fn checkpoint(&mut self) -> Vec<Value> {
        let mut lines = Vec::new();
        loop {
            let line = self.next().await.expect("the stream goes on");
            if line.get("token_expires_in").is_some() {
                continue;
            }
            lines.push(line);
            if lines.last().unwrap().get("checkpoint_complete").is_some() {
                return lines;
            }
        }
    }

    /// Whether the stream has ended; what was sent before is left out.
    pub async fn ends(&mut self) {
        while self.next().await.is_some() {}
    }
}

/// The operations in lines as "PUT lists/a" and the like, with their ids.
pub fn ops(lines: &[Value]) -> Vec<(i64, String)> {
    let data = lines.iter().filter_map(|line| line.get("data"));
    let ops = data.flat_map(|data| data["data"].as_array().unwrap().clone());
    ops.map(|op| {
        let id = op["op_id"].as_str().unwrap().parse().unwrap();
        let text = |key: &str| op[key].as_str().unwrap().to_owned();
        (id, format!("{} {}/{}", text("op"), text("object_type"), text("object_id")))
    })
    .collect()
}

pub fn op_names(lines: &[Value]) -> Vec<String> {
    let mut names: Vec<_> = ops(lines).into_iter().map(|(_, name)| name).collect();
    names.sort();
    names
}

/// The id that the checkpoint completes.
pub fn completed(lines: &[Value]) -> i64 {
    lines.last().unwrap()["checkpoint_complete"]["last_op_id"].as_str().unwrap().parse().unwrap()
}

/// The names of the buckets in a first checkpoint.
pub fn bucket_names(lines: &[Value]) -> Vec<String> {
    let buckets = lines[0]["checkpoint"]["buckets"].as_array().unwrap();
    buckets.iter().map(|bucket| bucket["bucket"].as_str().unwrap().to_owned()).collect()
}

/// As a client asks to resume: every bucket from the completed checkpoint.
pub fn resume(lines: &[Value]) -> Value {
    let after = completed(lines).to_string();
    bucket_names(lines).iter().map(|name| json!({ "name": name, "after": after })).collect()
}

pub fn claims(user: &str) -> Value {
    let now = chrono::Utc::now().timestamp();
    json!({ "sub": user, "aud": AUDIENCE, "iat": now, "exp": now + 600 })
}

pub fn token(user: &str) -> String {
    sign(&json!({ "alg": "EdDSA", "typ": "JWT", "kid": "key-1" }), &claims(user))
}

pub fn sign(header: &Value, claims: &Value) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let signature = SigningKey::from_bytes(&KEY).sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

/// What is logged in this thread, in which all of a test runs unless it says otherwise, for as long as this lives.
pub struct Log {
    text: LogText,
    _capturing: tracing::subscriber::DefaultGuard,
}

#[derive(Clone, Default)]
struct LogText(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn capture() -> Self {
        let text = LogText::default();
        let writer = text.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        Self { text, _capturing: tracing::subscriber::set_default(subscriber) }
    }

    /// The lines so far.
    pub fn text(&self) -> String {
        String::from_utf8(self.text.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for LogText {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until something holds.
pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let begin = std::time::Instant::now();
    while !holds().await {
        assert!(begin.elapsed() < Duration::from_secs(20), "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
