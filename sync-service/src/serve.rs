//! Starting and stopping.

use std::future::{Future, IntoFuture as _};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use sqlx::postgres::PgPoolOptions;
use tokio::net::{TcpListener, TcpSocket};
use tracing::info;

use crate::auth::KeyStore;
use crate::shared::Shared;
use crate::{Config, Error, api, compaction, sequencer, store};

/// Serves until `shutdown` resolves and the open streams are ended.
///
/// It needs no Postgres to start, and keeps running when Postgres goes away: until Postgres answers (again), open streams are held
/// and requests are answered with 503.
///
/// # Errors
/// When it cannot listen, or when the configuration has no usable keys or database URL.
pub async fn serve(config: Config, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
    let address = config.listen;
    let listener = listen(address).map_err(|source| Error::Listen { address, source })?;
    serve_on(listener, config, shutdown).await
}

/// Like [`serve`], on a socket that listens already; `config.listen` is not used. The caller then knows the port.
///
/// # Errors
/// As [`serve`].
pub async fn serve_on(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let keys = KeyStore::new(&config)?;
    let options = store::connect_options(&config.database_url).map_err(Error::DatabaseUrl)?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(|connection, _| Box::pin(store::settle(connection)))
        .connect_lazy_with(store::shared_connect_options(&options));
    let shared = Arc::new(Shared::new(config, keys, pool, options));
    info!(address = ?listener.local_addr().ok(), "listening");
    let stopping = shared.stopping.clone();
    // Whoever drops this future ends the streams with it.
    let _guard = stopping.clone().drop_guard();
    let listener = listener.tap_io(|stream| {
        // A line must not wait for the one behind it.
        let _ = stream.set_nodelay(true);
    });
    let server = axum::serve(listener, api::router(shared.clone()))
        .with_graceful_shutdown(stopping.clone().cancelled_owned())
        .into_future();
    let served = tokio::select! {
        served = async { tokio::join!(server, stop(shutdown, &stopping)).0 } => served,
        () = stopped_long_ago(&stopping) => Ok(()),
        never = sequencer::run(shared.clone()) => match never {},
        never = sequencer::listen(shared.clone()) => match never {},
        never = compaction::run(shared.clone()) => match never {},
    };
    shared.pool.close().await;
    served.map_err(Error::Serve)
}

/// Listens, with room for as many clients as come back at the same moment after an outage, where the system allows it. Who finds
/// no room is not told so, and tries again after a second.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    // A connection is a file handle. Many systems give a program a thousand unless it asks for more; where there are no more,
    // connections wait for each other.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A service that is started again finds its port in use otherwise, for a minute.
    socket.set_reuseaddr(cfg!(unix))?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What most systems allow.
const BACKLOG: u32 = 4096;

/// Besides the sequencer's connection and one that listens.
const CONNECTIONS: u32 = 8;

/// Requests get 503 when no connection is free for so long.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long readers may take for what was sent to them.
const GRACE: Duration = Duration::from_secs(3);

async fn stop(shutdown: impl Future<Output = ()>, stopping: &tokio_util::sync::CancellationToken) {
    shutdown.await;
    stopping.cancel();
}

async fn stopped_long_ago(stopping: &tokio_util::sync::CancellationToken) {
    stopping.cancelled().await;
    tokio::time::sleep(GRACE).await;
}
