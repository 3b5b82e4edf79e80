//! Syncing while the page is open, and what people see of it.

use std::cell::Cell;
use std::rc::Rc;

use app::Session;
use app::store::{Deliver, Statement, Status, StoreError, sync_refusal};
use futures::{FutureExt, select_biased};
use gloo_timers::future::TimeoutFuture;
use js_sys::Array;
use leptos::prelude::*;

use crate::connector::{connector, sync_options};
use crate::database::Database;
use crate::sdk::SyncStatus;
use crate::store::{Inner, follow};

/// How long opening may take before people are told that it is stuck, which happens where another tab holds the
/// browser's files and does not let go.
const OPEN_TIMEOUT_MS: u32 = 20_000;

/// How long what has changed on the server since the database was last open is waited for, before the page goes on with
/// what there is.
const CATCH_UP_MS: u32 = 1500;

/// Connects the database as soon as it is open, and keeps the status up to date for as long as the page lives.
pub async fn sync(inner: Rc<Inner>, session: Session) {
    let status = inner.status;
    if let Err(error) = opened_in_time(&inner).await {
        status.update(|status| status.open_error = Some(error.0));
    }
    // Late is better than never: when the other tab lets go, this one goes on.
    let Ok(database) = inner.database.clone().await else { return };
    status.update(|status| (status.open, status.open_error) = (true, None));
    let downloading = Cell::new(false);
    let _following = database.on_status(move |sync| {
        let was_downloading = downloading.replace(sync.downloading());
        status.update(|status| {
            show(status, &sync);
            // A download begins with the checkpoint that the server has, also where nothing has changed.
            status.caught_up |= was_downloading && !downloading.get() && sync.connected();
        });
    });
    let (connector, options) = (connector(session, database.clone(), status), sync_options());
    let connecting = async {
        connect(&database, &connector, &options).await;
        status.update(|status| {
            status.tried = true;
            status.caught_up |= !status.connected;
        });
    };
    let patience = async {
        TimeoutFuture::new(CATCH_UP_MS).await;
        status.update(|status| status.caught_up = true);
    };
    futures::join!(connecting, patience, count_waiting(&database, status));
}

async fn opened_in_time(inner: &Inner) -> Result<(), StoreError> {
    select_biased! {
        opened = inner.database.clone().fuse() => opened.map(|_database| ()),
        () = TimeoutFuture::new(OPEN_TIMEOUT_MS).fuse() => Err(StoreError(
            "The local database does not open. Close the app's other tabs, or reset the local data.".to_owned(),
        )),
    }
}

async fn connect(database: &Database, connector: &js_sys::Object, options: &js_sys::Object) {
    if let Err(error) = database.sdk().connect(connector, options).await {
        leptos::logging::warn!("Syncing did not start: {error:?}");
    }
}

fn show(status: &mut Status, sync: &SyncStatus) {
    // The sync service takes a token only, and a token comes of a session: this one, or one begun in another tab.
    status.session_ended &= status.connected || !sync.connected();
    status.connected = sync.connected();
    status.has_synced = sync.has_synced().unwrap_or(false);
    // The SDK keeps the error until it has downloaded something, and the stream is up before that.
    let refused = sync.download_error().filter(|_| !status.connected);
    status.sync_error = refused.and_then(|error| sync_refusal(&String::from(error.message())));
    status.upload_error = sync.upload_error().map(|error| error.message().into());
}

/// Keeps the number of changes in the upload queue, the SDK's table `ps_crud`, in the status.
async fn count_waiting(database: &Database, status: RwSignal<Status>) {
    let deliver: Deliver = Box::new(move |rows| {
        let counted = rows.ok().and_then(|rows| serde_json::from_str::<[(usize,); 1]>(rows).ok());
        if let Some([(waiting,)]) = counted
            && status.with_untracked(|status| status.waiting != waiting)
        {
            status.update(|status| status.waiting = waiting);
        }
    });
    let queue = Array::of1(&"ps_crud".into());
    follow(database, &queue, &Statement::new("SELECT COUNT(*) FROM ps_crud"), deliver).await;
}
