//! From a commit to the line about it on an open stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use tokio::sync::{Barrier, mpsc};

use crate::process::Served;
use crate::report::{Report, percentile};
use crate::support::{Database, TABLES};

pub async fn run(report: &mut Report) {
    for (clients, commits, target) in [(1, 200, 15.0), (25, 100, 20.0), (180, 60, 60.0), (200, 60, 60.0)] {
        let database = Database::new(TABLES).await;
        database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
        let served = Served::start_deployed(&database).await;
        let (sender, mut arrivals) = mpsc::unbounded_channel();
        let ready = Arc::new(Barrier::new(clients + 1));
        let mut readers = tokio::task::JoinSet::new();
        for client in 0..clients {
            let response = served.open("ann", &format!("client-{client}")).await;
            readers.spawn(read(response, sender.clone(), ready.clone()));
        }
        ready.wait().await;
        let mut connection = database.pool.acquire().await.unwrap();
        let (mut from_begin, mut from_return) = (Vec::new(), Vec::new());
        for commit in 0..commits {
            // Not in step with anything that the service does by the clock.
            tokio::time::sleep(Duration::from_millis(40 + commit * 7 % 31)).await;
            let mut transaction = sqlx::Connection::begin(&mut *connection).await.unwrap();
            sqlx::query("INSERT INTO todos VALUES ($1, 'l1', 'A todo of ordinary length')")
                .bind(format!("t{commit}"))
                .execute(&mut *transaction)
                .await
                .unwrap();
            let begin = Instant::now();
            transaction.commit().await.unwrap();
            let returned = Instant::now();
            for _ in 0..clients {
                let arrived: Instant = arrivals.recv().await.unwrap();
                from_begin.push((arrived - begin).as_secs_f64() * 1000.0);
                from_return.push(arrived.saturating_duration_since(returned).as_secs_f64() * 1000.0);
            }
        }
        let name = |what: &str| format!("commit to line, {clients} clients, {what}");
        report.figure(&name("p50"), percentile(&mut from_begin, 0.5), "ms", Some(target));
        report.figure(&name("p95"), percentile(&mut from_begin, 0.95), "ms", None);
        report.figure(&name("p50 from its return"), percentile(&mut from_return, 0.5), "ms", None);
        drop(connection);
        readers.shutdown().await;
        served.stop().await;
        database.drop().await;
    }
}

/// Says when each checkpoint behind the first one has arrived.
async fn read(response: reqwest::Response, arrivals: mpsc::UnboundedSender<Instant>, ready: Arc<Barrier>) {
    const END: &[u8] = b"{\"checkpoint_complete\"";
    let mut body = response.bytes_stream();
    let mut first = true;
    while let Some(Ok(bytes)) = body.next().await {
        let arrived = Instant::now();
        for _ in bytes.windows(END.len()).filter(|window| *window == END) {
            if std::mem::take(&mut first) {
                ready.wait().await;
            } else {
                let _ = arrivals.send(arrived);
            }
        }
    }
}
