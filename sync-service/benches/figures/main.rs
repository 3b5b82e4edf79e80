//! What the sync service takes: `cargo bench -p sync-service`, or a part of it by `-- first-sync` and the like.
//!
//! It needs Postgres (`TEST_DATABASE_URL`), Node.js and `npm ci`. The service runs in a process of its own, which is this
//! program again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a benchmark may give up")]

#[path = "../../tests/core_client/mod.rs"]
mod core_client;
mod first_sync;
mod idle;
mod latency;
mod process;
mod report;
#[path = "../../tests/support/mod.rs"]
mod support;
mod throughput;
mod triggers;

use report::Report;

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Ok(config) = std::env::var(process::CONFIG) {
        return runtime.block_on(process::serve(&config));
    }
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let mut report = Report::default();
    runtime.block_on(async {
        if is_wanted("start") {
            process::time_to_ready(&mut report).await;
        }
        if is_wanted("first-sync") {
            first_sync::run(&mut report).await;
        }
        if is_wanted("latency") {
            latency::run(&mut report).await;
        }
        if is_wanted("throughput") {
            throughput::run(&mut report).await;
        }
        if is_wanted("idle") {
            idle::run(&mut report).await;
        }
        if is_wanted("triggers") {
            triggers::run(&mut report).await;
        }
    });
    report.write();
}
