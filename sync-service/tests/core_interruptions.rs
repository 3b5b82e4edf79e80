//! Clients go on where they were, whatever happens to the service, to their tokens or to the database.

#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

mod core_client;
mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use core_client::{Backend, Client, Core, lists_and_todos};
use serde_json::{Value, json};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use support::{API_TOKEN, Database, SYNC_CONFIG, Service, TABLES, claims, eventually, sign};

const TODOS: &str = "SELECT id, list_id, title, done FROM todos ORDER BY id";

/// What Postgres says that `ann` has.
async fn truth(database: &Database) -> Value {
    sqlx::query_scalar(
        "SELECT coalesce(json_agg(json_build_array(id, list_id, title, done::int) ORDER BY id COLLATE \"C\"), '[]') FROM todos
         WHERE list_id IN (SELECT id FROM lists WHERE owner_id = 'ann')",
    )
    .fetch_one(&database.pool)
    .await
    .unwrap()
}

async fn ends_up_right(client: &Client, database: &Database) {
    client.barrier().await;
    assert_eq!(client.query(TODOS).await, truth(database).await);
}

#[tokio::test]
async fn killed_in_the_middle_of_a_download_it_sends_the_rest_only() {
    let database = Database::new(TABLES).await;
    database
        .run(
            "INSERT INTO lists VALUES ('l1', 'ann', 'One');
             INSERT INTO todos SELECT 't' || i, 'l1', repeat('x', 500) FROM generate_series(1, 20000) i",
        )
        .await;
    let mut service = Service::start_deployed(&database).await;
    let address = service.address;
    let core = Core::start(Backend::of(&database)).await;
    let client =
        core.open("a", json!({ "user": "ann", "endpoint": service.url, "schema": lists_and_todos() })).await;
    for ops in [4000, 11000, 16000] {
        client.ask("pause_after", json!({ "ops": ops })).await;
        client.connect().await;
        client.reaches(json!({ "paused": true })).await;
        service.kill().await;
        service = Service::start_at(&database.url, address).await;
        client.ask("resume", json!({})).await;
        service.wait_ready().await;
    }
    client.sees("SELECT count(*) FROM todos", json!([[20000]])).await;
    assert_eq!(client.ops().await, 20001, "nothing came twice");
    client.has_no_complaints().await;
    ends_up_right(&client, &database).await;

    // Nor does it begin again when it is killed between two changes.
    service.kill().await;
    database.run("UPDATE todos SET done = true WHERE id = 't7'; DELETE FROM todos WHERE id = 't8'").await;
    let service = Service::start_at(&database.url, address).await;
    client.sees("SELECT done FROM todos WHERE id IN ('t7', 't8')", json!([[1]])).await;
    assert_eq!(client.ops().await, 20003, "only what has changed");
    client.has_no_complaints().await;
    ends_up_right(&client, &database).await;
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_client_that_is_opened_again_goes_on_where_it_was() {
    let database = Database::new(TABLES).await;
    database
        .run(
            "INSERT INTO lists VALUES ('l1', 'ann', 'One');
             INSERT INTO todos SELECT 't' || i, 'l1', 'x' FROM generate_series(1, 500) i",
        )
        .await;
    let service = Service::start_deployed(&database).await;
    let core = Core::start(Backend::of(&database)).await;
    let client = core.connect("a", "ann", &service.url, &lists_and_todos()).await;
    client.sees("SELECT count(*) FROM todos", json!([[500]])).await;
    client.close().await;
    database.run("UPDATE todos SET title = 'y' WHERE id IN ('t1', 't2')").await;
    let client = core.connect("a", "ann", &service.url, &lists_and_todos()).await;
    client.sees("SELECT count(*) FROM todos WHERE title = 'y'", json!([[2]])).await;
    assert_eq!(client.ops().await, 2);
    client.has_no_complaints().await;
    service.stop().await;
    database.drop().await;
}

/// Tokens of which each lives as long as the list says, the last ones longer than the test.
fn short_lived(lives: &'static [i64]) -> impl Fn(&str) -> String + Send + Sync + 'static {
    let given = AtomicU64::new(0);
    move |user| {
        let index = usize::try_from(given.fetch_add(1, Ordering::Relaxed)).unwrap();
        let mut claims = claims(user);
        let now = claims["iat"].as_i64().unwrap();
        let life = lives.get(index).copied().unwrap_or(600);
        claims["iat"] = (now.min(now + life) - 60).into();
        claims["exp"] = (now + life).into();
        sign(&json!({ "alg": "EdDSA", "typ": "JWT", "kid": "key-1" }), &claims)
    }
}

#[tokio::test]
async fn a_client_whose_token_expires_gets_another_and_goes_on() {
    let database = Database::new(TABLES).await;
    database
        .run("INSERT INTO lists VALUES ('l1', 'ann', 'One'); INSERT INTO todos VALUES ('t1', 'l1', 'x')")
        .await;
    let service = Service::start_deployed(&database).await;
    // Expired so long ago that it is refused; expired a moment ago; about to expire; to be replaced before it expires.
    let core = Core::start(Backend::of(&database).with_token(short_lived(&[-120, -5, 2, 21]))).await;
    let client = core.connect("a", "ann", &service.url, &lists_and_todos()).await;
    client.reaches(json!({ "tokens": 5, "connections": 5 })).await;
    client.sees("SELECT id FROM todos", json!([["t1"]])).await;
    database.run("INSERT INTO todos VALUES ('t2', 'l1', 'y')").await;
    client.sees("SELECT id FROM todos ORDER BY id", json!([["t1"], ["t2"]])).await;
    assert_eq!(client.ops().await, 3, "nothing came twice");
    client.has_no_complaints().await;
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_dropped_schema_costs_a_download_and_nothing_else() {
    let database = Database::new(TABLES).await;
    database
        .run("INSERT INTO lists VALUES ('l1', 'ann', 'One'); INSERT INTO todos VALUES ('t1', 'l1', 'x')")
        .await;
    let service = Service::start_deployed(&database).await;
    let core = Core::start(Backend::of(&database)).await;
    let client = core.connect("a", "ann", &service.url, &lists_and_todos()).await;
    client.sees("SELECT id FROM todos", json!([["t1"]])).await;
    client.watch("SELECT count(*) FROM todos WHERE id = 't1'").await;
    database.run("DROP SCHEMA sync_service CASCADE; INSERT INTO todos VALUES ('t2', 'l1', 'unseen')").await;
    deploy_again(&service).await;
    database.run("INSERT INTO todos VALUES ('t3', 'l1', 'seen')").await;
    client.sees("SELECT id FROM todos ORDER BY id", json!([["t1"], ["t2"], ["t3"]])).await;
    // Its writes come back as before.
    client.execute(&[("UPDATE todos SET title = 'mine'", json!([]))]).await;
    ends_up_right(&client, &database).await;
    assert_eq!(client.query("SELECT DISTINCT title FROM todos").await, json!([["mine"]]));
    assert_eq!(client.history().await, [json!([[1]])], "what was there stays visible");
    client.has_no_complaints().await;
    service.stop().await;
    database.drop().await;
}

/// As the app's server does it: until the service takes it.
async fn deploy_again(service: &Service) {
    eventually("the service takes the config", async || {
        let request = service.http.post(format!("{}/api/sync-rules/v1/deploy", service.url));
        let request = request
            .header("authorization", format!("Bearer {API_TOKEN}"))
            .header("content-type", "application/yaml");
        let answer = request.body(SYNC_CONFIG).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
}

/// A second database that can take the place of the first one.
struct Copy {
    admin_url: String,
    name: String,
}

impl Copy {
    async fn of(database: &Database) -> Self {
        let admin_url = std::env::var("TEST_DATABASE_URL").unwrap();
        let options: sqlx::postgres::PgConnectOptions = database.url.parse().unwrap();
        let copy = Self { admin_url, name: options.get_database().unwrap().to_owned() };
        copy.run(&[&format!("CREATE DATABASE {0}_copy TEMPLATE {0}", copy.name)]).await;
        copy
    }

    /// Puts the copy in the database's place.
    async fn restore(&self) {
        let name = &self.name;
        self.run(&[
            &format!("DROP DATABASE {name} WITH (FORCE)"),
            &format!("ALTER DATABASE {name}_copy RENAME TO {name}"),
        ])
        .await;
    }

    async fn run(&self, statements: &[&str]) {
        let options: sqlx::postgres::PgConnectOptions = self.admin_url.parse().unwrap();
        let mut admin = options.connect().await.unwrap();
        for statement in statements {
            // Another session in the template makes the statement fail; of autovacuum's, Postgres takes care.
            let mut tries = 0;
            while let Err(error) = admin.execute(*statement).await {
                tries += 1;
                assert!(tries < 100, "{statement}: {error}");
                let others = format!(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE '{}%' AND usename = current_user AND pid <> pg_backend_pid()",
                    self.name
                );
                admin.execute(others.as_str()).await.unwrap();
            }
        }
        admin.close().await.unwrap();
    }
}

/// A database is restored from a copy of an earlier moment; `after` is what is written before clients come back.
async fn rewound(after: &str) {
    let database = Database::new(TABLES).await;
    database
        .run(
            "INSERT INTO lists VALUES ('l1', 'ann', 'One'), ('l2', 'ann', 'Two'), ('l3', 'bob', 'Three');
             INSERT INTO todos SELECT 't' || i, 'l' || (i % 3 + 1), 'x' FROM generate_series(1, 90) i",
        )
        .await;
    let service = Service::start_deployed(&database).await;
    let address = service.address;
    let core = Core::start(Backend::of(&database)).await;
    let connected = core.connect("a", "ann", &service.url, &lists_and_todos()).await;
    let away = core.connect("b", "ann", &service.url, &lists_and_todos()).await;
    let writer = core.connect("c", "ann", &service.url, &lists_and_todos()).await;
    for client in [&connected, &away, &writer] {
        client.barrier().await;
    }
    service.kill().await;
    let copy = Copy::of(&database).await;
    let service = Service::start_at(&database.url, address).await;
    service.wait_ready().await;

    // What the restored database does not know any more.
    database
        .run(
            "UPDATE todos SET title = 'lost' WHERE id IN ('t1', 't2', 't3'); DELETE FROM todos WHERE id IN ('t4', 't5', 't6');
             UPDATE todos SET list_id = 'l2' WHERE id IN ('t7', 't8', 't9'); INSERT INTO lists VALUES ('l4', 'ann', 'lost');
             INSERT INTO todos VALUES ('n1', 'l1', 'lost'), ('n4', 'l4', 'lost')",
        )
        .await;
    writer.execute(&[("UPDATE todos SET title = 'lost too' WHERE id = 't10'", json!([]))]).await;
    for client in [&connected, &away, &writer] {
        client.barrier().await;
    }
    away.disconnect().await;
    service.kill().await;
    copy.restore().await;
    if !after.is_empty() {
        database.run(after).await;
    }
    let service = Service::start_at(&database.url, address).await;
    service.wait_ready().await;
    for client in [&connected, &writer] {
        ends_up_right(client, &database).await;
    }
    database.run("UPDATE todos SET title = title || '!' WHERE id IN ('t1', 't20')").await;
    away.connect().await;
    writer.execute(&[("UPDATE todos SET done = 1 WHERE id = 't11'", json!([]))]).await;
    writer.barrier().await;
    for client in [&connected, &away, &writer] {
        ends_up_right(client, &database).await;
    }
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_rewound_database_takes_its_clients_with_it() {
    rewound("").await;
}

#[tokio::test]
async fn a_rewound_database_that_has_gone_on_takes_its_clients_with_it() {
    rewound(
        "UPDATE todos SET title = 'new' WHERE id IN ('t2', 't5', 't8'); DELETE FROM todos WHERE id = 't12'",
    )
    .await;
}
