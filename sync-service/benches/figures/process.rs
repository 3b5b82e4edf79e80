//! The service in a process of its own.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::process::{Child, Command};

use crate::report::{Report, median};
use crate::support::{API_TOKEN, Database, SYNC_CONFIG, TABLES, config};

/// In whose environment this stands, it is the service.
pub const CONFIG: &str = "SYNC_SERVICE_FIGURES_CONFIG";

pub async fn serve(config: &str) {
    let config = serde_json::from_str(config).unwrap();
    sync_service::serve(config, std::future::pending()).await.unwrap();
}

/// A running service. It ends with this.
pub struct Served {
    pub url: String,
    pub http: reqwest::Client,
    process: Child,
}

impl Served {
    /// Starts it and waits until it is ready.
    pub async fn start(database: &Database) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut config = config(&database.url);
        config.listen = free;
        let process = Command::new(std::env::current_exe().unwrap())
            .env(CONFIG, json!(config).to_string())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let served = Self { url: format!("http://{free}"), http: reqwest::Client::new(), process };
        served.until_ready().await;
        served
    }

    /// Starts it with the usual config.
    pub async fn start_deployed(database: &Database) -> Self {
        let served = Self::start(database).await;
        served.deploy(SYNC_CONFIG).await;
        served
    }

    async fn until_ready(&self) {
        let ready = format!("{}/probes/readiness", self.url);
        while self.http.get(&ready).send().await.map_or(0, |answer| answer.status().as_u16()) != 200 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub async fn deploy(&self, text: &str) {
        let post = |path: &str| {
            let request = self.http.post(format!("{}{path}", self.url));
            request.header("authorization", format!("Bearer {API_TOKEN}"))
        };
        let deploy = post("/api/sync-rules/v1/deploy").header("content-type", "application/yaml");
        let answer = deploy.body(text.to_owned()).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        loop {
            let diagnostics = post("/api/admin/v1/diagnostics").json(&json!({ "sync_rules_content": true }));
            let answer: serde_json::Value = diagnostics.send().await.unwrap().json().await.unwrap();
            if answer["data"]["active_sync_rules"]["content"] == text {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Opens a stream as a client with nothing does.
    pub async fn open(&self, user: &str, client: &str) -> reqwest::Response {
        let body = json!({ "buckets": [], "include_checksum": true, "raw_data": true, "client_id": client, "parameters": {},
            "streams": { "include_defaults": true, "subscriptions": [] } });
        let request = self.http.post(format!("{}/sync/stream", self.url));
        let request = request.header("authorization", format!("Token {}", crate::support::token(user)));
        let response = request.json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response
    }

    /// Resident memory in MB.
    pub fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id().unwrap())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1000.0
    }

    pub async fn stop(mut self) {
        self.process.kill().await.unwrap();
    }
}

/// From the start of the process until it is ready, with its schema and a config in place and without.
pub async fn time_to_ready(report: &mut Report) {
    let (mut first, mut again) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let database = Database::new(TABLES).await;
        let begin = Instant::now();
        let served = Served::start(&database).await;
        first.push(begin.elapsed().as_secs_f64() * 1000.0);
        served.deploy(SYNC_CONFIG).await;
        served.stop().await;
        let begin = Instant::now();
        let served = Served::start(&database).await;
        again.push(begin.elapsed().as_secs_f64() * 1000.0);
        served.stop().await;
        database.drop().await;
    }
    report.figure("start to ready, first time", median(&mut first), "ms", Some(1000.0));
    report.figure("start to ready, again", median(&mut again), "ms", Some(1000.0));
}
