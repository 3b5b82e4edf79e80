//! A connection to Postgres that can be cut, and one that is slow.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Carries everything to Postgres and back, unless it is cut.
pub struct Line {
    port: u16,
    postgres: u16,
    delay: Duration,
    task: JoinHandle<()>,
}

impl Line {
    /// A line that works.
    pub async fn to(database: &PgConnectOptions) -> Line {
        Line::slow(database, Duration::ZERO).await
    }

    /// A line on which everything takes that long, each way.
    pub async fn slow(database: &PgConnectOptions, delay: Duration) -> Line {
        let postgres = database.get_port();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Line { port, postgres, delay, task: tokio::spawn(carry(listener, postgres, delay)) }
    }

    /// The same database, reached through this line.
    pub fn options(&self, database: &PgConnectOptions) -> PgConnectOptions {
        database.clone().host("127.0.0.1").port(self.port)
    }

    /// Ends all connections and refuses new ones.
    pub async fn cut(&mut self) {
        self.task.abort();
        assert!((&mut self.task).await.unwrap_err().is_cancelled());
    }

    /// Takes connections again.
    pub async fn mend(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        self.task = tokio::spawn(carry(listener, self.postgres, self.delay));
    }
}

/// Ending this task ends all its connections, which is why they live in it.
async fn carry(listener: TcpListener, postgres: u16, delay: Duration) {
    let mut connections = JoinSet::new();
    loop {
        let (mut from, _) = listener.accept().await.unwrap();
        connections.spawn(async move {
            let mut to = TcpStream::connect(("127.0.0.1", postgres)).await.unwrap();
            to.set_nodelay(true).unwrap();
            from.set_nodelay(true).unwrap();
            let (from, to) = (from.split(), to.split());
            // Whichever way ends, the other does.
            tokio::select! {
                () = one_way(from.0, to.1, delay) => {}
                () = one_way(to.0, from.1, delay) => {}
            }
        });
    }
}

async fn one_way(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Duration) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
