//! What is published is what is sent: beside each stream, Postgres' own logical replication of the same publication.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sqlx::Row as _;
use support::{Database, Service, eventually};

const CONFIG: &str = "config:
  edition: 3
streams:
  people:
    auto_subscribe: true
    query: SELECT * FROM people
";

const PEOPLE: &str = "
CREATE TABLE people (id text PRIMARY KEY, name text, secret text, hidden boolean NOT NULL DEFAULT false, initial text GENERATED ALWAYS AS (left(name, 1)) STORED);
INSERT INTO people VALUES ('a', 'Ann', 'sa', false), ('b', 'Bob', 'sb', true);
";

/// What the stream and Postgres' replication say of each row, from the same changes.
struct SideBySide {
    database: Database,
    service: Service,
    stream: support::Lines,
    rows: BTreeMap<String, Value>,
}

impl SideBySide {
    async fn start(publication: &str) -> Self {
        let database = Database::new(PEOPLE).await;
        database.run(publication).await;
        database
            .run("SELECT pg_create_logical_replication_slot('peer_' || current_database(), 'pgoutput')")
            .await;
        let service = Service::start(&database).await;
        service.deploy(CONFIG).await;
        let stream = service.stream("ann").await;
        Self { database, service, stream, rows: BTreeMap::new() }
    }

    /// Takes what the next checkpoint brings; gives the rows as clients have them then.
    async fn next(&mut self) -> BTreeMap<String, Value> {
        for line in self.stream.checkpoint().await {
            let ops = line.get("data").and_then(|data| data["data"].as_array().cloned()).unwrap_or_default();
            for op in ops {
                let id = op["object_id"].as_str().unwrap().to_owned();
                match op["op"].as_str().unwrap() {
                    "PUT" => drop(
                        self.rows.insert(id, serde_json::from_str(op["data"].as_str().unwrap()).unwrap()),
                    ),
                    _ => drop(self.rows.remove(&id)),
                }
            }
        }
        self.rows.clone()
    }

    /// The columns and rows that Postgres replicates of a change to every row.
    async fn replicated(&self) -> BTreeMap<String, Value> {
        let sql = "SELECT data FROM pg_logical_slot_get_binary_changes('peer_' || current_database(), NULL, NULL, 'proto_version', '1', 'publication_names', 'powersync')";
        let messages: Vec<Vec<u8>> = sqlx::query(sql)
            .fetch_all(&self.database.pool)
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        let mut columns = Vec::new();
        let mut rows = BTreeMap::new();
        for message in messages {
            let mut reader = Reader(&message[1..]);
            match message[0] {
                b'R' => columns = reader.relation(),
                b'I' | b'U' => {
                    let row = reader.row(&columns);
                    rows.insert(row["id"].as_str().unwrap().to_owned(), Value::Object(row));
                }
                b'D' => {
                    let row = reader.row(&columns);
                    rows.remove(row["id"].as_str().unwrap());
                }
                _ => {}
            }
        }
        rows
    }

    async fn end(self) {
        self.service.stop().await;
        self.database.run("SELECT pg_drop_replication_slot('peer_' || current_database())").await;
        self.database.drop().await;
    }
}

/// A message of Postgres' logical replication protocol.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take(&mut self, count: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn int16(&mut self) -> usize {
        u16::from_be_bytes(self.take(2).try_into().unwrap()).into()
    }

    fn text(&mut self) -> String {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap();
        let text = String::from_utf8(self.take(end).to_vec()).unwrap();
        self.take(1);
        text
    }

    fn relation(&mut self) -> Vec<String> {
        self.take(4);
        self.text();
        self.text();
        self.take(1);
        let count = self.int16();
        let column = |_| {
            self.take(1);
            let name = self.text();
            self.take(8);
            name
        };
        (0..count).map(column).collect()
    }

    /// The new row of an insert or update, the key of a delete.
    fn row(&mut self, columns: &[String]) -> Map<String, Value> {
        self.take(4);
        let kind = self.take(1)[0];
        let mut row = self.tuple(columns);
        if kind != b'N' && !self.0.is_empty() {
            self.take(1);
            row = self.tuple(columns);
        }
        row
    }

    fn tuple(&mut self, columns: &[String]) -> Map<String, Value> {
        let count = self.int16();
        let mut row = Map::new();
        for column in columns.iter().take(count) {
            let value = match self.take(1)[0] {
                b't' => {
                    let length = u32::from_be_bytes(self.take(4).try_into().unwrap()) as usize;
                    Value::from(String::from_utf8(self.take(length).to_vec()).unwrap())
                }
                _ => Value::Null,
            };
            row.insert(column.clone(), value);
        }
        row
    }
}

/// Replication gives booleans as letters.
fn as_replicated(rows: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let mut rows = rows.clone();
    for hidden in rows.values_mut().filter_map(|row| row.get_mut("hidden")) {
        *hidden = json!(if *hidden == json!(1) { "t" } else { "f" });
    }
    rows
}

