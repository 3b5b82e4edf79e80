//! What a stream delivers is what Postgres gives for its query: random queries over random rows.
//!
//! `SYNC_QUERY_ROUNDS` says how many rounds to go, `SYNC_QUERY_SEED` where to begin.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};
use sqlx::Row as _;
use support::{Database, Service, claims, eventually, sign};

const QUERIES_PER_ROUND: usize = 30;

#[tokio::test]
async fn streams_deliver_what_postgres_gives() {
    let number =
        |name: &str, default| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (rounds, seed) = (number("SYNC_QUERY_ROUNDS", 3), number("SYNC_QUERY_SEED", 1));
    let database = Database::new(TABLES).await;
    let service = Service::start(&database).await;
    let mut counts = Counts::default();
    for seed in seed..seed + rounds {
        round(&database, &service, seed, &mut counts).await;
    }
    println!("{counts:?}");
    assert!(counts.refused * 4 < counts.tried, "{counts:?}");
    assert!(counts.rows > counts.tried, "{counts:?}");
    service.stop().await;
    database.drop().await;
}

#[derive(Debug, Default)]
struct Counts {
    tried: usize,
    refused: usize,
    compared: usize,
    too_many: usize,
    rows: usize,
}

const TABLES: &str = "
CREATE TABLE a (id text PRIMARY KEY, t text, n int, r float8, f boolean, j jsonb);
CREATE TABLE b (LIKE a INCLUDING ALL);
CREATE TABLE c (LIKE a INCLUDING ALL);
CREATE PUBLICATION powersync FOR TABLE a, b, c;
";

async fn round(database: &Database, service: &Service, seed: u64, counts: &mut Counts) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    database.run("TRUNCATE a, b, c").await;
    for _ in 0..60 {
        database.run(&random.insertion()).await;
    }
    let request = Request::new(&mut random);
    let mut queries = Vec::new();
    while queries.len() < QUERIES_PER_ROUND {
        let mut generator = Generator { random: &mut random, request: &request, tables: 0, with: Vec::new() };
        let query = generator.query(queries.len());
        counts.tried += 1;
        let (_, answer) =
            service.admin_json("/api/sync-rules/v1/validate", json!({ "content": config(&[&query]) })).await;
        if answer["valid"] == true {
            queries.push(query);
        } else {
            counts.refused += 1;
            assert!(counts.refused < 1000, "{}: {answer}", query.sync);
        }
    }
    service.deploy(&config(&queries.iter().collect::<Vec<_>>())).await;
    for changes in [0, 20] {
        for _ in 0..changes {
            database.run(&random.change()).await;
        }
        eventually("the changes are published", async || {
            let left = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM sync_service.queue");
            left.fetch_one(&database.pool).await.unwrap() == 0
        })
        .await;
        for query in &queries {
            let Some(delivered) = delivered(service, &request, query).await else {
                counts.too_many += 1;
                continue;
            };
            let expected = expected(database, query).await;
            assert_eq!(
                delivered, expected,
                "seed {seed}\n{}\nis not\n{}\nfor {:?}",
                query.sync, query.expected, request
            );
            counts.compared += 1;
            counts.rows += expected.len();
        }
    }
}

/// A query as the sync config has it, and as Postgres runs it.
struct Query {
    name: String,
    sync: String,
    with: Vec<(String, String)>,
    expected: String,
}

fn config(queries: &[&Query]) -> String {
    let mut text = "config: { edition: 3 }\nstreams:\n".to_owned();
    for query in queries {
        let _ = writeln!(text, "  {}:\n    accept_potentially_dangerous_queries: true", query.name);
        if !query.with.is_empty() {
            let _ = writeln!(text, "    with:");
        }
        for (name, sql) in &query.with {
            let _ = writeln!(text, "      {name}: {}", Value::from(sql.as_str()));
        }
        let _ = writeln!(text, "    query: {}", Value::from(query.sync.as_str()));
    }
    text
}

