//! Random writers, clients and misfortunes. In the end every client has exactly what Postgres says that its user may see.
//!
//! `RANDOM_SEED` repeats a run's steps, `RANDOM_SECONDS` sets how long it goes on.

#![expect(clippy::unwrap_used, reason = "test code outside of test functions")]

#[path = "../core_client/mod.rs"]
mod core_client;
mod rng;
#[path = "../support/mod.rs"]
mod support;
mod world;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use core_client::{Backend, Client, Core, Upload, write};
use rng::Rng;
use serde_json::{Value, json};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor as _, PgPool, Postgres, Transaction};
use support::{API_TOKEN, Database, Service, eventually};
use world::{SUM, USERS, VARIANTS, Variant};

const CLIENTS: usize = 10;
const OPEN_TRANSACTIONS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_clients_end_up_with_what_postgres_says() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    let seed = number("RANDOM_SEED").unwrap_or(1);
    let duration = Duration::from_secs(number("RANDOM_SECONDS").unwrap_or(20));
    println!("to repeat it: RANDOM_SEED={seed} RANDOM_SECONDS={}", duration.as_secs());
    let database = Database::new(world::TABLES).await;
    let mut run = Run::new(&database, seed).await;
    let end = Instant::now() + duration;
    while Instant::now() < end {
        run.step().await;
    }
    println!("seed {seed}: {:?}", run.counts);
    run.settle().await;
    run.check().await;
    run.stop().await;
    run.writers.close().await;
    database.drop().await;
}

struct Actor {
    client: Client,
    user: &'static str,
    connected: bool,
    subscribed: BTreeSet<String>,
}

struct Run<'a> {
    rng: Rng,
    database: &'a Database,
    writers: PgPool,
    transactions: Vec<Transaction<'static, Postgres>>,
    /// None while it is being replaced.
    service: Option<Service>,
    address: SocketAddr,
    url: String,
    core: Arc<Core>,
    actors: Vec<Actor>,
    variant: &'static Variant,
    /// Whether a config has to be deployed before clients can go on.
    undeployed: bool,
    inserted: usize,
    counts: BTreeMap<&'static str, usize>,
}

