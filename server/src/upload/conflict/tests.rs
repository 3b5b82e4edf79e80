//! Two browsers that were offline at the same time, against a real Postgres: both have seen the same row, both change
//! it, and their uploads arrive one after the other.

use insta::assert_snapshot;
use schema::{
    Column,
    upload::{Change, Code, Operation, Outcome},
};
use serde_json::{Value, json};
use sqlx::{Executor, PgPool};

use super::*;
use crate::{
    cell::Cell,
    migrations,
    test_database::TestDatabase,
    upload::{Client, Rules, apply, replay},
};

const PLAIN: Table = Table::new("plain", COLUMNS);
const CAREFUL: Table = Table::new("careful", COLUMNS).track_previous();
const COUNTED: Table = Table::new("counted", COLUMNS).track_previous();
const AUCTIONS: Table = Table::new("auctions", COLUMNS).track_previous();

const COLUMNS: &[Column] = &[
    Column::of::<String>("owner_id"),
    Column::of::<Option<String>>("title"),
    Column::of::<Option<i64>>("amount"),
    Column::of::<Option<f64>>("weight"),
];

const RULES: Rules = Rules {
    tables: &[&PLAIN, &CAREFUL, &COUNTED, &AUCTIONS],
    strategies: &[
        (&CAREFUL, Conflict::RejectStale),
        (&COUNTED, Conflict::Counters(&["amount", "weight"])),
        (&AUCTIONS, Conflict::Custom(highest_bid_wins)),
    ],
};

/// A rule of an app: the highest bid wins, whatever the order in which bids arrive, and who is outbid learns of it. An
/// auction with a bid that its browser has not seen is not deleted.
fn highest_bid_wins(current: Option<&Cells<'_>>, change: &mut CheckedChange<'_>) -> Result<(), Rejected> {
    let bid = |row: &Cells<'_>| match row.get("amount") {
        Some(Cell::Integer(bid)) => *bid,
        _ => None,
    };
    let Some(highest) = current.and_then(bid) else { return Ok(()) };
    let rejected = |reason: String| Err(Rejected::new(Code::Stale, reason));
    match change.operation {
        Operation::Delete if change.old.as_ref().and_then(bid) != Some(highest) => {
            rejected("Somebody has bid meanwhile.".to_owned())
        }
        Operation::Put | Operation::Patch if bid(&change.cells).is_some_and(|bid| bid <= highest) => {
            rejected(format!("Somebody has bid {highest}."))
        }
        _ => Ok(()),
    }
}

/// A database with those tables, a row `r` of Ann's in each, and one of Bob's.
struct Server {
    pool: PgPool,
    _database: TestDatabase,
}

impl Server {
    async fn start() -> Server {
        let database = TestDatabase::create().await;
        let pool = PgPool::connect_with(database.options.clone()).await.unwrap();
        migrations::run(&database.options).await.unwrap();
        pool.execute("INSERT INTO users (id) VALUES ('ann'), ('bob')").await.unwrap();
        for Table { name, .. } in RULES.tables {
            // The app may have a table of that name, too.
            let sql = format!(
                "DROP TABLE IF EXISTS {name} CASCADE;
                 CREATE TABLE {name} (id text PRIMARY KEY, owner_id text NOT NULL, title text, amount bigint, weight double precision);
                 GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO app_user;
                 ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;
                 CREATE POLICY own ON {name} TO app_user USING (owner_id = current_setting('app.user_id', true));
                 INSERT INTO {name} VALUES ('r', 'ann', 'First', 10, 1.5), ('b', 'bob', 'Of Bob', 10, 1.5)"
            );
            pool.execute(sql.as_str()).await.unwrap();
        }
        Server { pool, _database: database }
    }

    /// The verdict on a change of one of Ann's browsers.
    async fn upload(&self, browser: &str, change: Change) -> String {
        let client = Client { user_id: "ann".to_owned(), client_id: browser.to_owned() };
        let text = json!({ "epoch": "e", "changes": [change] }).to_string();
        let delivered = serde_json::from_str(&text).unwrap();
        let verdicts = apply::transaction(&self.pool, RULES, &client, &delivered).await.unwrap();
        match &verdicts[0].outcome {
            Outcome::Applied => "applied".to_owned(),
            Outcome::Rejected { code, reason } => format!("{}: {reason}", code.as_str()),
        }
    }