async fn delivered(service: &Service, request: &Request, query: &Query) -> Option<BTreeSet<String>> {
    let mut all = claims("x");
    all.as_object_mut().unwrap().extend(request.auth.as_object().unwrap().clone());
    let token = sign(&json!({ "alg": "EdDSA", "typ": "JWT", "kid": "key-1" }), &all);
    let body = json!({ "raw_data": true, "parameters": request.connection, "streams": { "include_defaults": false, "subscriptions": [
        { "stream": query.name, "parameters": request.subscription }] } });
    let response = service.post_stream(&token, body).await;
    if response.status() == 500 {
        assert_eq!(response.json::<Value>().await.unwrap()["error"]["code"], "PSYNC_S2305");
        return None;
    }
    assert_eq!(response.status(), 200);
    let lines = support::Lines::new(response).checkpoint().await;
    let mut copies = BTreeMap::new();
    for data in lines.iter().filter_map(|line| line.get("data")) {
        for op in data["data"].as_array().unwrap() {
            assert_eq!(op["object_type"], query.name.as_str());
            let id = op["object_id"].as_str().unwrap().to_owned();
            let op_id = op["op_id"].as_str().unwrap().parse::<i64>().unwrap();
            let data_of = op["data"].as_str().map(str::to_owned);
            copies.insert((id, data["bucket"].to_string()), (op_id, data_of));
        }
    }
    // Of the copies in several buckets the newest one counts.
    let mut rows = BTreeMap::new();
    for ((id, _), (op_id, data)) in copies {
        let Some(data) = data else { continue };
        let newest = rows.entry(id).or_insert((op_id, data.clone()));
        if op_id > newest.0 {
            *newest = (op_id, data);
        }
    }
    Some(rows.into_iter().map(|(id, (_, data))| format!("{id} {}", normal(&data))).collect())
}

async fn expected(database: &Database, query: &Query) -> BTreeSet<String> {
    let sql = format!("SELECT DISTINCT q.id, row_to_json(q)::text FROM ({}) q", query.expected);
    let rows = sqlx::query(&sql).fetch_all(&database.pool).await;
    let rows = rows.unwrap_or_else(|error| panic!("{error}: {sql}"));
    rows.iter()
        .map(|row| format!("{} {}", row.get::<String, _>(0), normal(&row.get::<String, _>(1))))
        .collect()
}

/// A row with its numbers as reals, whether they were written as such or not.
fn normal(row: &str) -> String {
    let mut row: Value = serde_json::from_str(row).unwrap();
    for value in row.as_object_mut().unwrap().values_mut() {
        if let Some(number) = value.as_f64() {
            *value = number.into();
        }
    }
    row.to_string()
}

/// What a request carries.
#[derive(Debug)]
struct Request {
    auth: Value,
    subscription: Value,
    connection: Value,
}

impl Request {
    fn new(random: &mut Random) -> Self {
        let mut document = || {
            json!({ "s": random.json_text(), "n": random.json_number(), "f": random.one(&[json!(true), json!(false)]),
                "o": { "s": random.json_text(), "n": random.json_number() },
                "l": [random.json_text(), random.json_number(), random.json_text(), true, random.json_number()] })
        };
        Self { auth: document(), subscription: document(), connection: document() }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()].clone()
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn text(&mut self) -> String {
        self.one(&["x", "y", "z", "1", "2", "-1.5e", "", "\u{e4}'\"\\"]).to_owned()
    }

    fn json_text(&mut self) -> Value {
        if self.chance(10) { Value::Null } else { self.text().into() }
    }

    fn json_number(&mut self) -> Value {
        self.one(&[json!(0), json!(1), json!(2), json!(1.0), json!(1.5), json!(-1), Value::Null])
    }

