//! Open streams on which nothing happens.

use std::time::Duration;

use crate::process::Served;
use crate::report::Report;
use crate::support::{Database, Lines, TABLES};

const CLIENTS: usize = 1000;

pub async fn run(report: &mut Report) {
    let database = Database::new(TABLES).await;
    database
        .run(&format!(
            "INSERT INTO lists SELECT 'l' || i, 'user-' || i, 'A list' FROM generate_series(0, {CLIENTS} - 1) i;
             INSERT INTO todos SELECT 't' || i, 'l' || i % {CLIENTS}, 'A todo' FROM generate_series(0, 10 * {CLIENTS} - 1) i"
        ))
        .await;
    let served = Served::start_deployed(&database).await;
    report.figure("memory of the service with no client", served.memory(), "MB", None);
    let mut open = Vec::new();
    for client in 0..CLIENTS {
        let mut lines = Lines::new(served.open(&format!("user-{client}"), &format!("client-{client}")).await);
        lines.checkpoint().await;
        open.push(lines);
    }
    // What the first checkpoints took has to be given back first.
    tokio::time::sleep(Duration::from_secs(5)).await;
    report.figure(
        &format!("memory of the service with {CLIENTS} idle clients"),
        served.memory(),
        "MB",
        Some(100.0),
    );
    database.run("UPDATE todos SET done = true").await;
    for lines in &mut open {
        lines.checkpoint().await;
    }
    report.figure(
        &format!("memory after a change for each of {CLIENTS} clients"),
        served.memory(),
        "MB",
        None,
    );
    drop(open);
    served.stop().await;
    database.drop().await;
}