    /// What becomes of two changes made offline and of their row, for each order in which they can arrive. `null` is a
    /// deletion.
    async fn both_orders(&self, table: &str, one: Value, other: Value) -> String {
        let change = |by: &Value| match by {
            Value::Null => delete(table, "r", first()),
            by => patch(table, "r", by.clone(), first()),
        };
        let mut lines = Vec::new();
        for (round, [one, other]) in [[&one, &other], [&other, &one]].into_iter().enumerate() {
            let reset = format!(
                "DELETE FROM {table} WHERE id = 'r'; INSERT INTO {table} VALUES ('r', 'ann', 'First', 10, 1.5)"
            );
            self.pool.execute(reset.as_str()).await.unwrap();
            // A browser of its own for each change: the same change from the same browser would be a repetition.
            let browser = |name: &str| format!("{name} {round} {one} {other}");
            let first = self.upload(&browser("phone"), change(one)).await;
            let second = self.upload(&browser("laptop"), change(other)).await;
            let [first, second] = [&first, &second].map(|verdict| verdict.split(':').next().unwrap());
            lines.push(format!("{one} {first}, {other} {second}: {}", self.row(table).await));
        }
        lines.join("\n")
    }

    /// What its user reads of what was not taken.
    async fn rejections(&self) -> String {
        let sql = "SELECT DISTINCT concat_ws(' ', table_name, operation, code) FROM rejections ORDER BY 1";
        sqlx::query_scalar::<_, String>(sql).fetch_all(&self.pool).await.unwrap().join("\n")
    }

    async fn row(&self, table: &str) -> String {
        let sql = format!("SELECT concat_ws(', ', title, amount, weight) FROM {table} WHERE id = 'r'");
        let row: Option<String> = sqlx::query_scalar(&sql).fetch_optional(&self.pool).await.unwrap();
        row.unwrap_or_else(|| "no row".to_owned())
    }
}

/// The row as both browsers saw it.
fn first() -> Value {
    json!({ "owner_id": "ann", "title": "First", "amount": 10, "weight": 1.5, "dropped_column": "x" })
}

fn change(op: Operation, table: &str, id: &str, data: Value, old: Value) -> Change {
    let (data, old) = (data.as_object().cloned(), old.as_object().cloned());
    Change { op_id: 1, op, table: table.to_owned(), id: id.to_owned(), data, old }
}

fn put(table: &str, id: &str, data: Value) -> Change {
    change(Operation::Put, table, id, data, Value::Null)
}

fn patch(table: &str, id: &str, data: Value, old: Value) -> Change {
    change(Operation::Patch, table, id, data, old)
}

fn delete(table: &str, id: &str, old: Value) -> Change {
    change(Operation::Delete, table, id, Value::Null, old)
}