    fn row(&mut self) -> String {
        let text = self.json_text();
        let text = text.as_str().map_or("NULL".to_owned(), literal);
        let n = self.one(&["0", "1", "2", "3", "NULL"]);
        let r = self.one(&["0", "1", "1.5", "2", "-0.25", "NULL"]);
        let f = self.one(&["true", "false", "NULL"]);
        let j = json!({ "s": self.json_text(), "n": self.json_number(), "o": { "s": self.json_text() } });
        let j = if self.chance(10) { "NULL".to_owned() } else { literal(&j.to_string()) };
        format!("{text}, {n}, {r}, {f}, {j}")
    }

    fn id(&mut self) -> String {
        if self.chance(20) { self.text() } else { format!("r{}", self.below(25)) }
    }

    fn insertion(&mut self) -> String {
        let (table, id) = (self.one(&["a", "b", "c"]), literal(&self.id()));
        format!("INSERT INTO {table} VALUES ({id}, {}) ON CONFLICT DO NOTHING", self.row())
    }

    fn change(&mut self) -> String {
        let (table, id) = (self.one(&["a", "b", "c"]), literal(&self.id()));
        match self.below(4) {
            0 => format!("DELETE FROM {table} WHERE id = {id}"),
            1 => self.insertion(),
            _ => {
                let row = self.row();
                format!("UPDATE {table} SET (t, n, r, f, j) = ROW({row}) WHERE id = {id}")
            }
        }
    }
}

fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The same in a sync config and in Postgres.
#[derive(Clone)]
struct Both {
    sync: String,
    postgres: String,
}

fn both(sync: impl Into<String>, postgres: impl Into<String>) -> Both {
    Both { sync: sync.into(), postgres: postgres.into() }
}

#[derive(Clone, Copy, PartialEq)]
enum Of {
    Text,
    Number,
}

struct Generator<'a> {
    random: &'a mut Random,
    request: &'a Request,
    tables: usize,
    with: Vec<(String, String)>,
}

