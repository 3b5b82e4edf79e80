//! A user with a valid session and ill will: thousands of generated uploads, after which nothing of anybody else's has
//! changed, and each change has got its verdict.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use schema::upload::{Change, Operation, Outcome, Transaction, UploadRequest, UploadResponse};
use serde_json::{Map, Value, json};

use crate::{
    helpers::{Browser, TestApp, spawn_app},
    random::Random,
};

const CHANGES: usize = 10_000;
const CHANGES_A_REQUEST: usize = 250;

#[tokio::test]
async fn ten_thousand_hostile_changes_change_nothing_of_anybody_elses() {
    let app = spawn_app().await;
    let mut victim = app.browser().await;
    furnish(&mut victim, "v").await;
    let rejected = [victim.put_list("refused", "")];
    victim.upload(&[&rejected]).await;
    let (mut one, mut other) = (app.browser().await, app.browser().await);
    furnish(&mut one, "one").await;
    furnish(&mut other, "other").await;
    let attackers = [one.user_id.clone(), other.user_id.clone()];
    // One of them is let in, to read.
    sqlx::query(
        "INSERT INTO members (id, list_id, user_id, role) VALUES ('v member 0', 'v list 0', $1, 'reader')",
    )
    .bind(&attackers[0])
    .execute(&app.pool)
    .await
    .unwrap();
    sqlx::query("INSERT INTO invitations (id, list_id, role) SELECT repeat(id, 5), id, 'editor' FROM lists WHERE id LIKE 'v list %'")
        .execute(&app.pool)
        .await
        .unwrap();

    let before = not_theirs(&app, &attackers).await;
    let attack = |browser: Browser, seed| Attack {
        random: Random(seed),
        browser,
        victim: victim.user_id.clone(),
        sent: Vec::new(),
    };
    let (one, other) = (attack(one, 1), attack(other, 2));
    let (one, other) = tokio::join!(one.run("one"), other.run("other"));
    let after = not_theirs(&app, &attackers).await;

    for (before, after) in std::iter::zip(before, after) {
        assert_eq!(before, after);
    }
    // It was an attack that reached everything there is to reach, not one that failed at the door.
    let mut counts = one;
    for (outcome, count) in other {
        *counts.entry(outcome).or_default() += count;
    }
    for outcome in [
        "applied",
        "unknown_table",
        "unknown_column",
        "wrong_type",
        "too_large",
        "forbidden",
        "constraint",
        "transaction",
    ] {
        assert!(counts.get(outcome).is_some_and(|count| *count > 10), "{outcome}: {counts:?}");
    }
    assert_eq!(counts.values().sum::<usize>(), CHANGES);
    let list = [victim.put_list("afterwards", "All is well")];
    assert!(victim.upload(&[&list]).await.ends_with(" applied"));
}

#[tokio::test]
async fn a_body_that_no_browser_sends_is_refused_and_never_a_fault() {
    let app = spawn_app().await;
    let browser = app.browser().await;
    let body = |value: &str| {
        format!(
            r#"{{"client_id":"c","transactions":[{{"changes":[{{"op_id":1,"op":"PATCH","type":"lists","id":"a","data":{{"name":{value}}}}}]}}]}}"#
        )
    };
    // The last of two equal keys counts, JSON may be as deep as it likes, and what is no value of a column gets a verdict.
    for value in [
        r#""a","name":1"#,
        &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        "-0",
        "1e308",
        "1e400",
        "-1e999999999",
        "18446744073709551616",
    ] {
        assert_eq!(browser.post_text(body(value)).await.status(), StatusCode::OK, "{value}");
    }
    // No JSON.
    for value in ["NaN", "Infinity", &"[".repeat(1000), &"{\"a\":".repeat(1000)] {
        assert_eq!(browser.post_text(body(value)).await.status(), StatusCode::BAD_REQUEST, "{value}");
    }
    let bytes: &[&[u8]] =
        &[b"\xff\xfe", b"\"\xed\xa0\x80\"", b"{\"client_id\":\"\xc0\x80\",\"transactions\":[]}"];
    for body in bytes {
        assert_eq!(browser.post_text(*body).await.status(), StatusCode::BAD_REQUEST, "{body:?}");
    }
}

#[tokio::test]
async fn thousands_of_changes_are_one_transaction() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let list = [browser.put_list("l", "Long")];
    browser.upload(&[&list]).await;
    let mut todos: Vec<_> =
        (0..5000).map(|number| browser.put_todo(&format!("t{number}"), "l", "One of many")).collect();
    assert_eq!(browser.upload(&[&todos]).await.matches(" applied").count(), 5000);
    todos.push(browser.put_todo("last", "nowhere", "One too many"));
    let verdicts = browser.upload(&[&todos]).await;
    assert_eq!(verdicts.matches(" transaction: ").count(), 5000);
    assert_eq!(app.rows("SELECT count(*) FROM todos").await, "5000");
}