impl<'a> Run<'a> {
    async fn new(database: &'a Database, seed: u64) -> Self {
        let connections = u32::try_from(OPEN_TRANSACTIONS).unwrap() + 8;
        let options = PgPoolOptions::new().max_connections(connections).after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute("SET lock_timeout = '30ms'").await?;
                Ok(())
            })
        });
        let writers = options.connect(&database.url).await.unwrap();
        let service = Service::start(database).await;
        service.deploy(VARIANTS[0].config).await;
        let core = Core::start(backend(database, &writers)).await;
        let mut actors = Vec::new();
        for index in 0..CLIENTS {
            let user = USERS[index % USERS.len()];
            let client = open(&core, &format!("c{index}"), user, &service.url).await;
            client.connect().await;
            actors.push(Actor { client, user, connected: true, subscribed: BTreeSet::new() });
        }
        Self {
            rng: Rng::new(seed),
            database,
            writers,
            transactions: Vec::new(),
            address: service.address,
            url: service.url.clone(),
            service: Some(service),
            core,
            actors,
            variant: &VARIANTS[0],
            undeployed: false,
            inserted: 0,
            counts: BTreeMap::new(),
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    async fn step(&mut self) {
        if self.undeployed {
            self.deploy().await;
        }
        match self.rng.below(1000) {
            0..500 => self.write_in_transaction().await,
            500..700 => self.write_at_once().await,
            700..800 => self.write_locally().await,
            800..860 => self.connect_or_disconnect().await,
            860..900 => self.subscribe_or_unsubscribe().await,
            900..910 => self.open_again().await,
            910..920 => self.deploy_another().await,
            920..930 => self.rewrite().await,
            930..936 => self.kill().await,
            936..944 => self.terminate().await,
            944..946 => self.drop_schema().await,
            946..949 => self.restart().await,
            949..956 => self.compact().await,
            _ => tokio::task::yield_now().await,
        }
    }

    /// Begins a transaction, adds to one, or ends one: any of those that are open.
    async fn write_in_transaction(&mut self) {
        if self.transactions.len() < OPEN_TRANSACTIONS && self.rng.once_in(3) {
            self.transactions.push(self.writers.begin().await.unwrap());
        }
        if self.transactions.is_empty() {
            return;
        }
        let index = self.rng.below(self.transactions.len());
        match self.rng.below(6) {
            0 => {
                self.count("commits");
                // It fails when the service's triggers were changed meanwhile; then it has not happened.
                let _ = self.transactions.swap_remove(index).commit().await;
            }
            1 if self.rng.once_in(3) => {
                self.count("rollbacks");
                let _ = self.transactions.swap_remove(index).rollback().await;
            }
            2 => {
                let (lost, kept) = (writes::statement(&mut self.rng), writes::statement(&mut self.rng));
                let both = format!("SAVEPOINT s; {lost}; ROLLBACK TO s; {kept}");
                self.execute_in(index, &both).await;
            }
            _ => {
                let statement = writes::statement(&mut self.rng);
                self.execute_in(index, &statement).await;
            }
        }
    }

    /// A statement that fails, by a conflict of locks or of keys, takes its transaction with it.
    async fn execute_in(&mut self, index: usize, sql: &str) {
        if self.transactions[index].execute(sql).await.is_err() {
            self.count("failed transactions");
            let _ = self.transactions.swap_remove(index).rollback().await;
        }
    }

    async fn write_at_once(&mut self) {
        let statement = writes::statement(&mut self.rng);
        let done = self.writers.execute(statement.as_str()).await.is_ok();
        self.count(if done { "statements" } else { "failed statements" });
    }

    async fn write_locally(&mut self) {
        self.count("local writes");
        let index = self.rng.below(CLIENTS);
        let list = writes::list(&mut self.rng);
        let text = self.rng.text();
        self.inserted += 1;
        let (id, n) = (format!("local{}", self.inserted), 100_000 + self.inserted);
        let insert = (
            "INSERT INTO todos (id, list_id, n, title, done) VALUES (?, ?, ?, ?, 1)",
            json!([id, list, n, text]),
        );
        let update = (
            "UPDATE todos SET title = ?, done = NOT done WHERE id IN (SELECT id FROM todos ORDER BY id LIMIT 3)",
            json!([text]),
        );
        let delete = (
            "DELETE FROM todos WHERE id IN (SELECT id FROM todos ORDER BY id DESC LIMIT ?)",
            json!([self.rng.below(3)]),
        );
        let note = ("UPDATE notes SET body = ?, list_id = ? WHERE id LIKE 'n1%'", json!([text, list]));
        let all = [insert, update, delete, note];
        let statements: Vec<_> = (0..=self.rng.below(2)).map(|_| self.rng.pick(&all).clone()).collect();
        // The same row twice is an error, as it is in the app.
        let _ = self.actors[index].client.try_ask("execute", json!({ "statements": statements })).await;
    }

    async fn connect_or_disconnect(&mut self) {
        self.count("connects and disconnects");
        let index = self.rng.below(CLIENTS);
        let actor = &mut self.actors[index];
        actor.connected = !actor.connected;
        if actor.connected { actor.client.connect().await } else { actor.client.disconnect().await }
    }

    async fn subscribe_or_unsubscribe(&mut self) {
        self.count("subscriptions");
        let (index, list) = (self.rng.below(CLIENTS), writes::list(&mut self.rng));
        let priority = [Value::Null, json!(0), json!(1), json!(3)][self.rng.below(4)].clone();
        let actor = &mut self.actors[index];
        let details =
            json!({ "stream": "notes", "params": { "list_id": list }, "priority": priority, "all": true });
        if actor.subscribed.remove(&list) {
            actor.client.ask("unsubscribe", details).await;
        } else {
            actor.client.ask("subscribe", details).await;
            actor.subscribed.insert(list);
        }
    }

    /// The app is closed and started again.
    async fn open_again(&mut self) {
        self.count("clients opened again");
        let index = self.rng.below(CLIENTS);
        let actor = &mut self.actors[index];
        sums_are_whole(&actor.client).await;
        actor.client.close().await;
        actor.client = open(&self.core, &actor.client.name, actor.user, &self.url).await;
        if actor.connected {
            actor.client.connect().await;
        }
    }

    async fn deploy_another(&mut self) {
        self.variant = self.rng.pick(&VARIANTS);
        self.undeployed = true;
    }

    async fn deploy(&mut self) {
        let request = self.service().http.post(format!("{}/api/sync-rules/v1/deploy", self.url));
        let request = request
            .header("authorization", format!("Bearer {API_TOKEN}"))
            .header("content-type", "application/yaml");
        let answer = request.body(self.variant.config).send().await;
        if answer.is_ok_and(|answer| answer.status() == 200) {
            self.undeployed = false;
            self.count("deploys");
        }
    }

    async fn rewrite(&mut self) {
        // Whoever holds a lock on the table would only make it fail.
        for transaction in self.transactions.drain(..) {
            let _ = transaction.commit().await;
        }
        let mut connection = self.writers.acquire().await.unwrap();
        let done = connection.execute(writes::rewrite(&mut self.rng)).await.is_ok();
        // It may have failed within a transaction.
        let _ = connection.execute("ROLLBACK").await;
        drop(connection);
        self.count(if done { "rewrites" } else { "failed rewrites" });
    }

    async fn kill(&mut self) {
        self.count("kills");
        if let Some(service) = self.service.take() {
            service.kill().await;
        }
        self.start().await;
    }

    async fn restart(&mut self) {
        self.count("restarts");
        self.stop().await;
        self.start().await;
    }

    async fn compact(&mut self) {
        // It fails when the service's schema was dropped or is being made. It may wait for the sequencer, and that for one of
        // our transactions, which waits for us.
        let config = support::config(&self.database.url);
        let compaction = sync_service::compact(&config);
        if let Ok(Ok(_)) = tokio::time::timeout(Duration::from_secs(1), compaction).await {
            self.count("compactions");
        }
    }

    async fn start(&mut self) {
        self.service = Some(Service::start_at(&self.database.url, self.address).await);
    }

    async fn stop(&mut self) {
        if let Some(service) = self.service.take() {
            service.stop().await;
        }
    }

    fn service(&self) -> &Service {
        self.service.as_ref().unwrap()
    }

    /// Takes connections to Postgres away from the service.
    async fn terminate(&mut self) {
        self.count("terminations");
        let one = if self.rng.once_in(2) { "LIMIT 1" } else { "" };
        let sql = format!(
            "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'sync-service' ORDER BY random() {one}) s"
        );
        self.writers.execute(sql.as_str()).await.unwrap();
    }

    async fn drop_schema(&mut self) {
        if self.writers.execute("DROP SCHEMA IF EXISTS sync_service CASCADE").await.is_ok() {
            self.count("dropped schemas");
            self.undeployed = true;
        }
    }

    /// Ends what is under way, and connects everybody.
    async fn settle(&mut self) {
        for transaction in self.transactions.drain(..) {
            let _ = transaction.commit().await;
        }
        self.service().wait_ready().await;
        // Whatever was deployed last must be active, also when the schema was dropped behind it.
        let config = self.variant.config;
        eventually("the last config is active", async || {
            let (_, answer) =
                self.service().admin("GET", "/api/sync-rules/v1/current", "", String::new()).await;
            if answer["data"]["current"]["content"] == config && answer["data"]["next"].is_null() {
                return true;
            }
            if answer["data"]["next"].is_null() {
                self.service()
                    .admin("POST", "/api/sync-rules/v1/deploy", "application/yaml", config.into())
                    .await;
            }
            false
        })
        .await;
        for actor in &mut self.actors {
            actor.connected = true;
            actor.client.connect().await;
        }
        for actor in &self.actors {
            // Uploads may still be under way; what they change has to come back too.
            actor.client.sees("SELECT count(*) FROM ps_crud", json!([[0]])).await;
        }
        for actor in &self.actors {
            actor.client.barrier().await;
        }
    }

    async fn check(&self) {
        let mut wrong = Vec::new();
        for actor in &self.actors {
            let subscribed: Vec<String> = actor.subscribed.iter().cloned().collect();
            let found =
                world::differences(&self.database.pool, self.variant, &actor.client, actor.user, &subscribed);
            let name = format!("{} of {}", actor.client.name, actor.user);
            wrong.extend(found.await.into_iter().take(5).map(|difference| format!("{name}: {difference}")));
            sums_are_whole(&actor.client).await;
            actor.client.has_no_complaints().await;
        }
        for user in USERS {
            let client = open(&self.core, &format!("new-{user}"), user, &self.url).await;
            client.connect().await;
            client.barrier().await;
            let found = world::differences(&self.database.pool, self.variant, &client, user, &[]).await;
            wrong.extend(
                found.into_iter().take(5).map(|difference| format!("new client of {user}: {difference}")),
            );
            client.has_no_complaints().await;
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}

async fn open(core: &Arc<Core>, name: &str, user: &str, endpoint: &str) -> Client {
    let options = json!({ "user": user, "endpoint": endpoint, "schema": world::client_schema() });
    let client = core.open(name, options).await;
    client.watch("SELECT sum(amount) FROM ledger").await;
    client
}

/// What is moved within a ledger is moved at once: a client has never seen a half of it.
async fn sums_are_whole(client: &Client) {
    let history = client.history().await;
    let whole = [json!([[null]]), json!([[SUM]])];
    assert!(history.iter().all(|sum| whole.contains(sum)), "{} saw {history:?}", client.name);
}

/// Takes uploads: most of them; of those that Postgres refuses, nothing, and some only at the second try.
fn backend(database: &Database, writers: &PgPool) -> Backend {
    let pool = writers.clone();
    let calls = Arc::new(AtomicUsize::new(0));
    Backend::of(database).taking(move |mut upload: Upload| {
        let pool = pool.clone();
        let calls = calls.clone();
        Box::pin(async move {
            if calls.fetch_add(1, Ordering::Relaxed) % 7 == 3 {
                return Err("not now".to_owned());
            }
            upload.entries.retain(|entry| !entry["id"].as_str().unwrap_or_default().ends_with('7'));
            match write(&pool, &upload).await {
                // A conflict of locks is tried again; any other error is the upload's own and rejects it.
                Err(sqlx::Error::Database(error))
                    if error.code().is_some_and(|code| code.starts_with("40") || code.starts_with("55")) =>
                {
                    Err(error.to_string())
                }
                Err(error @ (sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut)) => Err(error.to_string()),
                Ok(()) | Err(_) => Ok(()),
            }
        })
    })
}
