//! Sync clients with the real client core: what `tests/core` hosts in Node.
#![allow(dead_code, unused_imports, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "test code")]

mod backend;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, Command};
use tokio::sync::oneshot;

pub use self::backend::{Backend, Upload, write};

/// How long a client may take for what it is to reach.
const PATIENCE: Duration = Duration::from_secs(30);

/// The Node process that hosts clients.
pub struct Core {
    stdin: tokio::sync::Mutex<ChildStdin>,
    calls: Mutex<HashMap<u64, oneshot::Sender<Result<Value, String>>>>,
    last: AtomicU64,
    backend: Backend,
    /// Ends with this.
    _process: tokio::process::Child,
}

impl Core {
    pub async fn start(backend: Backend) -> Arc<Self> {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/core/main.mjs");
        let modules = repository().join("node_modules/@journeyapps/wa-sqlite");
        assert!(
            modules.is_dir(),
            "these tests need the client core: run `npm ci` in {}",
            repository().display()
        );
        let mut process = Command::new("node")
            .arg(tests)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("these tests need Node.js 20 or newer as `node`");
        let stdin = process.stdin.take().unwrap();
        let stdout = process.stdout.take().unwrap();
        let core = Arc::new(Self {
            stdin: tokio::sync::Mutex::new(stdin),
            calls: Mutex::default(),
            last: AtomicU64::new(0),
            backend,
            _process: process,
        });
        let weak = Arc::downgrade(&core);
        tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let Some(core) = weak.upgrade() else { return };
                core.hear(serde_json::from_str(&line).expect("the clients answer in JSON"));
            }
            if let Some(core) = weak.upgrade() {
                core.calls.lock().unwrap().clear();
            }
        });
        core
    }

    fn hear(self: Arc<Self>, mut message: Value) {
        if let Some(id) = message["id"].as_u64() {
            let Some(call) = self.calls.lock().unwrap().remove(&id) else { return };
            let answer = match message["error"].take() {
                Value::Null => Ok(message["answer"].take()),
                error => Err(error.as_str().unwrap_or_default().to_owned()),
            };
            // Nobody waits any more when a test has given up.
            let _ = call.send(answer);
            return;
        }
        tokio::spawn(async move {
            let answer = self.backend.answer(&message).await;
            let mut command = json!({ "do": "answer", "call": message["call"] });
            match answer {
                Ok(answer) => command["answer"] = answer,
                Err(error) => command["error"] = error.into(),
            }
            self.write(&command).await;
        });
    }

    async fn write(&self, command: &Value) {
        let line = format!("{command}\n");
        // It fails when the process has ended, and then the call fails too.
        let _ = self.stdin.lock().await.write_all(line.as_bytes()).await;
    }

    async fn call(&self, mut command: Value) -> Result<Value, String> {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, receiver) = oneshot::channel();
        self.calls.lock().unwrap().insert(id, sender);
        command["id"] = id.into();
        self.write(&command).await;
        receiver.await.map_err(|_| "the process of the clients has ended".to_owned())?
    }

    /// Opens a client; its database is the one that an earlier client of that name has left.
    pub async fn open(self: &Arc<Self>, name: &str, options: Value) -> Client {
        let mut command = json!({ "do": "open", "client": name });
        command.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        self.call(command).await.unwrap();
        Client { core: self.clone(), name: name.to_owned() }
    }

    /// Opens a client of a user and connects it.
    pub async fn connect(self: &Arc<Self>, name: &str, user: &str, endpoint: &str, schema: &Value) -> Client {
        let client = self.open(name, json!({ "user": user, "endpoint": endpoint, "schema": schema })).await;
        client.connect().await;
        client
    }
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The client's schema, of columns as `name TYPE`.
pub fn schema(tables: &[(&str, &[&str])]) -> Value {
    let column = |column: &&str| {
        let (name, kind) = column.split_once(' ').unwrap();
        json!({ "name": name, "type": kind })
    };
    let tables = tables.iter().map(
        |(name, columns)| json!({ "name": name, "columns": columns.iter().map(column).collect::<Vec<_>>() }),
    );
    json!({ "tables": tables.collect::<Vec<_>>() })
}

/// The schema that belongs to `support::TABLES`.
pub fn lists_and_todos() -> Value {
    schema(&[
        ("lists", &["owner_id TEXT", "name TEXT"]),
        ("todos", &["list_id TEXT", "title TEXT", "done INTEGER"]),
    ])
}

/// One sync client.
#[derive(Clone)]
pub struct Client {
    core: Arc<Core>,
    pub name: String,
}

impl Client {
    /// Sends a command and panics when it fails.
    pub async fn ask(&self, command: &str, details: Value) -> Value {
        self.try_ask(command, details).await.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    pub async fn try_ask(&self, command: &str, mut details: Value) -> Result<Value, String> {
        details["do"] = command.into();
        details["client"] = self.name.clone().into();
        self.core.call(details).await
    }

    pub async fn connect(&self) {
        self.ask("connect", json!({})).await;
    }

    pub async fn disconnect(&self) {
        self.ask("disconnect", json!({})).await;
    }

    /// Ends it. Its database stays for the next client of that name.
    pub async fn close(&self) {
        self.ask("close", json!({})).await;
    }

    pub async fn query(&self, sql: &str) -> Value {
        self.ask("query", json!({ "sql": sql })).await
    }

    /// Writes locally, in one transaction; what is written is uploaded.
    pub async fn execute(&self, statements: &[(&str, Value)]) {
        self.ask("execute", json!({ "statements": statements })).await;
    }

    pub async fn report(&self) -> Value {
        self.ask("report", json!({})).await
    }

    /// How many operations it was sent.
    pub async fn ops(&self) -> i64 {
        self.report().await["ops"].as_i64().unwrap()
    }

    /// Waits until it has what was committed before.
    pub async fn barrier(&self) {
        self.ask("barrier", json!({ "timeout_ms": PATIENCE.as_millis() as u64 })).await;
    }

    /// Waits until a query has that result.
    pub async fn sees(&self, sql: &str, rows: Value) {
        let details = json!({ "sql": sql, "rows": rows, "timeout_ms": PATIENCE.as_millis() as u64 });
        self.ask("wait_rows", details).await;
    }

    /// Waits until the report has these values; of numbers, at least these.
    pub async fn reaches(&self, values: Value) {
        let details = json!({ "values": values, "timeout_ms": PATIENCE.as_millis() as u64 });
        self.ask("wait_report", details).await;
    }

    /// Notes the result of a query whenever it changes.
    pub async fn watch(&self, sql: &str) {
        self.ask("watch", json!({ "sql": sql })).await;
    }

    /// The results that were noted.
    pub async fn history(&self) -> Vec<Value> {
        let history = self.ask("history", json!({})).await;
        history.as_array().unwrap().clone()
    }

    /// Asserts that the core has found nothing wrong with what it was sent.
    pub async fn has_no_complaints(&self) {
        let report = self.report().await;
        assert_eq!(report["warnings"], json!([]), "{}: {report}", self.name);
        assert_eq!(report["checksum_failures"], json!(0), "{}: {report}", self.name);
    }
}
