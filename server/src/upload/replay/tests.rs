//! Hundreds of random histories of one user's devices: whatever is lost, repeated, put back or forgotten on the way, each
//! transaction is applied exactly once. The devices' queues are real ones, in files that are copied as a backup is.

use std::{collections::BTreeMap, fs, path::PathBuf};

use rusqlite::{Connection, types::ValueRef};
use schema::{Column, Table, queue, queue::Waiting};
use serde_json::{Value, json};
use sqlx::{Executor, PgPool};
use tempfile::TempDir;

use super::*;
use crate::{
    migrations,
    test_database::TestDatabase,
    test_random::Random,
    upload::{Rules, apply, conflict::Conflict},
};

const HISTORIES: u64 = 200;
const STEPS: usize = 40;
const ROWS: [&str; 3] = ["a", "b", "c"];

const COUNTED: Table =
    Table::new("counted", &[Column::of::<String>("owner_id"), Column::of::<i64>("amount")]).track_previous();
const RULES: Rules =
    Rules { tables: &[&COUNTED], strategies: &[(&COUNTED, Conflict::Counters(&["amount"]))] };

/// A transaction somebody has made: which one of all, and the rows to each of which it adds one.
#[derive(Clone, Debug)]
struct Made {
    which: usize,
    rows: Vec<&'static str>,
}

/// A device, and what we know is in its queue.
struct Device {
    file: PathBuf,
    database: Connection,
    queue: Vec<Made>,
}

struct History<'a> {
    random: Random,
    pool: &'a PgPool,
    client: Client,
    folder: TempDir,
    devices: Vec<Device>,
    backups: Vec<(PathBuf, Vec<Made>)>,
    made: usize,
    /// What has reached the server at least once.
    arrived: BTreeMap<usize, Vec<&'static str>>,
    days_left: usize,
}

#[tokio::test]
async fn whatever_is_lost_repeated_or_put_back_each_transaction_is_applied_once() {
    let database = TestDatabase::create().await;
    // A test's data may be lost when the machine is.
    let options = database.options.clone().options([("synchronous_commit", "off")]);
    let pool = PgPool::connect_with(options).await.unwrap();
    migrations::run(&database.options).await.unwrap();
    let table = "
        CREATE TABLE counted (id text PRIMARY KEY, owner_id text NOT NULL, amount bigint NOT NULL DEFAULT 0);
        GRANT SELECT, UPDATE ON counted TO app_user";
    pool.execute(table).await.unwrap();
    let mut repeated = 0;
    for seed in 0..HISTORIES {
        pool.execute("DELETE FROM counted; DELETE FROM users; DELETE FROM deleted_users; INSERT INTO users (id) VALUES ('ann')")
            .await
            .unwrap();
        pool.execute("INSERT INTO counted (id, owner_id) VALUES ('a', 'ann'), ('b', 'ann'), ('c', 'ann')")
            .await
            .unwrap();
        repeated += History::begin(&pool, seed).run().await;
    }
    assert!(repeated > HISTORIES, "too little was delivered again to show anything: {repeated}");
}

