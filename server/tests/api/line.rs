//! A connection to Postgres that can be cut.

use sqlx::postgres::PgConnectOptions;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Carries everything to Postgres and back, unless it is cut.
pub struct Line {
    port: u16,
    postgres: u16,
    task: JoinHandle<()>,
}

impl Line {
    /// A line that works.
    pub async fn to(database: &PgConnectOptions) -> Line {
        let postgres = database.get_port();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Line { port, postgres, task: tokio::spawn(carry(listener, postgres)) }
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
        self.task = tokio::spawn(carry(listener, self.postgres));
    }
}

/// Ending this task ends all its connections, which is why they live in it.
async fn carry(listener: TcpListener, postgres: u16) {
    let mut connections = JoinSet::new();
    loop {
        let (mut from, _) = listener.accept().await.unwrap();
        connections.spawn(async move {
            let mut to = TcpStream::connect(("127.0.0.1", postgres)).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut from, &mut to).await;
        });
    }
}
