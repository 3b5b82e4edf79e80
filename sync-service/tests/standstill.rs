//! One table, one statement, one lock: all others go on being synced.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use std::str::FromStr as _;

use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use support::{Database, Lines, Service, TABLES, eventually, op_names};

const WITH_NOTES: &str = "  notes:
    auto_subscribe: true
    query: SELECT id, owner_id FROM notes WHERE owner_id = auth.user_id()
";

const NOTES: &str =
    "CREATE TABLE notes (id text PRIMARY KEY, owner_id text); ALTER PUBLICATION powersync ADD TABLE notes;";

/// A service whose streams read lists, todos and notes.
async fn start() -> (Database, Service, Lines) {
    let database = Database::new(TABLES).await;
    database.run(NOTES).await;
    let service = Service::start(&database).await;
    service.deploy(&format!("{}{WITH_NOTES}", support::SYNC_CONFIG)).await;
    let mut stream = service.stream("ann").await;
    stream.checkpoint().await;
    (database, service, stream)
}

/// The tables that are set aside, as readiness has them; it is ready all the same.
async fn not_synced(service: &Service) -> Vec<(String, String)> {
    let answer = service.http.get(format!("{}/probes/readiness", service.url)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap().to_owned();
    answer["not_synced"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (text(entry, "table"), text(entry, "reason")))
        .collect()
}

/// Writes a few lists and waits for each, while something holds up another table.
async fn lists_go_on(database: &Database, stream: &mut Lines, kind: &str) {
    for number in 0..3 {
        let began = std::time::Instant::now();
        let kind = kind.replace('\'', "");
        database.run(&format!("INSERT INTO lists VALUES ('{kind} {number}', 'ann', 'L')")).await;
        let put = format!("PUT lists/{kind} {number}");
        while !op_names(&stream.checkpoint().await).contains(&put) {}
        // Whoever waits for a lock waits until the test ends.
        assert!(began.elapsed().as_secs() < 10, "{kind}: {:?}", began.elapsed());
    }
}

/// A long transaction on each kind of object.
#[tokio::test]
async fn what_a_long_transaction_holds_waits_alone() {
    waits_alone("notes").await;
}

/// Where a publication has row filters, Postgres does not show it while a table of it is locked.
#[tokio::test]
async fn what_a_long_transaction_holds_waits_alone_with_row_filters_too() {
    waits_alone("notes WHERE (id <> '')").await;
}

async fn waits_alone(published: &str) {
    for (kind, holds, then) in [
        (
            "a table that is being changed",
            "ALTER TABLE notes ADD COLUMN more text",
            "INSERT INTO notes VALUES ('n', 'ann')",
        ),
        (
            "a table that is locked",
            "LOCK TABLE notes IN ACCESS EXCLUSIVE MODE",
            "INSERT INTO notes VALUES ('n', 'ann')",
        ),
        ("a new table that somebody writes", "INSERT INTO later VALUES ('n', 'ann')", "SELECT 1"),
        (
            "a table that leaves, and somebody writes it",
            "UPDATE notes SET owner_id = owner_id",
            "INSERT INTO notes VALUES ('n', 'ann')",
        ),
        (
            "the publication",
            "ALTER PUBLICATION powersync ADD TABLE later",
            "INSERT INTO notes VALUES ('n', 'ann')",
        ),
        (
            "the function of a table's triggers",
            "DROP TRIGGER sync_service_insert ON notes",
            "INSERT INTO notes VALUES ('n', 'ann')",
        ),
    ] {
        let (database, service, mut stream) = start().await;
        database.run("CREATE TABLE later (id text PRIMARY KEY, owner_id text)").await;
        database.run(&format!("ALTER PUBLICATION powersync SET TABLE lists, todos, {published}")).await;
        database.run("INSERT INTO notes VALUES ('first', 'ann')").await;
        assert_eq!(op_names(&stream.checkpoint().await), ["PUT notes/first"]);
        let mut holder = database.pool.acquire().await.unwrap();
        let mut transaction = holder.begin().await.unwrap();
        transaction.execute(holds).await.unwrap();
        match kind {
            "a new table that somebody writes" => {
                database.run("ALTER PUBLICATION powersync ADD TABLE later").await
            }
            "a table that leaves, and somebody writes it" => {
                database.run("ALTER PUBLICATION powersync DROP TABLE notes").await
            }
            _ => {}
        }
        lists_go_on(&database, &mut stream, kind).await;
        transaction.execute(then).await.unwrap();
        lists_go_on(&database, &mut stream, &format!("{kind}, later")).await;
        transaction.commit().await.unwrap();
        drop(holder);
        eventually("all is well", async || not_synced(&service).await.is_empty()).await;
        if !kind.contains("leaves") {
            database.run("INSERT INTO notes VALUES ('last', 'ann')").await;
            let mut seen = op_names(&stream.checkpoint().await);
            while !seen.contains(&"PUT notes/last".to_owned()) {
                seen.extend(op_names(&stream.checkpoint().await));
            }
        }
        service.stop().await;
        database.drop().await;
    }
}

/// A table whose statement fails is set aside with its reason, and comes back by itself with all that was written meanwhile.
#[tokio::test]
async fn a_table_whose_statement_fails_is_set_aside_and_comes_back() {
    let (database, service, mut stream) = start().await;
    database.run("INSERT INTO notes VALUES ('before', 'ann')").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT notes/before"]);
    database
        .run("REVOKE SELECT ON notes FROM CURRENT_USER; INSERT INTO notes VALUES ('meanwhile', 'ann')")
        .await;
    eventually("it is said", async || {
        let reasons = not_synced(&service).await;
        matches!(&reasons[..], [(table, reason)] if table.contains("notes") && reason.contains("permission denied"))
    })
    .await;
    let (_, answer) = service.admin_json("/api/admin/v1/diagnostics", json!({})).await;
    let errors = answer["data"]["active_sync_rules"]["errors"].to_string();
    assert!(errors.contains("permission denied"), "{answer}");
    lists_go_on(&database, &mut stream, "a table that may not be read").await;
    // A config that is deployed meanwhile becomes active.
    service.deploy(&format!("{}{WITH_NOTES}", support::SYNC_CONFIG)).await;
    let mut stream = service.stream("ann").await;
    let first = op_names(&stream.checkpoint().await);
    assert!(first.iter().all(|op| op.starts_with("PUT lists/")), "{first:?}");

    database.run("GRANT SELECT ON notes TO CURRENT_USER").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT notes/before", "PUT notes/meanwhile"]);
    eventually("all is well", async || not_synced(&service).await.is_empty()).await;
    service.stop().await;
    database.drop().await;
}

/// A row that cannot be synced is said, and those beside it are.
#[tokio::test]
async fn an_id_that_is_too_long_is_said() {
    let (database, service, mut stream) = start().await;
    database.run("INSERT INTO notes SELECT repeat('long', n), 'ann' FROM generate_series(249, 251) n").await;
    let long = |count: usize| format!("PUT notes/{}", "long".repeat(count));
    assert_eq!(op_names(&stream.checkpoint().await), [long(249), long(250)]);
    let said = async || {
        let (_, answer) = service.admin_json("/api/admin/v1/diagnostics", json!({})).await;
        answer["data"]["active_sync_rules"]["errors"].to_string()
    };
    eventually("it is said", async || said().await.contains("has rows that are not synced")).await;
    // As a value that rows are selected by, too.
    database.run("INSERT INTO lists VALUES ('l', repeat('o', 1001), 'L')").await;
    eventually("it is said", async || said().await.matches("has rows that are not synced").count() == 2)
        .await;
    service.stop().await;
    database.drop().await;
}

/// What the role has as its own limits does not stop anything.
#[tokio::test]
async fn time_limits_of_the_role_are_not_the_services() {
    let database = Database::new(TABLES).await;
    database
        .run(
            "DO $$ DECLARE setting text; BEGIN
                FOREACH setting IN ARRAY ARRAY['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout'] LOOP
                    EXECUTE format('ALTER DATABASE %I SET %I = %L', current_database(), setting, '10ms');
                END LOOP;
            END $$",
        )
        .await;
    let service = Service::start_deployed(&database).await;
    let mut stream = service.stream("ann").await;
    stream.checkpoint().await;
    let unlimited = [("statement_timeout", "0"), ("idle_session_timeout", "0"), ("lock_timeout", "0")];
    let mut admin =
        PgConnectOptions::from_str(&database.url).unwrap().options(unlimited).connect().await.unwrap();
    admin
        .execute(
            "INSERT INTO lists VALUES ('l', 'ann', 'L');
             INSERT INTO todos SELECT 't' || n, 'l', 'T', false FROM generate_series(1, 20000) n",
        )
        .await
        .unwrap();
    let rows = op_names(&stream.checkpoint().await);
    assert_eq!(rows.len(), 20001);
    admin.close().await.unwrap();
    service.stop().await;
    database.drop().await;
}