/// Five lists with three todos each, whose ids begin with `prefix`.
async fn furnish(browser: &mut Browser, prefix: &str) {
    let mut changes = Vec::new();
    for list in 0..5 {
        changes.push(browser.put_list(&format!("{prefix} list {list}"), "A list"));
        for todo in 0..3 {
            changes.push(browser.put_todo(
                &format!("{prefix} todo {list} {todo}"),
                &format!("{prefix} list {list}"),
                "A todo",
            ));
        }
    }
    assert!(!browser.upload(&[&changes]).await.contains(':'));
}

/// Everything in the database but what is the attackers' own, and who may do what to it.
async fn not_theirs(app: &TestApp, attackers: &[String; 2]) -> Vec<String> {
    let [one, other] = attackers;
    let theirs = format!("('{one}', '{other}')");
    let mut dump = Vec::new();
    for query in [
        format!("SELECT * FROM lists WHERE owner_id NOT IN {theirs} ORDER BY id"),
        format!("SELECT * FROM todos WHERE list_id NOT IN (SELECT id FROM lists WHERE owner_id IN {theirs}) ORDER BY id"),
        format!("SELECT * FROM members WHERE list_id NOT IN (SELECT id FROM lists WHERE owner_id IN {theirs}) AND user_id NOT IN {theirs} ORDER BY id"),
        format!("SELECT role FROM members WHERE list_id NOT IN (SELECT id FROM lists WHERE owner_id IN {theirs}) AND user_id IN {theirs} AND role <> 'reader'"),
        format!("SELECT * FROM invitations WHERE list_id NOT IN (SELECT id FROM lists WHERE owner_id IN {theirs}) ORDER BY id"),
        format!("SELECT * FROM rejections WHERE user_id NOT IN {theirs} ORDER BY id"),
        format!("SELECT * FROM uploads WHERE user_id NOT IN {theirs} ORDER BY user_id, client_id, epoch, op_id"),
        format!("SELECT * FROM upload_watermarks WHERE user_id NOT IN {theirs} ORDER BY user_id, client_id, epoch"),
        format!("SELECT * FROM row_counts WHERE user_id NOT IN {theirs} ORDER BY user_id"),
        "SELECT * FROM users ORDER BY id".to_owned(),
        "SELECT * FROM sessions ORDER BY id".to_owned(),
        "SELECT version, checksum FROM _sqlx_migrations ORDER BY version".to_owned(),
        "SELECT relname, relacl, relrowsecurity, relowner FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY relname".to_owned(),
        "SELECT rolname, rolsuper, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname = 'app_user'".to_owned(),
        "SELECT * FROM pg_policies ORDER BY tablename, policyname".to_owned(),
    ] {
        dump.push(app.rows(&query).await);
    }
    dump
}

struct Attack {
    random: Random,
    browser: Browser,
    victim: String,
    /// What has been sent, to be sent again.
    sent: Vec<Transaction>,
}