impl Generator<'_> {
    fn query(&mut self, number: usize) -> Query {
        let name = format!("q{number}");
        let table = self.random.one(&["a", "b", "c"]);
        let mut from = both(format!("{table} AS {name}"), format!("{table} AS {name}"));
        let mut joined = vec![name.clone()];
        for _ in 0..self.random.below(3) {
            if self.random.chance(60) {
                continue;
            }
            let (alias, of, partner) = (self.alias(), self.of(), self.random.one(&joined));
            let (own, other) = (self.row_value(&alias, of), self.row_value(&partner, of));
            let table = self.random.one(&["a", "b", "c"]);
            let mut on = both(
                format!("{} = {}", own.sync, other.sync),
                format!("{} = {}", own.postgres, other.postgres),
            );
            if self.random.chance(40) {
                let more = self.term(&alias, 1);
                on = both(
                    format!("{} AND {}", on.sync, more.sync),
                    format!("{} AND {}", on.postgres, more.postgres),
                );
            }
            from = both(
                format!("{} JOIN {table} {alias} ON {}", from.sync, on.sync),
                format!("{} JOIN {table} {alias} ON {}", from.postgres, on.postgres),
            );
            joined.push(alias);
        }
        let columns = self.columns(&name);
        let condition = self.condition(&joined, 3);
        Query {
            sync: format!("SELECT {} FROM {} WHERE {}", columns.sync, from.sync, condition.sync),
            expected: format!(
                "SELECT {} FROM {} WHERE {}",
                columns.postgres, from.postgres, condition.postgres
            ),
            with: std::mem::take(&mut self.with),
            name,
        }
    }

    fn alias(&mut self) -> String {
        self.tables += 1;
        format!("t{}", self.tables)
    }

    fn of(&mut self) -> Of {
        self.random.one(&[Of::Text, Of::Number])
    }

    fn columns(&mut self, table: &str) -> Both {
        if self.random.chance(40) {
            return both(
                format!("{table}.*"),
                format!(
                    "{table}.id, {table}.t, {table}.n, {table}.r, {table}.f::int AS f, {table}.j::text AS j"
                ),
            );
        }
        let mut columns = both(format!("{table}.id"), format!("{table}.id"));
        for i in 0..self.random.below(4) {
            let of = self.of();
            let value = self.row_value(table, of);
            let _ = write!(columns.sync, ", {} AS v{i}", value.sync);
            let _ = write!(columns.postgres, ", {} AS v{i}", value.postgres);
        }
        columns
    }

    /// An expression over a row.
    fn row_value(&mut self, table: &str, of: Of) -> Both {
        let t = table;
        match (of, self.random.below(8)) {
            (Of::Text, 0) => both(format!("{t}.id"), format!("{t}.id")),
            (Of::Text, 1) => both(format!("{t}.j ->> 's'"), format!("({t}.j ->> 's')")),
            (Of::Text, 2) => both(format!("{t}.j -> 'o' ->> 's'"), format!("({t}.j -> 'o' ->> 's')")),
            (Of::Text, 3) => both(format!("{t}.j ->> '$.o.s'"), format!("({t}.j -> 'o' ->> 's')")),
            (Of::Text, 4) => both(format!("CAST({t}.n AS text)"), format!("{t}.n::text")),
            (Of::Text, 5) => both(format!("{t}.r::text"), format!("{t}.r::text")),
            (Of::Text, _) => both(format!("{t}.t"), format!("{t}.t")),
            (Of::Number, 0) => both(format!("{t}.r"), format!("{t}.r")),
            (Of::Number, 1) => both(format!("{t}.j ->> 'n'"), format!("({t}.j ->> 'n')::float8")),
            (Of::Number, 2) => both(format!("{t}.f"), format!("{t}.f::int")),
            (Of::Number, 3) => both(
                format!("CAST({t}.t AS integer)"),
                format!(
                    "CASE WHEN {t}.t IS NOT NULL THEN coalesce(substring({t}.t from '^[+-]?[0-9]+')::int, 0) END"
                ),
            ),
            (Of::Number, 4) => both(format!("{t}.r::integer"), format!("floor({t}.r)")),
            (Of::Number, 5) => both(
                format!("{t}.t::real"),
                format!(
                    "CASE WHEN {t}.t IS NOT NULL THEN coalesce(substring({t}.t from '^[+-]?[0-9]+(?:\\.[0-9]+)?')::float8, 0) END"
                ),
            ),
            (Of::Number, _) => both(format!("{t}.n"), format!("{t}.n")),
        }
    }

    /// An expression over the request.
    fn request_value(&mut self, of: Of) -> Both {
        if of == Of::Text && self.random.chance(20) {
            return both("auth.user_id()", "'x'::text");
        }
        let (source, document) = self.random.one(&[
            ("auth", &self.request.auth),
            ("subscription", &self.request.subscription),
            ("connection", &self.request.connection),
        ]);
        let key = if of == Of::Text { "s" } else { "n" };
        let (sync, value) = match self.random.below(6) {
            0 => (format!("{source}.parameters() ->> '{key}'"), &document[key]),
            1 => (format!("{source}.parameters() ->> '$.o.{key}'"), &document["o"][key]),
            2 => (format!("{source}.parameter('o') ->> '{key}'"), &document["o"][key]),
            3 if of == Of::Number => (format!("{source}.parameter('f')"), &document["f"]),
            _ => (format!("{source}.parameter('{key}')"), &document[key]),
        };
        both(sync, of_json(value, of))
    }

    fn literal(&mut self, of: Of) -> Both {
        match of {
            Of::Text => {
                let text = literal(&self.random.text());
                both(text.clone(), format!("{text}::text"))
            }
            Of::Number => {
                let number = self.random.one(&["0", "1", "2", "1.5", "-1", "true", "false"]);
                both(number, number.replace("true", "1").replace("false", "0"))
            }
        }
    }

    /// A condition on rows of the tables and the request.
    fn condition(&mut self, tables: &[String], depth: u64) -> Both {
        if depth == 0 || self.random.chance(30) {
            let table = self.random.one(tables);
            return self.term(&table, depth);
        }
        let operator = self.random.one(&["AND", "AND", "OR"]);
        let mut list = both(String::new(), String::new());
        for i in 0..2 + self.random.below(2) {
            let next = self.condition(tables, depth - 1);
            let separator = if i == 0 { String::new() } else { format!(" {operator} ") };
            let _ = write!(list.sync, "{separator}{}", next.sync);
            let _ = write!(list.postgres, "{separator}{}", next.postgres);
        }
        both(format!("({})", list.sync), format!("({})", list.postgres))
    }

    fn term(&mut self, table: &str, depth: u64) -> Both {
        let of = self.of();
        match self.random.below(12) {
            0..=2 => {
                let (row, request) = (self.row_value(table, of), self.request_value(of));
                let holds = format!("({} = {}) IS TRUE", row.postgres, request.postgres);
                let (left, right) = if self.random.chance(50) { (row, request) } else { (request, row) };
                both(format!("{} = {}", left.sync, right.sync), holds)
            }
            3 => {
                let row = self.row_value(table, of);
                let (source, document) = self
                    .random
                    .one(&[("auth", &self.request.auth), ("connection", &self.request.connection)]);
                let list: Vec<_> =
                    document["l"].as_array().unwrap().iter().map(|item| of_json(item, of)).collect();
                both(
                    format!("{} IN {source}.parameter('l')", row.sync),
                    format!("({} IN ({})) IS TRUE", row.postgres, list.join(", ")),
                )
            }
            4..=6 if depth > 0 => {
                let value =
                    if self.random.chance(80) { self.row_value(table, of) } else { self.request_value(of) };
                self.membership(value, table, of, depth - 1)
            }
            7 => self.request_condition(of),
            _ => self.row_condition(table, 2),
        }
    }

    /// `value IN (SELECT …)`, sometimes by a common table expression.
    fn membership(&mut self, value: Both, outer: &str, of: Of, depth: u64) -> Both {
        let (alias, table) = (self.alias(), self.random.one(&["a", "b", "c"]));
        let output = self.row_value(&alias, of);
        let with = self.with.len();
        let mut condition = self.condition(std::slice::from_ref(&alias), depth);
        let holds = |condition: &str| {
            format!(
                "({} IN (SELECT {} FROM {table} {alias} WHERE {condition})) IS TRUE",
                value.postgres, output.postgres
            )
        };
        // Inside of a common table expression no other one is known.
        if self.random.chance(30) && self.with.len() == with {
            let name = format!("c{}", self.with.len());
            let sql = format!("SELECT {} AS v FROM {table} {alias} WHERE {}", output.sync, condition.sync);
            self.with.push((name.clone(), sql));
            let array = if self.random.chance(50) { name } else { format!("(SELECT v FROM {name})") };
            return both(format!("{} IN {array}", value.sync), holds(&condition.postgres));
        }
        if self.random.chance(20) {
            let of = self.of();
            let (inner, outer) = (self.row_value(&alias, of), self.row_value(outer, of));
            condition = both(
                format!("{} AND {} = {}", condition.sync, inner.sync, outer.sync),
                format!("{} AND ({} = {}) IS TRUE", condition.postgres, inner.postgres, outer.postgres),
            );
        }
        both(
            format!(
                "{} IN (SELECT {} FROM {table} {alias} WHERE {})",
                value.sync, output.sync, condition.sync
            ),
            holds(&condition.postgres),
        )
    }

    fn request_condition(&mut self, of: Of) -> Both {
        let (value, literal) = (self.request_value(of), self.literal(of));
        match self.random.below(4) {
            0 => both(format!("{} IS NOT NULL", value.sync), format!("{} IS NOT NULL", value.postgres)),
            1 => {
                let list: Vec<_> =
                    self.request.auth["l"].as_array().unwrap().iter().map(|item| of_json(item, of)).collect();
                both(
                    format!("{} IN auth.parameter('l')", literal.sync),
                    format!("({} IN ({})) IS TRUE", literal.postgres, list.join(", ")),
                )
            }
            _ => self.comparison(&value, &literal),
        }
    }

    fn comparison(&mut self, left: &Both, right: &Both) -> Both {
        let (operator, negated) = self.random.one(&[("=", false), ("<", false), (">=", false), ("<>", true)]);
        let collate = |value: &str| {
            if value.contains("::text") || value.contains("->>") && !value.contains("float8") {
                format!("({value}) COLLATE \"C\"")
            } else {
                value.to_owned()
            }
        };
        let holds = format!(
            "({} {} {}) IS TRUE",
            collate(&left.postgres),
            if negated { "=" } else { operator },
            collate(&right.postgres)
        );
        both(
            format!("{} {operator} {}", left.sync, right.sync),
            if negated { format!("NOT ({holds})") } else { holds },
        )
    }

    /// A condition on one row.
    fn row_condition(&mut self, table: &str, depth: u64) -> Both {
        let of = self.of();
        let value = self.row_value(table, of);
        match self.random.below(9) {
            0 => both(format!("{} IS NULL", value.sync), format!("{} IS NULL", value.postgres)),
            1 => {
                let (low, high) = (self.literal(Of::Number), self.literal(Of::Number));
                let value = self.row_value(table, Of::Number);
                let not = self.random.one(&["", "NOT "]);
                let holds =
                    format!("({} BETWEEN {} AND {}) IS TRUE", value.postgres, low.postgres, high.postgres);
                both(
                    format!("{} {not}BETWEEN {} AND {}", value.sync, low.sync, high.sync),
                    format!("{not}({holds})"),
                )
            }
            2 => {
                let list = [self.literal(of), self.literal(of)];
                let not = self.random.one(&["", "NOT "]);
                both(
                    format!("{} {not}IN ARRAY[{}, {}]", value.sync, list[0].sync, list[1].sync),
                    format!(
                        "{not}(({} IN ({}, {})) IS TRUE)",
                        value.postgres, list[0].postgres, list[1].postgres
                    ),
                )
            }
            3 => both(format!("{table}.f"), format!("({table}.f) IS TRUE")),
            4 if depth > 0 => {
                let inner = self.row_condition(table, depth - 1);
                both(format!("NOT ({})", inner.sync), format!("NOT ({})", inner.postgres))
            }
            5 if depth > 0 => {
                let (left, right) =
                    (self.row_condition(table, depth - 1), self.row_condition(table, depth - 1));
                let operator = self.random.one(&["AND", "OR"]);
                both(
                    format!("({} {operator} {})", left.sync, right.sync),
                    format!("({} {operator} {})", left.postgres, right.postgres),
                )
            }
            // A number is less than a text and never equal to it.
            6 => {
                let (number, text) = (self.row_value(table, Of::Number), self.row_value(table, Of::Text));
                let known = format!("({} IS NOT NULL AND {} IS NOT NULL)", number.postgres, text.postgres);
                if self.random.chance(50) {
                    both(format!("{} < {}", number.sync, text.sync), known)
                } else {
                    both(format!("{} = {}", number.sync, text.sync), "false")
                }
            }
            _ => {
                let literal = self.literal(of);
                self.comparison(&value, &literal)
            }
        }
    }
}

/// A JSON value as an SQL literal; NULL when it is not of that type, because then nothing of that type equals it.
fn of_json(value: &Value, of: Of) -> String {
    match (value, of) {
        (Value::String(text), Of::Text) => format!("{}::text", literal(text)),
        (Value::Number(number), Of::Number) => number.to_string(),
        (Value::Bool(truth), Of::Number) => i32::from(*truth).to_string(),
        (_, Of::Text) => "NULL::text".to_owned(),
        (_, Of::Number) => "NULL::float8".to_owned(),
    }
}
