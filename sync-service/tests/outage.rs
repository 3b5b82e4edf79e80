//! Postgres goes away and comes back, and two processes share one database.

#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

mod support;

use std::time::Duration;

use support::{Database, SYNC_CONFIG, Service, TABLES, eventually, op_names, resume};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A way to Postgres that can be cut.
struct Wire {
    port: u16,
    task: JoinHandle<()>,
}

impl Wire {
    /// Listens on the port (0: any) and passes on to the database.
    async fn lay(database: &Database, port: u16) -> (Self, String) {
        let options: sqlx::postgres::PgConnectOptions = database.url.parse().unwrap();
        let target = format!("{}:{}", options.get_host(), options.get_port());
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let mut calls = tokio::task::JoinSet::new();
            loop {
                let (mut from, _) = listener.accept().await.unwrap();
                let target = target.clone();
                calls.spawn(async move {
                    let mut to = TcpStream::connect(target).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
                });
            }
        });
        let url = sqlx::ConnectOptions::to_url_lossy(&options.host("127.0.0.1").port(port)).to_string();
        (Self { port, task }, url)
    }

    /// Cuts every connection and takes no more.
    async fn cut(self) -> u16 {
        self.task.abort();
        let _ = self.task.await;
        self.port
    }
}

#[tokio::test]
async fn an_open_stream_outlives_an_outage_of_postgres() {
    let database = Database::new(TABLES).await;
    let (wire, url) = Wire::lay(&database, 0).await;
    let service = Service::start_at(&url, "127.0.0.1:0".parse().unwrap()).await;
    service.wait_ready().await;
    service.deploy(SYNC_CONFIG).await;
    let mut stream = service.stream("ann").await;
    let first = stream.checkpoint().await;

    let port = wire.cut().await;
    eventually("the outage is noticed", async || {
        service.http.get(format!("{}/probes/readiness", service.url)).send().await.unwrap().status() == 400
    })
    .await;
    let refused = service.post_stream(&support::token("ann"), serde_json::json!({})).await;
    assert_eq!(refused.status(), 503);
    let alive = service.http.get(format!("{}/probes/liveness", service.url)).send().await.unwrap();
    assert_eq!(alive.status(), 200);
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;

    let (_wire, _) = Wire::lay(&database, port).await;
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT lists/l1"]);
    service.wait_ready().await;
    let resumed = service.stream_of("ann", "client-1", resume(&first)).await.checkpoint().await;
    assert_eq!(op_names(&resumed), ["PUT lists/l1"]);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn it_starts_before_postgres_does() {
    let database = Database::new(TABLES).await;
    let (wire, url) = Wire::lay(&database, 0).await;
    let port = wire.cut().await;
    let service = Service::start_at(&url, "127.0.0.1:0".parse().unwrap()).await;
    eventually("it answers", async || {
        service.http.get(format!("{}/probes/liveness", service.url)).send().await.is_ok()
    })
    .await;
    let ready = service.http.get(format!("{}/probes/readiness", service.url)).send().await.unwrap();
    assert_eq!(ready.status(), 400);
    let (_wire, _) = Wire::lay(&database, port).await;
    service.wait_ready().await;
    service.deploy(SYNC_CONFIG).await;
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_second_process_stands_by_and_takes_over() {
    let database = Database::new(TABLES).await;
    let first = Service::start_deployed(&database).await;
    let lines = first.stream("ann").await.checkpoint().await;
    let second = Service::start_at(&database.url, "127.0.0.1:0".parse().unwrap()).await;
    eventually("the second knows that it is the second", async || {
        let answer = second.post_stream(&support::token("ann"), serde_json::json!({})).await;
        answer.status() == 503 && answer.text().await.unwrap().contains("stands by")
    })
    .await;
    first.kill().await;
    second.wait_ready().await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
    let mut stream = second.stream_of("ann", "client-1", resume(&lines)).await;
    let mut ops = op_names(&stream.checkpoint().await);
    while ops.is_empty() {
        ops = op_names(&stream.checkpoint().await);
    }
    assert_eq!(ops, ["PUT lists/l1"]);
    second.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_schema_dropped_under_the_running_service_is_made_again() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let mut stream = service.stream("ann").await;
    stream.checkpoint().await;
    database.run("DROP SCHEMA sync_service CASCADE").await;
    tokio::time::timeout(Duration::from_secs(20), stream.ends()).await.expect("the stream ends");
    service.wait_ready().await;
    service.deploy(SYNC_CONFIG).await;
    let mut stream = service.stream("ann").await;
    stream.checkpoint().await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT lists/l1"]);
    service.stop().await;
    database.drop().await;
}
