//! A safe layer over the SDK's database: Rust types in, Rust types out, and callbacks that end with their guards.

use app::store::{Statement, StoreError, Subscription};
use futures::future::{LocalBoxFuture, Shared};
use js_sys::{Array, BigInt, Function, JSON, JsString, Object, Promise, Reflect};
use schema::queue;
use send_wrapper::SendWrapper;
use serde_json::json;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::StorageManager;

use crate::javascript::{object, parameters, set, store_error, thrown};
use crate::sdk::{self, LockContext, PowerSyncDatabase, RawQueryResult, Sdk, SyncStatus};

/// Where the server serves what `npm run build` puts into `public/powersync/`.
const SDK_URL: &str = "/powersync/sdk.js";
/// The worker that holds SQLite and, shared by all tabs, the sync connection.
const WORKER_URL: &str = "/powersync/worker.js";

/// A database that is being opened; it ends for everybody who waits for it.
pub type Opening = Shared<LocalBoxFuture<'static, Result<Database, StoreError>>>;

/// The local SQLite database of one user.
#[derive(Clone)]
pub struct Database(PowerSyncDatabase);

impl Database {
    /// Loads the SDK and opens the user's database.
    pub async fn open(user_id: &str) -> Result<Database, StoreError> {
        let sdk: Sdk = sdk::load(SDK_URL).await.map_err(store_error)?.unchecked_into();
        let options = Object::new();
        set(&options, "schema", schema_for_sdk());
        let file =
            json!({ "dbFilename": file_name(user_id), "vfs": file_system().await, "worker": WORKER_URL });
        set(&options, "database", object(&file));
        set(&options, "sync", object(&json!({ "worker": WORKER_URL })));
        let database: PowerSyncDatabase =
            Reflect::construct(&sdk.power_sync_database(), &Array::of1(&options))
                .map_err(store_error)?
                .unchecked_into();
        database.wait_for_ready().await.map_err(store_error)?;
        let database = Database(database);
        database.begin_epoch().await?;
        Ok(database)
    }

    /// What is written from now on is told apart from what a backup of this database may have written ([`queue`]).
    async fn begin_epoch(&self) -> Result<(), StoreError> {
        let id = uuid::Uuid::new_v4().to_string();
        let begin = Statement::new(queue::BEGIN_EPOCH).bind(id);
        let statements =
            vec![Statement::new(queue::CREATE_EPOCHS), begin, Statement::new(queue::FORGET_EPOCHS)];
        self.transaction(statements, false).await
    }

    /// The SDK's own object.
    pub fn sdk(&self) -> &PowerSyncDatabase {
        &self.0
    }

    /// The rows of a query, as a JSON array of arrays.
    pub async fn rows(&self, statement: &Statement) -> Result<String, StoreError> {
        let (sql, parameters) = (statement.sql.clone(), parameters(&statement.parameters));
        let read = move |connection: LockContext| connection.execute_raw(&sql, &parameters);
        let read = Closure::once_into_js(read).unchecked_into::<Function>();
        let result: RawQueryResult = self.0.read_lock(&read).await.map_err(store_error)?.unchecked_into();
        // One text crosses into WASM and is parsed there, instead of every cell by a call of its own.
        json_text(&result.raw_rows()).map(String::from).map_err(store_error)
    }

    /// The names of the tables that a query reads.
    pub async fn tables(&self, statement: &Statement) -> Result<Array, StoreError> {
        let parameters = parameters(&statement.parameters);
        let tables = self.0.resolve_tables(&statement.sql, &parameters).await.map_err(store_error)?;
        Ok(tables.unchecked_into())
    }

    /// Calls back after every transaction that changed one of the tables.
    pub fn on_change(&self, tables: &Array, changed: impl Fn() + 'static) -> Subscription {
        let callback = Closure::<dyn Fn(JsValue)>::new(move |_event| changed());
        let handler = Object::new();
        set(&handler, "onChange", callback.as_ref().clone());
        let options = Object::new();
        set(&options, "tables", tables.clone());
        // The SDK would wait 30 ms for more changes; a page that was just clicked should not.
        set(&options, "throttleMs", 0);
        subscription(self.0.on_change_with_callback(&handler, &options), callback)
    }

    /// Runs statements in one transaction, unless it could never be sent.
    pub async fn write_transaction(&self, statements: Vec<Statement>) -> Result<(), StoreError> {
        self.transaction(statements, true).await
    }

