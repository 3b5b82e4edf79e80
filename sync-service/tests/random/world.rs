//! The app: its tables, its sync configs, and what each of them lets a user see.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::core_client::{Client, schema};

pub const USERS: [&str; 4] = ["ann", "bob", "cy", "dö"];
pub const LISTS: usize = 12;

/// What every user's ledger sums up to, whatever is moved within it.
pub const SUM: i64 = 1000;

pub const TABLES: &str = "
CREATE TABLE lists (id text PRIMARY KEY, owner_id text NOT NULL, name text, state text NOT NULL DEFAULT 'open', weight double precision);
CREATE TABLE shares (id text PRIMARY KEY, list_id text NOT NULL, user_id text NOT NULL);
CREATE TABLE todos (list_id text NOT NULL, n bigint NOT NULL, id text NOT NULL UNIQUE, title text, done boolean, rank bigint, at timestamptz,
    PRIMARY KEY (list_id, n));
CREATE TABLE notes (id text PRIMARY KEY, list_id text NOT NULL, body text, tags text[]);
CREATE TABLE ledger (id text PRIMARY KEY, owner_id text NOT NULL, side text NOT NULL, amount bigint NOT NULL);
CREATE PUBLICATION powersync FOR TABLE lists, shares, todos, notes, ledger;
INSERT INTO ledger SELECT u || s || i, u, s, 50 FROM unnest(ARRAY['ann', 'bob', 'cy', 'dö']) u, unnest(ARRAY['a', 'b']) s, generate_series(1, 10) i;
";

pub fn client_schema() -> Value {
    schema(&[
        ("lists", &["owner_id TEXT", "name TEXT", "state TEXT", "weight REAL"]),
        ("shares", &["list_id TEXT", "user_id TEXT"]),
        ("todos", &["list_id TEXT", "n INTEGER", "title TEXT", "done INTEGER", "rank INTEGER", "at TEXT"]),
        ("notes", &["list_id TEXT", "body TEXT", "tags TEXT"]),
        ("ledger", &["owner_id TEXT", "side TEXT", "amount INTEGER"]),
    ])
}

/// A sync config and what of `lists` and of `todos` it leaves out.
pub struct Variant {
    pub config: &'static str,
    lists: &'static str,
    todos: &'static str,
    without_times: bool,
}

/// Every config has the same streams for what clients subscribe to and for the ledger.
pub const VARIANTS: [Variant; 3] = [
    Variant {
        config: "config: { edition: 3 }
streams:
  lists:
    auto_subscribe: true
    priority: 1
    query: SELECT * FROM lists WHERE owner_id = auth.user_id() OR id IN (SELECT list_id FROM shares WHERE user_id = auth.user_id())
  shares:
    auto_subscribe: true
    query: SELECT * FROM shares WHERE user_id = auth.user_id()
  todos:
    auto_subscribe: true
    query: SELECT * FROM todos WHERE list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id())
      OR list_id IN (SELECT list_id FROM shares WHERE user_id = auth.user_id())
  notes:
    query: SELECT * FROM notes WHERE list_id = subscription.parameter('list_id')
      AND list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id())
  ledger_a:
    auto_subscribe: true
    query: SELECT * FROM ledger WHERE owner_id = auth.user_id() AND side = 'a'
  ledger_b:
    auto_subscribe: true
    query: SELECT * FROM ledger WHERE owner_id = auth.user_id() AND side = 'b'
",
        lists: "true",
        todos: "true",
        without_times: false,
    },
    Variant {
        config: "config: { edition: 3 }
streams:
  everything:
    auto_subscribe: true
    queries:
      - SELECT * FROM lists WHERE state = 'open' AND (owner_id = auth.user_id() OR id IN (SELECT list_id FROM shares WHERE user_id = auth.user_id()))
      - SELECT * FROM shares WHERE user_id = auth.user_id()
      - SELECT * FROM ledger WHERE owner_id = auth.user_id() AND side = 'a'
      - SELECT * FROM ledger WHERE owner_id = auth.user_id() AND side = 'b'
      - SELECT * FROM todos WHERE list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id())
          OR list_id IN (SELECT list_id FROM shares WHERE user_id = auth.user_id())
  notes:
    priority: 2
    query: SELECT * FROM notes WHERE list_id = subscription.parameter('list_id')
      AND list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id())
