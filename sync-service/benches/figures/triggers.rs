//! What the triggers cost a writing transaction, as against the same table without.

use std::time::Instant;

use sqlx::{Executor as _, PgConnection};

use crate::process::Served;
use crate::report::{Report, median};
use crate::support::Database;

const TABLES: &str = "
CREATE TABLE noted (id text PRIMARY KEY, list_id text NOT NULL, title text NOT NULL, done boolean NOT NULL DEFAULT false);
CREATE TABLE plain (LIKE noted INCLUDING ALL);
CREATE PUBLICATION powersync FOR TABLE noted;
";

const CONFIG: &str = "config: { edition: 3 }
streams:
  noted:
    auto_subscribe: true
    query: SELECT * FROM noted WHERE list_id = auth.user_id()
";

pub async fn run(report: &mut Report) {
    for (rows, times) in [(1, 4000), (1_000, 60), (100_000, 5)] {
        let database = Database::new(TABLES).await;
        let served = Served::start(&database).await;
        served.deploy(CONFIG).await;
        // The triggers stay, and nothing else takes the processor.
        served.stop().await;
        let mut connection = database.pool.acquire().await.unwrap();
        let (mut noted, mut plain) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for time in 0..=times {
            for (table, (inserts, updates)) in [("noted", &mut noted), ("plain", &mut plain)] {
                let (from, to) = (time * rows, (time + 1) * rows - 1);
                let insert = format!(
                    "INSERT INTO {table} SELECT 't' || i, 'l1', 'A todo of ordinary length' FROM generate_series({from}, {to}) i"
                );
                let update = format!(
                    "UPDATE {table} SET done = true WHERE id = ANY(SELECT 't' || i FROM generate_series({from}, {to}) i)"
                );
                inserts.push(microseconds(&mut connection, &insert).await);
                updates.push(microseconds(&mut connection, &update).await);
            }
            if time % 100 == 0 || rows > 1 {
                connection.execute("TRUNCATE sync_service.queue").await.unwrap();
            }
        }
        let mut cost = |what: &str, noted: &mut [f64], plain: &mut [f64]| {
            let (noted, plain) = (median(noted), median(plain));
            let name = format!("{what} of {rows} rows");
            report.figure(&format!("{name}, without triggers"), plain / rows as f64, "us a row", None);
            report.figure(
                &format!("{name}, added by the triggers"),
                (noted - plain) / rows as f64,
                "us a row",
                Some(20.0),
            );
        };
        cost("insert", &mut noted.0, &mut plain.0);
        cost("update", &mut noted.1, &mut plain.1);
        drop(connection);
        database.drop().await;
    }
}

/// A transaction of that statement alone, with its commit.
async fn microseconds(connection: &mut PgConnection, sql: &str) -> f64 {
    let begin = Instant::now();
    connection.execute(sql).await.unwrap();
    begin.elapsed().as_secs_f64() * 1_000_000.0
}
