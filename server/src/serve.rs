//! Connections: who gets one, and what becomes of one that is too slow.

mod patience;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Router, extract::ConnectInfo};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower_service::Service;

use self::patience::Patient;
use crate::{
    client_ip::ClientIp,
    limits,
    places::{Place, Places},
    shutdown,
};

/// Listens, with room for as many connections that have not been taken yet as there may be at all, where the system allows
/// it. Who finds no room is not told so, and tries again after a second.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    // A connection is a file handle. Many systems give a program a thousand unless it asks for more; where there are no more,
    // connections wait for each other.
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A server that is started again finds its port in use otherwise, for a minute.
    socket.set_reuseaddr(cfg!(unix))?;
    socket.bind(address)?;
    socket.listen(limits::CONNECTIONS as u32)
}

/// Serves until `shutdown` resolves and the open requests have ended, or a few seconds have passed.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let peers = Peers::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                // One that is too many is closed at once: a client can try again, and who waits would not know.
                if let Some(seat) = peers.seat(peer.ip()) {
                    connection(stream, peer, seat, router.clone(), &graceful);
                }
            }
            Err(error) => {
                // Of a client that has gone already, or because there are no more file handles; those come back.
                tracing::debug!("a connection cannot be taken: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    // An error is that the time is over.
    let _ = tokio::time::timeout(shutdown::GRACE, graceful.shutdown()).await;
}

fn connection(stream: TcpStream, peer: SocketAddr, seat: Seat, router: Router, graceful: &GracefulShutdown) {
    let _ = stream.set_nodelay(true);
    let (stream, patience) = Patient::new(stream);
    let service = service_fn(move |mut request: Request<Incoming>| {
        patience.head_is_read();
        request.extensions_mut().insert(ConnectInfo(peer));
        let (mut router, patience) = (router.clone(), patience.clone());
        async move {
            let response = router.call(request).await;
            patience.is_answered();
            response
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Its own limit holds for the wait between two requests as well; for a head, `Patient` has a shorter one.
        .header_read_timeout(limits::IDLE)
        .serve_connection(TokioIo::new(stream), service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!("a connection has ended: {error}");
        }
        drop(seat);
    });
}

/// The connections that there are.
struct Peers {
    all: Arc<Semaphore>,
    of_each: Places<IpAddr>,
}

impl Peers {
    fn new() -> Peers {
        Peers { all: Arc::new(Semaphore::new(limits::CONNECTIONS)), of_each: Places::new() }
    }

    /// A place for one more connection, unless there are too many.
    fn seat(&self, peer: IpAddr) -> Option<Seat> {
        let client = ClientIp(peer);
        let limit = if client.is_near() { limits::CONNECTIONS } else { limits::CONNECTIONS_OF_ONE };
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some((of_all, self.of_each.take(client.network(), limit)?))
    }
}

/// The place of a connection, among all and among those of its address.
type Seat = (OwnedSemaphorePermit, Place<IpAddr>);

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn connections_that_come_all_at_once_find_room() {
        let allowed: usize =
            std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        for number in 0..allowed.min(2000) {
            let connection = tokio::time::timeout(Duration::from_secs(60), TcpStream::connect(address)).await;
            waiting.push(connection.unwrap_or_else(|_| panic!("connection {number} finds no room")).unwrap());
        }
    }

    #[test]
    fn one_address_has_so_many_connections_and_no_more() {
        let peers = Peers::new();
        let seats = |address: &str| {
            let address: IpAddr = address.parse().unwrap();
            std::iter::from_fn(|| peers.seat(address)).collect::<Vec<_>>()
        };
        let far = seats("203.0.113.7");
        assert_eq!(far.len(), limits::CONNECTIONS_OF_ONE);
        let other = peers.seat("203.0.113.8".parse().unwrap());
        assert!(other.is_some(), "another address, another limit");
        drop(far);
        assert_eq!(seats("2001:db8::1").len(), limits::CONNECTIONS_OF_ONE);
        assert_eq!(seats("10.0.0.1").len(), limits::CONNECTIONS - 1, "a proxy may have all that are free");
        drop(other);
        assert!(peers.of_each.is_empty());
    }
}