",
        lists: "state = 'open'",
        todos: "true",
        without_times: false,
    },
    Variant {
        config: "config: { edition: 3 }
streams:
  lists:
    auto_subscribe: true
    query: SELECT * FROM lists WHERE owner_id = auth.user_id() OR id IN (SELECT list_id FROM shares WHERE user_id = auth.user_id())
  shares:
    auto_subscribe: true
    priority: 0
    query: SELECT * FROM shares WHERE user_id = auth.user_id()
  own_todos:
    auto_subscribe: true
    priority: 2
    query: SELECT id, list_id, n, title, done, rank FROM todos WHERE list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id() AND state = 'open')
  notes:
    query: SELECT * FROM notes WHERE list_id = subscription.parameter('list_id')
      AND list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id())
  ledger_a:
    auto_subscribe: true
    query: SELECT * FROM ledger WHERE owner_id = auth.user_id() AND side = 'a'
  ledger_b:
    auto_subscribe: true
    query: SELECT * FROM ledger WHERE owner_id = auth.user_id() AND side = 'b'
",
        lists: "true",
        todos: "list_id IN (SELECT id FROM lists WHERE owner_id = $1 AND state = 'open')",
        without_times: true,
    },
];

/// The client's query and Postgres' query of a table; `$1` is the user and `$2` the lists whose notes it is subscribed to.
fn queries(variant: &Variant) -> [(&'static str, String); 5] {
    const MINE: &str = "SELECT id FROM lists WHERE owner_id = $1";
    const SHARED: &str = "SELECT list_id FROM shares WHERE user_id = $1";
    let at = if variant.without_times {
        "NULL"
    } else {
        "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
    };
    let rows = |columns: &str, table: &str, condition: &str| {
        format!(
            "SELECT coalesce(json_agg(json_build_array({columns}) ORDER BY id COLLATE \"C\"), '[]') FROM {table}
             WHERE ({condition}) AND $1::text IS NOT NULL AND $2::text[] IS NOT NULL"
        )
    };
    [
        (
            "SELECT id, owner_id, name, state, weight FROM lists ORDER BY id",
            rows(
                "id, owner_id, name, state, weight",
                "lists",
                &format!("(owner_id = $1 OR id IN ({SHARED})) AND {}", variant.lists),
            ),
        ),
        (
            "SELECT id, list_id, user_id FROM shares ORDER BY id",
            rows("id, list_id, user_id", "shares", "user_id = $1"),
        ),
        (
            "SELECT id, list_id, n, title, done, CAST(rank AS TEXT), at FROM todos ORDER BY id",
            rows(
                &format!("id, list_id, n, title, done::int, rank::text, {at}"),
                "todos",
                &format!("(list_id IN ({MINE}) OR list_id IN ({SHARED})) AND {}", variant.todos),
            ),
        ),
        (
            "SELECT id, list_id, body, tags FROM notes ORDER BY id",
            rows(
                "id, list_id, body, array_to_json(tags)::text",
                "notes",
                &format!("list_id = ANY($2) AND list_id IN ({MINE})"),
            ),
        ),
        (
            "SELECT id, side, amount FROM ledger ORDER BY id",
            rows("id, side, amount", "ledger", "owner_id = $1"),
        ),
    ]
}

/// What of a client's tables differs from what Postgres says that the user may see.
pub async fn differences(
    pool: &PgPool,
    variant: &Variant,
    client: &Client,
    user: &str,
    subscribed: &[String],
) -> Vec<String> {
    let mut differences = Vec::new();
    for (local, truth) in queries(variant) {
        let truth: Value =
            sqlx::query_scalar(&truth).bind(user).bind(subscribed).fetch_one(pool).await.unwrap();
        let local = client.query(local).await;
        let (truth, local) = (rows(&truth), rows(&local));
        let missing = truth.difference(&local).map(|row| format!("missing {row}"));
        let wrong = local.difference(&truth).map(|row| format!("wrong {row}"));
        differences.extend(missing.chain(wrong));
    }
    differences
}

/// The rows as text in which numbers that are equal are written the same way.
fn rows(rows: &Value) -> BTreeSet<String> {
    let number = |value: &Value| value.as_f64().map_or_else(|| value.clone(), |number| json!(number));
    let row = |row: &Value| row.as_array().unwrap().iter().map(number).collect::<Value>().to_string();
    rows.as_array().unwrap().iter().map(row).collect()
}
