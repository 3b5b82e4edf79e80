//! A database of its own for a test, of this crate's API or of what is inside it.

use std::str::FromStr;

use sqlx::{ConnectOptions, Connection, Executor, postgres::PgConnectOptions};

/// A new database, dropped when the test ends, also when it fails.
pub struct TestDatabase {
    pub options: PgConnectOptions,
    server: PgConnectOptions,
}

impl TestDatabase {
    pub async fn create() -> TestDatabase {
        let url = std::env::var("TEST_DATABASE_URL").unwrap_or_else(|_| {
            panic!(
                "TEST_DATABASE_URL is not set: run `cargo realtime test`, or set it to the URL of a Postgres role \
                 that may create databases and roles"
            )
        });
        let server = PgConnectOptions::from_str(&url).unwrap();
        let mut connection = server.connect().await.unwrap();
        let name: String = sqlx::query_scalar("SELECT 'test_' || replace(gen_random_uuid()::text, '-', '')")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        connection.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
        connection.close().await.unwrap();
        TestDatabase { options: server.clone().database(&name), server }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let server = self.server.clone();
        let name = self.options.get_database().unwrap();
        // FORCE would fail where an autovacuum worker happens to be, which this role may not end. Without it, Postgres does.
        let end = format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}' AND usename = current_user"
        );
        let drop = format!("DROP DATABASE {name}");
        // A runtime cannot be started within the test's own.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = server.connect().await.unwrap();
                connection.execute(end.as_str()).await.unwrap();
                connection.execute(drop.as_str()).await.unwrap();
            });
        });
        if dropped.join().is_err() && !std::thread::panicking() {
            panic!("the test's database cannot be dropped");
        }
    }
}