const TOUCH: &str = "UPDATE people SET name = name || '!', secret = secret || '!'";

/// The first copy, a change of every row, and each again after the publication has been altered.
#[tokio::test]
async fn columns_and_rows_that_are_not_published_are_not_sent() {
    let mut both =
        SideBySide::start("CREATE PUBLICATION powersync FOR TABLE people (id, name) WHERE (id <> 'z')").await;
    let first = both.next().await;
    both.database.run(TOUCH).await;
    let changed = both.next().await;
    assert_eq!(as_replicated(&changed), both.replicated().await);
    assert_eq!(first.keys().collect::<Vec<_>>(), changed.keys().collect::<Vec<_>>());
    assert_eq!(first["a"], json!({ "id": "a", "name": "Ann" }));

    // Less than before: what is there already goes.
    for (publication, identity, left) in [
        ("people WHERE (NOT hidden)", "FULL", vec!["a"]),
        ("people (id, secret)", "DEFAULT", vec!["a", "b"]),
        ("people", "DEFAULT", vec!["a", "b"]),
    ] {
        both.database.run(&format!("ALTER TABLE people REPLICA IDENTITY {identity}")).await;
        both.database.run(&format!("ALTER PUBLICATION powersync SET TABLE {publication}")).await;
        let altered = both.next().await;
        both.database.run(TOUCH).await;
        let changed = both.next().await;
        let replicated = both.replicated().await;
        assert_eq!(as_replicated(&changed), replicated, "{publication}");
        assert_eq!(altered.keys().collect::<Vec<_>>(), left, "{publication}");
    }
    both.end().await;
}

/// One key of each type whose text depends on a session's settings, written by sessions with other ones.
#[tokio::test]
async fn a_key_is_the_same_text_whatever_the_writer_has_set() {
    for (of, key) in [
        ("bytea", "'\\x00ff'::bytea"),
        ("float8", "0.1::float8 + 0.2::float8"),
        ("timestamptz", "'2024-03-31T12:00:00Z'::timestamptz"),
        ("interval", "'1 day 02:03:04'::interval"),
        ("money", "'12.50'::money"),
        ("float8[]", "ARRAY[0.1::float8 + 0.2::float8]"),
        ("tstzrange", "tstzrange('2024-03-31T12:00:00Z', '2024-04-01T12:00:00Z')"),
    ] {
        let database = Database::new(&format!(
            "CREATE TABLE things (key {of} PRIMARY KEY, id text, owner text); CREATE PUBLICATION powersync FOR TABLE things;"
        ))
        .await;
        let service = Service::start(&database).await;
        service
            .deploy("config:\n  edition: 3\nstreams:\n  things:\n    auto_subscribe: true\n    query: SELECT id, owner FROM things WHERE owner = auth.user_id()\n")
            .await;
        let mut stream = service.stream("ann").await;
        stream.checkpoint().await;
        let with_settings = |sql: String| {
            format!(
                "BEGIN; SET LOCAL bytea_output = 'escape'; SET LOCAL extra_float_digits = -10; SET LOCAL DateStyle = 'SQL, DMY'; \
                 SET LOCAL TimeZone = 'Asia/Kathmandu'; SET LOCAL IntervalStyle = 'iso_8601'; {sql}; COMMIT"
            )
        };
        database.run(&with_settings(format!("INSERT INTO things VALUES ({key}, '1', 'ann')"))).await;
        assert_eq!(support::op_names(&stream.checkpoint().await), ["PUT things/1"], "{of}");
        database.run(&with_settings("UPDATE things SET owner = 'bob'".to_owned())).await;
        assert_eq!(support::op_names(&stream.checkpoint().await), ["REMOVE things/1"], "{of}");
        database.run(&with_settings("UPDATE things SET owner = 'ann'".to_owned())).await;
        stream.checkpoint().await;
        database.run(&with_settings("DELETE FROM things".to_owned())).await;
        assert_eq!(support::op_names(&stream.checkpoint().await), ["REMOVE things/1"], "{of}");
        service.stop().await;
        database.drop().await;
    }
}

/// Where a config names a column that is not published, it is said.
#[tokio::test]
async fn a_column_that_is_not_published_is_a_problem_of_the_config_that_names_it() {
    let database = Database::new(PEOPLE).await;
    database.run("CREATE PUBLICATION powersync FOR TABLE people (id, name)").await;
    let service = Service::start(&database).await;
    service.deploy("config:\n  edition: 3\nstreams:\n  p:\n    auto_subscribe: true\n    query: SELECT id FROM people WHERE secret = 'sa'\n").await;
    eventually("it is said", async || {
        let (_, answer) = service.admin_json("/api/admin/v1/diagnostics", json!({})).await;
        answer["data"]["active_sync_rules"]["errors"].to_string().contains("is not in publication")
    })
    .await;
    service.stop().await;
    database.drop().await;
}