    /// Runs statements in one transaction. It is rolled back if it is to be `sent` and is too large for that.
    async fn transaction(&self, statements: Vec<Statement>, sent: bool) -> Result<(), StoreError> {
        let write = move |transaction: LockContext| -> Promise {
            future_to_promise(async move {
                for Statement { sql, parameters: values } in &statements {
                    JsFuture::from(transaction.execute_raw(sql, &parameters(values))).await?;
                }
                if sent {
                    refuse_too_large(&transaction).await?;
                }
                Ok(JsValue::UNDEFINED)
            })
        };
        let write = Closure::once_into_js(write).unchecked_into::<Function>();
        self.0.write_transaction(&write).await.map_err(store_error)?;
        Ok(())
    }

    /// Takes the entries up to this number out of the upload queue.
    pub async fn complete(&self, last: i64) -> Result<(), StoreError> {
        let completed = self.0.bucket_storage().handle_crud_checkpoint(last as f64).await;
        completed.map(drop).map_err(store_error)
    }

    /// Calls back with the sync status, now and after every change of it.
    pub fn on_status(&self, changed: impl Fn(SyncStatus) + 'static) -> Subscription {
        changed(self.0.current_status());
        let callback = Closure::<dyn Fn(SyncStatus)>::new(changed);
        let listener = Object::new();
        set(&listener, "statusChanged", callback.as_ref().clone());
        subscription(self.0.register_listener(&listener), callback)
    }
}

/// Throws where what a transaction has put into the upload queue is more than the server will take.
async fn refuse_too_large(transaction: &LockContext) -> Result<(), JsValue> {
    let size = transaction.execute_raw(queue::NEWEST_SIZE, &Array::new());
    let size: RawQueryResult = JsFuture::from(size).await?.unchecked_into();
    let size: String = json_text(&size.raw_rows())?.into();
    match queue::is_too_large(&size) {
        Ok(false) => Ok(()),
        Ok(true) => Err(thrown("this is too much at once. Save it in smaller parts.")),
        Err(error) => Err(thrown(&error.to_string())),
    }
}

/// The name of a user's database file. Each user has one, so that nobody who shares the browser sees another's rows.
pub fn file_name(user_id: &str) -> String {
    format!("{user_id}.db")
}

/// Rows as JSON. Integers beyond 2^53 are `BigInt`s, which JSON does not know, so where there are any they travel as text.
fn json_text(rows: &Array) -> Result<JsString, JsValue> {
    JSON::stringify(rows).or_else(|_| {
        let as_text = |_key: JsValue, value: JsValue| match value.is_bigint() {
            true => value.unchecked_ref::<BigInt>().to_string(10).map_or(value.clone(), JsValue::from),
            false => value,
        };
        let replacer = Closure::<dyn Fn(JsValue, JsValue) -> JsValue>::new(as_text);
        JSON::stringify_with_replacer(rows, replacer.as_ref())
    })
}

/// Keeps a callback alive until the subscription is dropped, and then takes it out of JavaScript's hands first.
fn subscription<T: ?Sized + 'static>(end: Function, callback: Closure<T>) -> Subscription {
    let ends = SendWrapper::new((end, callback));
    Subscription::new(move || {
        let (end, callback) = ends.take();
        let _ = end.call0(&JsValue::UNDEFINED);
        drop(callback);
    })
}

/// The schema as the SDK takes it: anything with these properties.
fn schema_for_sdk() -> Object {
    let schema = Object::new();
    let json = Closure::<dyn Fn() -> Object>::new(|| object(&schema::client_schema()));
    set(&schema, "toJSON", json.into_js_value());
    set(&schema, "validate", Closure::<dyn Fn()>::new(|| ()).into_js_value());
    set(&schema, "tables", Array::new());
    set(&schema, "rawTables", Array::new());
    schema
}

/// The virtual file system for SQLite: the browser's private files where it has them, which some private windows
/// have not, else IndexedDB.
async fn file_system() -> &'static str {
    let storage: StorageManager = leptos::prelude::window().navigator().storage();
    match JsFuture::from(storage.get_directory()).await {
        Ok(_) => "OPFSCoopSyncVFS",
        Err(_) => "IDBBatchAtomicVFS",
    }
}
