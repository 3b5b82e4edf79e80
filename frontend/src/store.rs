//! The app's [`Store`] on the local database.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use app::Session;
use app::store::{Deliver, Statement, Status, Store, StoreError, Subscription, WriteFuture};
use futures::channel::mpsc;
use futures::future::FutureExt;
use futures::{StreamExt, select_biased};
use js_sys::{Array, Date};
use leptos::prelude::*;
use leptos::task::spawn_local;
use schema::Timestamp;
use send_wrapper::SendWrapper;

use crate::database::{Database, Opening};
use crate::{reset, sync};

/// The store of one browser tab.
pub struct PowerSyncStore {
    inner: SendWrapper<Rc<Inner>>,
    user_id: String,
}

/// What the store's tasks share.
pub struct Inner {
    /// Ends when the database is open, for everybody who waits for it.
    pub database: Opening,
    /// What people see of syncing.
    pub status: RwSignal<Status>,
    /// The tables each query reads: asking SQLite costs two round trips to its worker.
    tables: RefCell<HashMap<String, Array>>,
}

impl PowerSyncStore {
    /// Starts to open the user's database, and syncs it as soon as it is open. Reads and writes may be
    /// asked for at once; they wait for it.
    pub fn open(session: Session, user_id: String) -> PowerSyncStore {
        let opened = user_id.clone();
        let database = async move { Database::open(&opened).await }.boxed_local().shared();
        let inner =
            Rc::new(Inner { database, status: RwSignal::new(Status::default()), tables: RefCell::default() });
        spawn_local(sync::sync(inner.clone(), session));
        PowerSyncStore { inner: SendWrapper::new(inner), user_id }
    }

    /// The database, as soon as it is open.
    pub fn database(&self) -> Opening {
        self.inner.database.clone()
    }
}

impl Store for PowerSyncStore {
    fn watch(&self, statement: Statement, deliver: Deliver) -> Subscription {
        let (stop, stopped) = futures::channel::oneshot::channel::<()>();
        let watch = watch(Rc::clone(&self.inner), statement, deliver);
        spawn_local(async move {
            select_biased! {
                _ = stopped.fuse() => (),
                () = watch.fuse() => (),
            }
        });
        Subscription::new(move || drop(stop))
    }

    fn write_transaction(&self, statements: Vec<Statement>) -> WriteFuture {
        let database = self.inner.database.clone();
        Box::pin(async move { database.await?.write_transaction(statements).await })
    }

    fn status(&self) -> Signal<Status> {
        self.inner.status.into()
    }

    fn reset(&self) {
        spawn_local(reset::reset(self.inner.database.clone(), self.user_id.clone()));
    }

    fn new_id(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_javascript(&String::from(Date::new_0().to_iso_string()))
    }
}

async fn watch(inner: Rc<Inner>, statement: Statement, deliver: Deliver) {
    match inner.tables_read_by(&statement).await {
        Ok((database, tables)) => follow(&database, &tables, &statement, deliver).await,
        Err(error) => deliver(Err(error)),
    }
}

/// Delivers the rows of a statement now and after every change of the tables, for as long as it is polled.
pub async fn follow(database: &Database, tables: &Array, statement: &Statement, deliver: Deliver) {
    // One waiting signal is enough: however many changes came while a query ran, it is run once more.
    let (changed, mut changes) = mpsc::channel::<()>(0);
    let _watching = database.on_change(tables, move || {
        let _ = changed.clone().try_send(());
    });
    loop {
        deliver(database.rows(statement).await.as_deref().map_err(Clone::clone));
        changes.next().await;
    }
}

impl Inner {
    async fn tables_read_by(&self, statement: &Statement) -> Result<(Database, Array), StoreError> {
        let database = self.database.clone().await?;
        if let Some(tables) = self.tables.borrow().get(&statement.sql) {
            return Ok((database, tables.clone()));
        }
        let tables = database.tables(statement).await?;
        self.tables.borrow_mut().insert(statement.sql.clone(), tables.clone());
        Ok((database, tables))
    }
}