#[tokio::test]
async fn last_write_wins() {
    let server = Server::start().await;
    let (title, other, amount) = (json!({ "title": "A" }), json!({ "title": "B" }), json!({ "amount": 7 }));
    assert_snapshot!(server.both_orders("plain", title.clone(), other).await, @r#"
    {"title":"A"} applied, {"title":"B"} applied: B, 10, 1.5
    {"title":"B"} applied, {"title":"A"} applied: A, 10, 1.5
    "#);
    assert_snapshot!(server.both_orders("plain", title.clone(), amount).await, @r#"
    {"title":"A"} applied, {"amount":7} applied: A, 7, 1.5
    {"amount":7} applied, {"title":"A"} applied: A, 7, 1.5
    "#);
    assert_snapshot!(server.both_orders("plain", title, Value::Null).await, @r#"
    {"title":"A"} applied, null applied: no row
    null applied, {"title":"A"} applied: no row
    "#);
    assert_snapshot!(server.both_orders("plain", Value::Null, Value::Null).await, @r"
    null applied, null applied: no row
    null applied, null applied: no row
    ");
}

#[tokio::test]
async fn stale_changes_are_rejected() {
    let server = Server::start().await;
    let (title, other, amount) = (json!({ "title": "A" }), json!({ "title": "B" }), json!({ "amount": 7 }));
    assert_snapshot!(server.both_orders("careful", title.clone(), other).await, @r#"
    {"title":"A"} applied, {"title":"B"} stale: A, 10, 1.5
    {"title":"B"} applied, {"title":"A"} stale: B, 10, 1.5
    "#);
    assert_snapshot!(server.both_orders("careful", title.clone(), amount).await, @r#"
    {"title":"A"} applied, {"amount":7} stale: A, 10, 1.5
    {"amount":7} applied, {"title":"A"} stale: First, 7, 1.5
    "#);
    assert_snapshot!(server.both_orders("careful", title, Value::Null).await, @r#"
    {"title":"A"} applied, null stale: A, 10, 1.5
    null applied, {"title":"A"} stale: no row
    "#);
    assert_snapshot!(server.both_orders("careful", Value::Null, Value::Null).await, @r"
    null applied, null applied: no row
    null applied, null applied: no row
    ");
    assert_snapshot!(server.rejections().await, @r"
    careful DELETE stale
    careful PATCH stale
    ");
}

#[tokio::test]
async fn a_browser_may_change_again_what_it_changed_itself() {
    let server = Server::start().await;
    let mut seen = first();
    for (op_id, title) in [(1, "A"), (2, "B")] {
        let change = Change { op_id, ..patch("careful", "r", json!({ "title": title }), seen.clone()) };
        assert_eq!(server.upload("phone", change).await, "applied");
        seen["title"] = json!(title);
    }
    assert_snapshot!(server.row("careful").await, @"B, 10, 1.5");
}

#[tokio::test]
async fn a_row_is_put_once_where_stale_changes_are_rejected() {
    let server = Server::start().await;
    let new = json!({ "owner_id": "ann", "title": "New" });
    assert_snapshot!(server.upload("phone", put("careful", "n", new.clone())).await, @"applied");
    assert_snapshot!(server.upload("laptop", put("careful", "n", new)).await, @"stale: This was changed elsewhere before your change of it arrived. Look at it, and decide again.");
    let without_old = patch("careful", "r", json!({ "title": "A" }), Value::Null);
    assert_snapshot!(server.upload("phone", Change { op_id: 2, ..without_old }).await, @"stale: This was changed elsewhere before your change of it arrived. Look at it, and decide again.");
}

#[tokio::test]
async fn counters_add_up() {
    let server = Server::start().await;
    let (one, two) = (json!({ "amount": 9, "weight": 2.5 }), json!({ "amount": 8, "title": "B" }));
    assert_snapshot!(server.both_orders("counted", one.clone(), two).await, @r#"
    {"amount":9,"weight":2.5} applied, {"amount":8,"title":"B"} applied: B, 7, 2.5
    {"amount":8,"title":"B"} applied, {"amount":9,"weight":2.5} applied: B, 7, 2.5
    "#);
    assert_snapshot!(server.both_orders("counted", one.clone(), json!({ "amount": null })).await, @r#"
    {"amount":9,"weight":2.5} applied, {"amount":null} applied: First, 2.5
    {"amount":null} applied, {"amount":9,"weight":2.5} applied: First, -1, 2.5
    "#);
    assert_snapshot!(server.both_orders("counted", one, Value::Null).await, @r#"
    {"amount":9,"weight":2.5} applied, null applied: no row
    null applied, {"amount":9,"weight":2.5} applied: no row
    "#);
}

#[tokio::test]
async fn a_repeated_delivery_is_counted_once() {
    let server = Server::start().await;
    let change = patch("counted", "r", json!({ "amount": 9 }), first());
    for _ in 0..3 {
        assert_eq!(server.upload("phone", change.clone()).await, "applied");
    }
    let deliveries = || server.upload("laptop", change.clone());
    tokio::join!(deliveries(), deliveries(), deliveries());
    assert_snapshot!(server.row("counted").await, @"First, 8, 1.5");
}

#[tokio::test]
async fn a_delivery_that_is_repeated_after_a_year_is_counted_once() {
    let server = Server::start().await;
    let change = patch("counted", "r", json!({ "amount": 9 }), first());
    assert_eq!(server.upload("phone", change.clone()).await, "applied");
    let later = "UPDATE uploads SET received_at = received_at - interval '1 year';
                 UPDATE upload_watermarks SET began_at = began_at - interval '1 year'";
    server.pool.execute(later).await.unwrap();
    replay::forget(&server.pool).await.unwrap();
    assert_eq!(server.upload("phone", change).await, "applied");
    assert_snapshot!(server.row("counted").await, @"First, 9, 1.5");
}

#[tokio::test]
async fn a_counter_that_two_browsers_make_has_what_both_brought() {
    let server = Server::start().await;
    server.pool.execute("DELETE FROM counted").await.unwrap();
    let put = |amount: i64| put("counted", "r", json!({ "owner_id": "ann", "amount": amount }));
    let verdicts = tokio::join!(
        server.upload("phone", put(1)),
        server.upload("laptop", put(2)),
        server.upload("tablet", put(4))
    );
    assert_eq!(verdicts, ("applied".to_owned(), "applied".to_owned(), "applied".to_owned()));
    assert_snapshot!(server.row("counted").await, @"7");
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_counted() {
    let server = Server::start().await;
    let change = |amount: i64| patch("counted", "r", json!({ "amount": amount }), first());
    tokio::join!(
        server.upload("a", change(11)),
        server.upload("b", change(12)),
        server.upload("c", change(14)),
        server.upload("d", change(2))
    );
    assert_snapshot!(server.row("counted").await, @"First, 9, 1.5");
}

#[tokio::test]
async fn what_cannot_be_counted_is_rejected() {
    let server = Server::start().await;
    let mut verdicts = Vec::new();
    for (browser, data, old) in [
        ("without an old value", json!({ "amount": 11 }), Value::Null),
        ("without this old value", json!({ "amount": 11 }), json!({ "weight": 1 })),
        ("of another type", json!({ "amount": 11 }), json!({ "amount": "10" })),
        ("too large", json!({ "amount": i64::MAX }), json!({ "amount": i64::MIN })),
        ("infinite", json!({ "weight": f64::MAX }), json!({ "weight": f64::MIN })),
    ] {
        verdicts
            .push(format!("{browser}: {}", server.upload(browser, patch("counted", "r", data, old)).await));
    }
    assert_snapshot!(verdicts.join("\n"), @r#"
    without an old value: stale: This page is older than the server. Reload it, and make your change again.
    without this old value: stale: This page is older than the server. Reload it, and make your change again.
    of another type: wrong_type: counted.amount must be a whole number, and is "10".
    too large: too_large: With this change counted.amount would be too large to be stored.
    infinite: too_large: With this change counted.weight would be too large to be stored.
    "#);
    assert_snapshot!(server.row("counted").await, @"First, 10, 1.5");
}

#[tokio::test]
async fn a_strategy_of_the_app() {
    let server = Server::start().await;
    assert_snapshot!(server.both_orders("auctions", json!({ "amount": 11 }), json!({ "amount": 12 })).await, @r#"
    {"amount":11} applied, {"amount":12} applied: First, 12, 1.5
    {"amount":12} applied, {"amount":11} stale: First, 12, 1.5
    "#);
    assert_snapshot!(server.both_orders("auctions", json!({ "amount": 11 }), Value::Null).await, @r#"
    {"amount":11} applied, null stale: First, 11, 1.5
    null applied, {"amount":11} applied: no row
    "#);
}

#[tokio::test]
async fn no_strategy_opens_the_rows_of_another_user() {
    let server = Server::start().await;
    let bobs = json!({ "owner_id": "bob", "title": "Of Bob", "amount": 10, "weight": 1.5 });
    for Table { name, .. } in RULES.tables {
        let changes = [
            patch(name, "b", json!({ "amount": 11 }), bobs.clone()),
            delete(name, "b", bobs.clone()),
            put(name, "b", json!({ "owner_id": "ann", "amount": 11 })),
            patch(name, "r", json!({ "owner_id": "bob" }), first()),
        ];
        for (op_id, change) in (1..).zip(changes) {
            let verdict = server.upload(name, Change { op_id, ..change }).await;
            assert_eq!(verdict, "forbidden: You have no right to make this change.", "{name} {op_id}");
        }
    }
}

#[test]
fn a_strategy_must_fit_its_table() {
    assert_eq!(check::differences_in(RULES.strategies), Vec::<String>::new());
    assert_eq!(differences(), Vec::<String>::new());
    let wrong: Strategies =
        &[(&PLAIN, Conflict::RejectStale), (&COUNTED, Conflict::Counters(&["amount", "title", "none"]))];
    assert_snapshot!(check::differences_in(wrong).join("\n"), @r#"
    table plain has a strategy in server/src/upload/conflict.rs that compares previous values: write `in "plain", track_previous {` in schema/src/tables.rs
    column counted.title is a counter in server/src/upload/conflict.rs, but no column of numbers in schema/src/tables.rs
    column counted.none is a counter in server/src/upload/conflict.rs, but no column of numbers in schema/src/tables.rs
    "#);
}
