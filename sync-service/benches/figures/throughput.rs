//! A writer at full speed, until a client has everything.

use std::time::Instant;

use crate::process::Served;
use crate::report::Report;
use crate::support::{Database, Lines, TABLES, ops};

pub async fn run(report: &mut Report) {
    for (rows, per_transaction) in [(5_000, 1), (100_000, 100), (200_000, 2_000)] {
        let database = Database::new(TABLES).await;
        database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
        let served = Served::start_deployed(&database).await;
        let mut lines = Lines::new(served.open("ann", "client-1").await);
        lines.checkpoint().await;
        let begin = Instant::now();
        let pool = database.pool.clone();
        let writer = tokio::spawn(async move {
            for first in (0..rows).step_by(per_transaction) {
                sqlx::query(
                    "INSERT INTO todos SELECT 't' || i, 'l1', 'A todo of ordinary length' FROM generate_series($1::int, $2) i",
                )
                .bind(i32::try_from(first).unwrap())
                .bind(i32::try_from(first + per_transaction - 1).unwrap())
                .execute(&pool)
                .await
                .unwrap();
            }
            begin.elapsed()
        });
        let mut received = 0;
        while received < rows {
            received += ops(&lines.checkpoint().await).len();
        }
        let all = begin.elapsed();
        let written = writer.await.unwrap();
        let name = |what: &str| format!("{what}, {per_transaction} a transaction");
        report.figure(&name("changes written"), rows as f64 / written.as_secs_f64(), "per s", None);
        report.figure(&name("changes received"), rows as f64 / all.as_secs_f64(), "per s", None);
        served.stop().await;
        database.drop().await;
    }
}