impl Attack {
    /// Sends half of the changes, and counts what became of them.
    async fn run(mut self, prefix: &str) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..CHANGES / 2 / CHANGES_A_REQUEST {
            let request = self.request(prefix);
            let response = self.browser.post(&request).await;
            assert_eq!(response.status(), StatusCode::OK, "{:?}", response.text().await);
            let UploadResponse { verdicts } = response.json().await.unwrap();
            let sent = request.transactions.iter().flat_map(|transaction| &transaction.changes);
            assert!(sent.map(|change| change.op_id).eq(verdicts.iter().map(|verdict| verdict.op_id)));
            for verdict in verdicts {
                let outcome = match verdict.outcome {
                    Outcome::Applied => "applied",
                    Outcome::Rejected { code, .. } => code.as_str(),
                };
                *counts.entry(outcome.to_owned()).or_default() += 1;
            }
            self.sent.extend(request.transactions);
        }
        counts
    }

    /// A request of the usual size, a part of which has been sent before.
    fn request(&mut self, prefix: &str) -> UploadRequest {
        let client_id = match self.random.below(4) {
            0 => self.victim.clone(),
            1 => "another".to_owned(),
            // The victim's, too.
            _ => "browser-1".to_owned(),
        };
        let mut transactions = Vec::new();
        let mut left = CHANGES_A_REQUEST;
        while left > 0 {
            let again = (!self.sent.is_empty() && self.random.one_in(10))
                .then(|| self.random.pick(&self.sent).clone());
            let transaction = again.filter(|again| again.changes.len() <= left).unwrap_or_else(|| {
                let length = if self.random.one_in(2) { 1 + self.random.below(5) } else { 1 };
                let changes = (0..length.min(left)).map(|_| self.change(prefix)).collect();
                let epoch = Some(format!("epoch {}", self.random.below(200)));
                Transaction { epoch, changes, omitted: self.random.one_in(100).then_some(u64::MAX) }
            });
            left -= transaction.changes.len();
            transactions.push(transaction);
        }
        UploadRequest { client_id, user_id: None, transactions }
    }

    fn change(&mut self, prefix: &str) -> Change {
        let random = &mut self.random;
        let table = match random.below(12) {
            0 => *random.pick(&[
                "users",
                "sessions",
                "uploads",
                "pg_catalog.pg_authid",
                "pg_roles",
                "_sqlx_migrations",
                "LISTS",
                "public.lists",
                "lists; DROP TABLE lists",
                "lists AS l",
                "",
                "\0",
            ]),
            1 => "rejections",
            2 => "members",
            3 => "invitations",
            4..7 => "lists",
            _ => "todos",
        };
        let op = *random.pick(&[
            Operation::Put,
            Operation::Put,
            Operation::Patch,
            Operation::Patch,
            Operation::Delete,
        ]);
        let id = self.id(prefix);
        let data = self.row(table, op, prefix);
        let old = self.random.one_in(5).then(|| self.row(table, Operation::Put, prefix));
        let op_id = match self.random.below(20) {
            0 => *self.random.pick(&[i64::MIN, -1, 0, i64::MAX]),
            1..5 => self.random.below(50) as i64,
            _ => {
                self.browser.next_op_id += 1;
                self.browser.next_op_id
            }
        };
        Change {
            op_id,
            op,
            table: table.to_owned(),
            id,
            data: (!self.random.one_in(20)).then_some(data),
            old,
        }
    }

    /// A list or todo of the attacker's or of the victim's, one that is new, or what is no row's id.
    ///
    /// The attackers do not share new ids: two transactions that wait for each other's new rows are a deadlock, which
    /// Postgres takes a second to find.
    fn id(&mut self, prefix: &str) -> String {
        let new = format!("{prefix} new");
        let whose = *self.random.pick(&[prefix, "v", "v", &new]);
        let (list, todo) = (self.random.below(5), self.random.below(3));
        match self.random.below(20) {
            0 => (*self.random.pick(&["", "\0", "' OR '1'='1", "*"])).to_owned(),
            1 => prefix.repeat(self.random.below(60)),
            2 => self.victim.clone(),
            3 => format!("{whose} member {list}"),
            4 => format!("{whose} list {list}").repeat(5),
            5..11 => format!("{whose} list {list}"),
            _ => format!("{whose} todo {list} {todo}"),
        }
    }

    /// Columns of that table, mostly with values that could be right.
    fn row(&mut self, table: &str, op: Operation, prefix: &str) -> Map<String, Value> {
        let columns: &[&str] = match table {
            "lists" => &["owner_id", "name", "created_at"],
            "members" => &["list_id", "user_id", "role", "name", "created_at"],
            "invitations" => &["list_id", "owner_id", "role", "expires_at", "uses_left", "created_at"],
            "rejections" => &["user_id", "table_name", "row_id", "operation", "code", "reason", "created_at"],
            _ => &["list_id", "title", "done", "created_at"],
        };
        let mut row = Map::new();
        for column in columns {
            if op == Operation::Put || self.random.one_in(2) {
                let value =
                    if self.random.one_in(12) { self.anything() } else { self.likely(column, prefix) };
                row.insert((*column).to_owned(), value);
            }
        }
        if self.random.one_in(12) {
            let forged = *self.random.pick(&[
                "id",
                "ctid",
                "tableoid",
                "xmin",
                "role",
                "name = 'x', id",
                "\"",
                "\0",
                "owner_id",
            ]);
            let value = self.anything();
            row.insert(forged.to_owned(), value);
        }
        row
    }

    fn likely(&mut self, column: &str, prefix: &str) -> Value {
        let own = self.browser.user_id.clone();
        match column {
            "owner_id" | "user_id" if self.random.one_in(3) => json!(self.victim),
            "owner_id" | "user_id" => json!(own),
            "list_id" => json!(self.id(prefix)),
            "done" | "uses_left" => json!(self.random.below(2)),
            "operation" => json!("PUT"),
            "role" => json!(*self.random.pick(&["owner", "editor", "reader"])),
            "created_at" | "expires_at" => json!("2026-11-22T16:22:09.954983Z"),
            // Rare, because it takes long to send.
            "name" | "title" if self.random.one_in(100) => json!("x".repeat(1024 * 1024 + 1)),
            _ if self.random.one_in(20) => json!(""),
            _ => json!("Plausible"),
        }
    }

    fn anything(&mut self) -> Value {
        let deep = (0..self.random.below(90)).fold(json!(null), |inner, _| json!([inner]));
        let values = [
            json!(null),
            json!(true),
            json!(-1),
            json!(2),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(1e308),
            json!(-1e-308),
            json!(9_007_199_254_740_993_i64),
            json!(0.1),
            json!(""),
            json!("\0"),
            json!("'; DROP TABLE lists; --"),
            json!("$1"),
            json!("\u{202e}\u{feff}\u{10ffff}"),
            json!("NaN"),
            json!("infinity"),
            json!("epoch"),
            json!("292277026596-12-04T15:30:08Z"),
            json!("0000-01-01T00:00:00Z"),
            json!("9999-12-31T23:59:59-23:59"),
            json!("2016-12-31T23:59:60Z"),
            json!("2026-02-30T00:00:00Z"),
            json!({ "a": { "b": [1, 2] } }),
            json!([]),
            deep,
            json!("x".repeat(3000)),
            json!(self.victim),
        ];
        self.random.pick(&values).clone()
    }
}
