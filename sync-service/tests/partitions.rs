//! Rows that reach a published table by another way than a write to it: through a partition, or while triggers are switched off.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use support::{Database, Lines, Service, TABLES, op_names};

const EVENTS: &str = "
CREATE TABLE events (id text, day int, owner text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (10);
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (day);
CREATE TABLE \"events 2a\" PARTITION OF events_2 FOR VALUES FROM (10) TO (15);
CREATE PUBLICATION powersync FOR TABLE events WITH (publish_via_partition_root = true);
INSERT INTO events VALUES ('a', 1, 'ann');
";

const CONFIG: &str = "config:
  edition: 3
streams:
  events:
    auto_subscribe: true
    query: SELECT id, owner FROM events WHERE owner = auth.user_id()
";

async fn expects(stream: &mut Lines, ops: &[&str]) {
    assert_eq!(op_names(&stream.checkpoint().await), ops);
}

#[tokio::test]
async fn what_is_written_to_a_partition_is_synced_as_the_published_table() {
    let database = Database::new(EVENTS).await;
    let service = Service::start(&database).await;
    service.deploy(CONFIG).await;
    let mut stream = service.stream("ann").await;
    expects(&mut stream, &["PUT events/a"]).await;
    database.run("INSERT INTO events VALUES ('b', 2, 'ann')").await;
    expects(&mut stream, &["PUT events/b"]).await;
    database.run("INSERT INTO events_1 VALUES ('c', 3, 'ann')").await;
    expects(&mut stream, &["PUT events/c"]).await;
    database.run("INSERT INTO \"events 2a\" VALUES ('d', 11, 'ann')").await;
    expects(&mut stream, &["PUT events/d"]).await;
    // From one partition to another, which changes the key.
    database.run("UPDATE events SET day = 12, owner = 'bob' WHERE id = 'a'").await;
    expects(&mut stream, &["REMOVE events/a"]).await;
    database.run("UPDATE \"events 2a\" SET owner = 'ann'").await;
    expects(&mut stream, &["PUT events/a"]).await;
    database.run("DELETE FROM events_2 WHERE id = 'd'").await;
    expects(&mut stream, &["REMOVE events/d"]).await;
    database.run("TRUNCATE events_1").await;
    expects(&mut stream, &["REMOVE events/b", "REMOVE events/c"]).await;

    // Made later, with a row that nobody has noted.
    database.run("CREATE TABLE events_3 (LIKE events); INSERT INTO events_3 VALUES ('e', 21, 'ann')").await;
    database.run("ALTER TABLE events ATTACH PARTITION events_3 FOR VALUES FROM (20) TO (30)").await;
    expects(&mut stream, &["PUT events/e"]).await;
    database.run("INSERT INTO events_3 VALUES ('f', 22, 'ann')").await;
    expects(&mut stream, &["PUT events/f"]).await;
    database.run("CREATE TABLE events_4 PARTITION OF events_2 FOR VALUES FROM (15) TO (20)").await;
    database.run("INSERT INTO events_4 VALUES ('g', 16, 'ann')").await;
    expects(&mut stream, &["PUT events/g"]).await;
    database.run("ALTER TABLE events DETACH PARTITION events_3").await;
    expects(&mut stream, &["REMOVE events/e", "REMOVE events/f"]).await;
    // It is a table like any other now, with columns of its own.
    database.run("ALTER TABLE events_3 DROP COLUMN id; INSERT INTO events_3 VALUES (1, 'x')").await;
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn triggers_fire_for_replicas_and_a_trigger_that_was_switched_off_is_noticed() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let mut stream = service.stream("ann").await;
    stream.checkpoint().await;
    // What restores and replication tools set needs a superuser, so a trigger's state stands for it.
    let always: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'lists'::regclass AND tgname LIKE 'sync_service%' AND tgenabled = 'A'",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap();
    assert_eq!(always, 5, "they fire in sessions of every session_replication_role");

    for off_and_on in [
        ("ALTER TABLE lists DISABLE TRIGGER USER", "ALTER TABLE lists ENABLE TRIGGER USER"),
        (
            "ALTER TABLE lists DISABLE TRIGGER sync_service_insert",
            "ALTER TABLE lists ENABLE ALWAYS TRIGGER sync_service_insert",
        ),
        ("DROP TRIGGER sync_service_insert ON lists", "SELECT 1"),
        // It stays off: it is put right.
        ("ALTER TABLE lists DISABLE TRIGGER USER", "SELECT 1"),
    ] {
        let (off, on) = off_and_on;
        database
            .run(&format!("BEGIN; {off}; INSERT INTO lists VALUES ('x', 'ann', 'X'); {on}; COMMIT"))
            .await;
        expects(&mut stream, &["PUT lists/x"]).await;
        database.run("DELETE FROM lists").await;
        expects(&mut stream, &["REMOVE lists/x"]).await;
    }
    service.stop().await;
    database.drop().await;
}

/// A table that inherits from a published one is not that table.
#[tokio::test]
async fn rows_of_a_table_that_inherits_are_its_own() {
    let database = Database::new(TABLES).await;
    database.run("CREATE TABLE special_lists () INHERITS (lists); ALTER PUBLICATION powersync SET TABLE ONLY lists, todos").await;
    database
        .run("INSERT INTO lists VALUES ('l', 'ann', 'L'); INSERT INTO special_lists VALUES ('s', 'ann', 'S')")
        .await;
    let service = Service::start_deployed(&database).await;
    let mut stream = service.stream("ann").await;
    expects(&mut stream, &["PUT lists/l"]).await;
    service.stop().await;
    database.drop().await;
}
