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

/// Transactions of one statement on one row, one after the other inside Postgres: the way to the client and back would be
/// many times what is measured here, and as uneven.
const PROCEDURE: &str = "
CREATE PROCEDURE one_by_one(statement text, times int, INOUT microseconds float8) LANGUAGE plpgsql AS $$
DECLARE
    begun timestamptz := clock_timestamp();
BEGIN
    FOR i IN 1..times LOOP
        EXECUTE statement USING 't' || (i + times * microseconds::int);
        COMMIT;
    END LOOP;
    microseconds := extract(epoch FROM clock_timestamp() - begun) * 1000000 / times;
END $$;
";

pub async fn run(report: &mut Report) {
    for (rows, times) in [(1, 7), (1_000, 60), (100_000, 5)] {
        let database = Database::new(TABLES).await;
        let served = Served::start(&database).await;
        served.deploy(CONFIG).await;
        // The triggers stay, and nothing else takes the processor.
        served.stop().await;
        database.run(PROCEDURE).await;
        let mut connection = database.pool.acquire().await.unwrap();
        let (mut noted, mut plain) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for time in 0..=times {
            for (table, (inserts, updates)) in [("noted", &mut noted), ("plain", &mut plain)] {
                if rows == 1 {
                    let insert =
                        format!("INSERT INTO {table} VALUES ($1, 'l1', 'A todo of ordinary length')");
                    let update = format!("UPDATE {table} SET done = true WHERE id = $1");
                    inserts.push(one_by_one(&mut connection, &insert, time).await);
                    updates.push(one_by_one(&mut connection, &update, time).await);
                    continue;
                }
                let (from, to) = (time * rows, (time + 1) * rows - 1);
                let insert = format!(
                    "INSERT INTO {table} SELECT 't' || i, 'l1', 'A todo of ordinary length' FROM generate_series({from}, {to}) i"
                );
                let update = format!(
                    "UPDATE {table} SET done = true WHERE id = ANY(SELECT 't' || i FROM generate_series({from}, {to}) i)"
                );
                inserts.push(microseconds(&mut connection, &insert).await / rows as f64);
                updates.push(microseconds(&mut connection, &update).await / rows as f64);
            }
            connection.execute("TRUNCATE sync_service.queue").await.unwrap();
        }
        let mut cost = |what: &str, noted: &mut [f64], plain: &mut [f64]| {
            let (noted, plain) = (median(noted), median(plain));
            let name = format!("{what} of {rows} rows");
            report.figure(&format!("{name}, without triggers"), plain, "us a row", None);
            report.figure(&format!("{name}, added by the triggers"), noted - plain, "us a row", Some(20.0));
        };
        cost("insert", &mut noted.0, &mut plain.0);
        cost("update", &mut noted.1, &mut plain.1);
        drop(connection);
        database.drop().await;
    }
}

/// Microseconds of each of some thousand transactions.
async fn one_by_one(connection: &mut PgConnection, statement: &str, time: i32) -> f64 {
    let call = sqlx::query_scalar("CALL one_by_one($1, 4000, $2)").bind(statement).bind(f64::from(time));
    call.fetch_one(connection).await.unwrap()
}

/// A transaction of that statement alone, with its commit.
async fn microseconds(connection: &mut PgConnection, sql: &str) -> f64 {
    let begin = Instant::now();
    connection.execute(sql).await.unwrap();
    begin.elapsed().as_secs_f64() * 1_000_000.0
}
