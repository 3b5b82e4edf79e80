//! No name in an app's schema can meet one of the service's own in a statement.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::{Database, Service};

/// Every word of the service's own SQL and of the code around it.
fn words_of_the_service() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let text = std::fs::read_to_string(entry).unwrap();
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            words.extend(
                text.split(|c| !is_part(c))
                    .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase() || c == '_'))
                    .map(str::to_lowercase),
            );
        }
    }
    words.retain(|word| word.len() < 64);
    words
}

#[tokio::test]
async fn columns_may_have_every_name_that_the_service_uses_and_every_reserved_word() {
    let database = Database::new("").await;
    let mut words = words_of_the_service();
    let keywords: Vec<String> =
        sqlx::query_scalar("SELECT word FROM pg_get_keywords()").fetch_all(&database.pool).await.unwrap();
    words.extend(keywords);
    // System columns cannot be made.
    let system: Vec<String> = sqlx::query_scalar(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = 'pg_class'::regclass AND attnum < 0",
    )
    .fetch_all(&database.pool)
    .await
    .unwrap();
    words.retain(|word| !system.contains(word) && word != "id" && word != "owner");
    let words: Vec<&String> = words.iter().collect();
    assert!(words.len() > 1500, "{}", words.len());

    // A table has at most 1,600 columns, and a target list 1,664.
    for (number, words) in words.chunks(600).enumerate() {
        let table = format!("t{number}");
        let quoted: Vec<_> = words.iter().map(|word| format!("\"{word}\" text")).collect();
        database
            .run(&format!(
                "DROP TABLE IF EXISTS {table}; CREATE TABLE {table} (id text, owner text, {}, PRIMARY KEY (id, \"{}\"))",
                quoted.join(", "),
                words[0]
            ))
            .await;
        database.run("DROP PUBLICATION IF EXISTS powersync").await;
        database.run(&format!("CREATE PUBLICATION powersync FOR TABLE {table}")).await;
        let service = Service::start(&database).await;
        service.deploy(&format!("config:\n  edition: 3\nstreams:\n  s:\n    auto_subscribe: true\n    query: SELECT * FROM {table} WHERE owner = auth.user_id()\n")).await;
        let mut stream = service.stream("ann").await;
        stream.checkpoint().await;
        let values: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
        database.run(&format!("INSERT INTO {table} VALUES ('1', 'ann', {})", values.join(", "))).await;
        let lines = stream.checkpoint().await;
        let row: Value = serde_json::from_str(lines[1]["data"]["data"][0]["data"].as_str().unwrap()).unwrap();
        for word in words {
            assert_eq!(row[word.as_str()], json!(word), "{word}");
        }
        service.stop().await;
    }

    // The same as fields of a composite type, and as names of the tables and types themselves.
    for name in [
        "m",
        "m0",
        "e0",
        "t",
        "k",
        "r",
        "after",
        "before",
        "fresh",
        "prior",
        "queue",
        "oplog",
        "old",
        "new",
        "note",
        "sync_service",
    ] {
        database
            .run(&format!(
                "DROP TYPE IF EXISTS pair CASCADE; CREATE TYPE pair AS (\"{name}\" text, \"m1\" int)"
            ))
            .await;
        database
            .run(&format!(
                "CREATE TABLE \"{name}\" (id text PRIMARY KEY, owner text, \"{name}\" pair, many pair[])"
            ))
            .await;
        database
            .run(&format!("DROP PUBLICATION powersync; CREATE PUBLICATION powersync FOR TABLE \"{name}\""))
            .await;
        let service = Service::start(&database).await;
        service.deploy(&format!("config:\n  edition: 3\nstreams:\n  s:\n    auto_subscribe: true\n    query: SELECT * FROM \"{name}\" WHERE owner = auth.user_id()\n")).await;
        let mut stream = service.stream("ann").await;
        stream.checkpoint().await;
        database
            .run(&format!(
                "INSERT INTO \"{name}\" VALUES ('1', 'ann', ROW('x', 5), ARRAY[ROW('y', 6)::pair])"
            ))
            .await;
        let lines = stream.checkpoint().await;
        let row: Value = serde_json::from_str(lines[1]["data"]["data"][0]["data"].as_str().unwrap()).unwrap();
        let many: Value = serde_json::from_str(row["many"].as_str().unwrap()).unwrap();
        assert_eq!(many, json!([{ name: "y", "m1": 6 }]), "{name}");
        service.stop().await;
        database.run(&format!("DROP TABLE \"{name}\"")).await;
    }
    database.drop().await;
}