impl<'a> History<'a> {
    fn begin(pool: &'a PgPool, seed: u64) -> History<'a> {
        let folder = tempfile::tempdir().unwrap();
        let mut history = History {
            random: Random(seed),
            pool,
            client: Client { user_id: "ann".to_owned(), client_id: "device".to_owned() },
            folder,
            devices: Vec::new(),
            backups: Vec::new(),
            made: 0,
            arrived: BTreeMap::new(),
            // A backup that is older than the watermarks is another story.
            days_left: 390,
        };
        let file = history.file("first");
        history.devices.push(Device::open(file, Vec::new()));
        history
    }

    /// Everything that can happen, in any order; how many deliveries were repeated.
    async fn run(mut self) -> u64 {
        let mut deliveries = 0;
        for _ in 0..STEPS {
            let device = self.random.below(self.devices.len());
            match self.random.below(12) {
                0..4 => self.write(device),
                4..8 => deliveries += self.upload(device).await,
                8 => self.reopen(device),
                9 => self.back_up(device),
                10 => self.restore(device),
                _ => self.time_goes_by().await,
            }
        }
        for device in 0..self.devices.len() {
            while !self.devices[device].queue.is_empty() {
                deliveries += self.upload(device).await;
            }
        }
        self.check("in the end").await;
        deliveries - self.arrived.len() as u64
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&mut self, device: usize) {
        let count = 1 + self.random.below(3);
        let rows: Vec<_> = (0..count).map(|_| *self.random.pick(&ROWS)).collect();
        self.devices[device].write(&rows);
        self.devices[device].queue.push(Made { which: self.made, rows });
        self.made += 1;
    }

    /// Uploads some of the queue. The server may stop after a part of it, and the answer may be lost; then the queue stays.
    async fn upload(&mut self, device: usize) -> u64 {
        let most = if self.random.one_in(2) { queue::ENOUGH_CHANGES } else { 4 };
        let waiting = self.devices[device].oldest(most);
        let arrives =
            if self.random.one_in(4) { self.random.below(waiting.len() + 1) } else { waiting.len() };
        for (waiting, made) in waiting.iter().take(arrives).zip(self.devices[device].queue.clone()) {
            assert_eq!(waiting.op_ids.len(), made.rows.len());
            let text = serde_json::to_string(&waiting.transaction).unwrap();
            let delivered = serde_json::from_str(&text).unwrap();
            apply::transaction(self.pool, RULES, &self.client, &delivered).await.unwrap();
            self.arrived.insert(made.which, made.rows);
        }
        self.check("after an upload").await;
        if arrives == waiting.len() && !self.random.one_in(3) {
            self.devices[device].complete(&waiting);
        }
        arrives as u64
    }

    fn reopen(&mut self, device: usize) {
        let Device { file, database, queue } = self.devices.swap_remove(device);
        database.close().unwrap();
        self.devices.push(Device::open(file, queue));
    }

    fn back_up(&mut self, device: usize) {
        let backup = self.file(&format!("backup {}", self.backups.len()));
        fs::copy(&self.devices[device].file, &backup).unwrap();
        self.backups.push((backup, self.devices[device].queue.clone()));
    }

    /// A backup takes the place of the device, or goes on beside it on another.
    fn restore(&mut self, device: usize) {
        if self.backups.is_empty() {
            return;
        }
        let (backup, queue) = self.random.pick(&self.backups).clone();
        if self.random.one_in(2) {
            self.devices.swap_remove(device).database.close().unwrap();
        }
        let name = format!("restored {}", self.random.below(usize::MAX));
        let file = self.file(&name);
        fs::copy(backup, &file).unwrap();
        self.devices.push(Device::open(file, queue));
    }

    async fn time_goes_by(&mut self) {
        let days = self.random.below(90).min(self.days_left);
        self.days_left -= days;
        let later = format!(
            "UPDATE uploads SET received_at = received_at - interval '{days} days';
             UPDATE upload_watermarks SET began_at = began_at - interval '{days} days'"
        );
        self.pool.execute(later.as_str()).await.unwrap();
        forget(self.pool).await.unwrap();
    }

    async fn check(&self, when: &str) {
        let found: Vec<(String, i64)> =
            sqlx::query_as("SELECT id, amount FROM counted ORDER BY id").fetch_all(self.pool).await.unwrap();
        let all: Vec<_> = self.arrived.values().flatten().collect();
        for (row, amount) in found {
            let expected = all.iter().filter(|changed| ***changed == row).count();
            assert_eq!(amount, expected as i64, "{row} {when}: {:?}", self.arrived);
        }
    }
}

impl Device {
    /// Opens the file as the app does.
    fn open(file: PathBuf, queue: Vec<Made>) -> Device {
        let mut database = Connection::open(&file).unwrap();
        database.execute_batch("PRAGMA synchronous = off").unwrap();
        // As PowerSync makes it.
        let queue_table = "CREATE TABLE IF NOT EXISTS ps_crud (id INTEGER PRIMARY KEY AUTOINCREMENT, data TEXT, tx_id INTEGER)";
        let transaction = database.transaction().unwrap();
        transaction.execute_batch(queue_table).unwrap();
        transaction.execute(queue::CREATE_EPOCHS, ()).unwrap();
        let id: String = transaction.query_row("SELECT hex(randomblob(16))", (), |row| row.get(0)).unwrap();
        transaction.execute(queue::BEGIN_EPOCH, (id,)).unwrap();
        transaction.execute(queue::FORGET_EPOCHS, ()).unwrap();
        transaction.commit().unwrap();
        Device { file, database, queue }
    }

    fn write(&mut self, rows: &[&str]) {
        let transaction = self.database.transaction().unwrap();
        for (place, row) in rows.iter().enumerate() {
            let data = json!({ "op": "PATCH", "type": "counted", "id": row, "data": { "amount": 1 }, "old": { "amount": 0 } });
            // The next transaction has the next number.
            let number = if place == 0 { "coalesce(max(tx_id), 0) + 1" } else { "max(tx_id)" };
            let insert = format!(
                "INSERT INTO ps_crud (data, tx_id) SELECT ?1, {number} FROM (SELECT tx_id FROM ps_crud UNION ALL SELECT 0)"
            );
            transaction.execute(&insert, (data.to_string(),)).unwrap();
        }
        transaction.commit().unwrap();
    }

    fn oldest(&self, most: usize) -> Vec<Waiting> {
        let waiting = queue::transactions(&self.rows(queue::OLDEST, &[most, queue::ENOUGH_BYTES])).unwrap();
        assert!(waiting.is_empty() == self.queue.is_empty(), "no transaction has more than three changes");
        waiting
    }

    fn complete(&mut self, waiting: &[Waiting]) {
        let last = waiting.last().and_then(|waiting| waiting.op_ids.last()).copied().unwrap_or(0);
        self.database.execute("DELETE FROM ps_crud WHERE id <= ?1", (last,)).unwrap();
        self.queue.drain(..waiting.len());
    }

    /// Rows as the browser has them: a JSON array of arrays.
    fn rows(&self, sql: &str, parameters: &[usize]) -> String {
        let mut statement = self.database.prepare(sql).unwrap();
        let width = statement.column_count();
        let rows = statement
            .query_map(rusqlite::params_from_iter(parameters), |row| {
                let cell = |column| {
                    Ok(match row.get_ref(column)? {
                        ValueRef::Null => Value::Null,
                        ValueRef::Integer(value) => json!(value),
                        value => json!(value.as_str()?),
                    })
                };
                (0..width).map(cell).collect::<rusqlite::Result<Vec<_>>>()
            })
            .unwrap();
        json!(rows.collect::<rusqlite::Result<Vec<_>>>().unwrap()).to_string()
    }
}
