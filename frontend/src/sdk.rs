//! The PowerSync web SDK, as its own classes.
//!
//! Names and types are those of `@powersync/web` 2.x; only what this crate uses is here. The SDK is not part of the
//! wasm module's imports: [`load`] brings it in when it is asked to, so the first paint does not wait for it.

use js_sys::{Array, Function, Object, Promise};
use wasm_bindgen::prelude::*;

// `import()` is syntax, not a function, so it needs one line of JavaScript to be called.
#[wasm_bindgen(inline_js = "export const load = (url) => import(url);")]
extern "C" {
    /// Imports the SDK's module from the address at which the site serves it.
    #[wasm_bindgen(catch)]
    pub async fn load(url: &str) -> Result<JsValue, JsValue>;
}

#[wasm_bindgen]
extern "C" {
    /// What `@powersync/web` exports.
    #[wasm_bindgen(extends = Object)]
    pub type Sdk;

    /// The class [`PowerSyncDatabase`].
    #[wasm_bindgen(method, getter, js_name = PowerSyncDatabase)]
    pub fn power_sync_database(this: &Sdk) -> Function;
}

#[wasm_bindgen]
extern "C" {
    /// A SQLite database that syncs.
    #[wasm_bindgen(extends = Object)]
    #[derive(Clone)]
    pub type PowerSyncDatabase;

    /// Ends when the database can be used.
    #[wasm_bindgen(method, catch, js_name = waitForReady)]
    pub async fn wait_for_ready(this: &PowerSyncDatabase) -> Result<JsValue, JsValue>;

    /// Starts syncing, and keeps at it until `disconnect`.
    #[wasm_bindgen(method, catch)]
    pub async fn connect(
        this: &PowerSyncDatabase,
        connector: &Object,
        options: &JsValue,
    ) -> Result<JsValue, JsValue>;

    /// Stops syncing and deletes all rows and the upload queue.
    #[wasm_bindgen(method, catch, js_name = disconnectAndClear)]
    pub async fn disconnect_and_clear(this: &PowerSyncDatabase) -> Result<JsValue, JsValue>;

    /// The tables that a query reads, as an array of names.
    #[wasm_bindgen(method, catch, js_name = resolveTables)]
    pub async fn resolve_tables(
        this: &PowerSyncDatabase,
        sql: &str,
        parameters: &Array,
    ) -> Result<JsValue, JsValue>;

    /// Calls `handler.onChange` after transactions that changed one of `options.tables`; returns the function that
    /// ends it.
    #[wasm_bindgen(method, js_name = onChangeWithCallback)]
    pub fn on_change_with_callback(this: &PowerSyncDatabase, handler: &Object, options: &JsValue)
    -> Function;

    /// Runs `callback` with a connection that only reads.
    #[wasm_bindgen(method, catch, js_name = readLock)]
    pub async fn read_lock(this: &PowerSyncDatabase, callback: &Function) -> Result<JsValue, JsValue>;

    /// Runs `callback` with a connection, in a transaction that commits when the callback's promise resolves.
    #[wasm_bindgen(method, catch, js_name = writeTransaction)]
    pub async fn write_transaction(this: &PowerSyncDatabase, callback: &Function)
    -> Result<JsValue, JsValue>;

    /// What the SDK keeps the upload queue with.
    #[wasm_bindgen(method, getter, js_name = bucketStorageAdapter)]
    pub fn bucket_storage(this: &PowerSyncDatabase) -> BucketStorage;

    /// The id of this local database, the `client_id` of uploads.
    #[wasm_bindgen(method, catch, js_name = getClientId)]
    pub async fn get_client_id(this: &PowerSyncDatabase) -> Result<JsValue, JsValue>;

    /// How syncing is going.
    #[wasm_bindgen(method, getter, js_name = currentStatus)]
    pub fn current_status(this: &PowerSyncDatabase) -> SyncStatus;

    /// Registers an object of callbacks such as `statusChanged`; returns the function that removes it.
    #[wasm_bindgen(method, js_name = registerListener)]
    pub fn register_listener(this: &PowerSyncDatabase, listener: &Object) -> Function;
}

#[wasm_bindgen]
extern "C" {
    /// A connection inside `readLock` or `writeTransaction`.
    #[wasm_bindgen(extends = Object)]
    pub type LockContext;

    /// Runs a statement and returns its rows as [`RawQueryResult`].
    #[wasm_bindgen(method, js_name = executeRaw)]
    pub fn execute_raw(this: &LockContext, sql: &str, parameters: &Array) -> Promise;
}

#[wasm_bindgen]
extern "C" {
    /// Rows as arrays.
    #[wasm_bindgen(extends = Object)]
    pub type RawQueryResult;

    /// An array of rows, each an array of its columns.
    #[wasm_bindgen(method, getter, js_name = rawRows)]
    pub fn raw_rows(this: &RawQueryResult) -> Array;
}

#[wasm_bindgen]
extern "C" {
    /// What the SDK keeps the upload queue with.
    #[wasm_bindgen(extends = Object)]
    pub type BucketStorage;

    /// Takes the entries up to this number out of the queue, and lets sync take the place of what they wrote. The SDK's own
    /// `complete` methods do this; but to have one, the entries must be read and parsed by JavaScript.
    #[wasm_bindgen(method, catch, js_name = handleCrudCheckpoint)]
    pub async fn handle_crud_checkpoint(this: &BucketStorage, last: f64) -> Result<JsValue, JsValue>;
}

#[wasm_bindgen]
extern "C" {
    /// How syncing is going.
    #[wasm_bindgen(extends = Object)]
    pub type SyncStatus;

    /// Whether the sync stream is up.
    #[wasm_bindgen(method, getter)]
    pub fn connected(this: &SyncStatus) -> bool;

    /// Whether a full checkpoint has ever been applied; `undefined` until the database has been asked.
    #[wasm_bindgen(method, getter, js_name = hasSynced)]
    pub fn has_synced(this: &SyncStatus) -> Option<bool>;

    /// Whether a checkpoint is being downloaded and applied.
    #[wasm_bindgen(method, getter)]
    pub fn downloading(this: &SyncStatus) -> bool;

    /// Why the last attempt to download failed, or to connect.
    #[wasm_bindgen(method, getter, js_name = downloadError)]
    pub fn download_error(this: &SyncStatus) -> Option<js_sys::Error>;

    /// Why the last upload failed.
    #[wasm_bindgen(method, getter, js_name = uploadError)]
    pub fn upload_error(this: &SyncStatus) -> Option<js_sys::Error>;
}
