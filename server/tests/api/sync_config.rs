//! The sync-config updater against the real sync service.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use insta::assert_snapshot;
use reqwest::{Client, header};
use serde_json::{Value, json};
use server::Environment;
use sqlx::ConnectOptions;
use tempfile::TempDir;

use crate::helpers::{TestDatabase, build_with, environment};

const SYNC_CONFIG: &str = include_str!("../../../sync-config.yaml");

#[tokio::test]
async fn the_sync_config_is_deployed_when_it_differs_and_only_then() {
    let test = Test::new().await;
    let service = test.start_service();
    service.until(|_| true).await;
    build_with(test.environment(), &test.directory).await.unwrap();
    let first = service.current().await;
    assert_eq!(first["content"], SYNC_CONFIG, "it is active once the app is built");

    build_with(test.environment(), &test.directory).await.unwrap();
    assert_eq!(
        service.current().await["slot_name"],
        first["slot_name"],
        "the same config is not deployed again"
    );

    service.deploy("config:\n  edition: 3\nstreams:\n  lists:\n    query: SELECT * FROM lists\n").await;
    build_with(test.environment(), &test.directory).await.unwrap();
    let third = service.current().await;
    assert_eq!(third["content"], SYNC_CONFIG);
    assert_ne!(third["slot_name"], first["slot_name"]);
}

#[tokio::test]
async fn a_sync_service_that_is_away_gets_the_config_when_it_is_back() {
    let test = Test::new().await;
    build_with(test.environment(), &test.directory).await.unwrap();
    let service = test.start_service();
    service.until(|current| current["content"] == SYNC_CONFIG).await;
}

#[tokio::test]
async fn a_wrong_token_stops_the_start() {
    let test = Test::new().await;
    let service = test.start_service();
    service.until(|_| true).await;
    let environment = Environment { powersync_api_token: "wrong".to_owned(), ..test.environment() };
    let error = build_with(environment, &test.directory).await.unwrap_err();
    assert_snapshot!(error, @"The sync service does not accept POWERSYNC_API_TOKEN. Run `cargo realtime up`, or set one of the tokens in its configuration under `api`.");
}

/// A database and the address at which its sync service is, or is going to be.
struct Test {
    database: TestDatabase,
    directory: TempDir,
    address: String,
}

impl Test {
    async fn new() -> Test {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("pkg")).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        Test { database: TestDatabase::create().await, directory, address }
    }

    fn environment(&self) -> Environment {
        Environment {
            powersync_url: format!("http://{}", self.address),
            ..environment(self.database.options.clone())
        }
    }

    fn start_service(&self) -> Service {
        let config = json!({
            "listen": self.address,
            "database_url": self.database.options.to_url_lossy().to_string(),
            "jwks": { "keys": [] },
            "audience": [],
            "api_tokens": ["token"],
        });
        let path = self.directory.path().join("sync-service.json");
        std::fs::write(&path, config.to_string()).unwrap();
        let child = Command::new(cargo_realtime())
            .args(["sync-service", "--config"])
            .arg(path)
            .stderr(Stdio::null())
            .spawn()
            .expect("the sync service is started by cargo-realtime: run `cargo realtime test`, or name the program in CARGO_REALTIME");
        Service { child, url: format!("http://{}", self.address) }
    }
}

/// The program that `cargo realtime test` names; without it, one that is built beside these tests, or an installed one.
fn cargo_realtime() -> PathBuf {
    if let Some(program) = std::env::var_os("CARGO_REALTIME") {
        return program.into();
    }
    let tests = std::env::current_exe().unwrap();
    let beside = tests.ancestors().nth(2).unwrap().join("cargo-realtime");
    if beside.exists() { beside } else { "cargo-realtime".into() }
}

struct Service {
    child: Child,
    url: String,
}

impl Service {
    /// The active config, once there is one or the service says that there is none.
    async fn try_current(&self) -> Option<Value> {
        let request =
            Client::new().get(format!("{}/api/sync-rules/v1/current", self.url)).bearer_auth("token");
        let answer = request.send().await.ok()?;
        if answer.status().is_server_error() {
            // It listens, and has not opened its database yet.
            return None;
        }
        let answer: Value = answer.json().await.unwrap();
        Some(answer["data"]["current"].clone())
    }

    async fn current(&self) -> Value {
        self.try_current().await.unwrap()
    }

    async fn until(&self, condition: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                match self.try_current().await {
                    Some(current) if condition(&current) => return current,
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waiting)
            .await
            .expect("the sync service is ready in 30 seconds")
    }

    async fn deploy(&self, content: &str) {
        let before = self.current().await;
        let request =
            Client::new().post(format!("{}/api/sync-rules/v1/deploy", self.url)).bearer_auth("token");
        let request = request.header(header::CONTENT_TYPE, "application/yaml").body(content.to_owned());
        request.send().await.unwrap().error_for_status().unwrap();
        self.until(|current| current["slot_name"] != before["slot_name"]).await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
