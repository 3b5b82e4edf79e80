//! The Postgres behind the fake of Neon: real databases and real roles, on the server in `TEST_DATABASE_URL`.

use reqwest::Url;
use sqlx::{Connection, Executor, PgConnection};

/// The server, as the role of `TEST_DATABASE_URL`, which may make databases and roles.
pub struct Postgres {
    url: Url,
}

impl Postgres {
    /// The one that is there for tests.
    pub fn for_tests() -> Self {
        let url = std::env::var("TEST_DATABASE_URL")
            .expect("these tests need Postgres: run `cargo realtime test`, or set TEST_DATABASE_URL");
        Self { url: Url::parse(&url).unwrap() }
    }

    /// Its role, and the password if there is one.
    pub fn role(&self) -> (String, Option<String>) {
        (self.url.username().to_owned(), self.url.password().map(str::to_owned))
    }

    /// Where a role finds a database. The pooler is the same server by another name.
    pub fn uri(&self, role: &str, password: &str, database: &str, pooled: bool) -> String {
        let mut url = self.url.clone();
        url.set_username(role).unwrap();
        url.set_password(Some(password)).unwrap();
        url.set_host(Some(if pooled { "localhost" } else { "127.0.0.1" })).unwrap();
        url.set_path(database);
        url.set_query(Some("sslmode=disable"));
        url.to_string()
    }

    /// Makes a role that may log in.
    pub async fn create_role(&self, role: &str, password: &str) {
        let (us, _) = self.role();
        self.run(&format!(r#"CREATE ROLE "{role}" LOGIN CREATEROLE PASSWORD '{password}'"#)).await;
        // Without it, nobody but a superuser could give the role a database.
        self.run(&format!(r#"GRANT "{role}" TO "{us}""#)).await;
    }

    /// Makes a database of this role.
    pub async fn create_database(&self, database: &str, owner: &str) {
        self.run(&format!(r#"CREATE DATABASE "{database}" OWNER "{owner}""#)).await;
    }

    /// Deletes databases, then roles.
    pub async fn drop(&self, databases: &[String], roles: &[String]) {
        for database in databases {
            self.run(&format!(r#"DROP DATABASE IF EXISTS "{database}" WITH (FORCE)"#)).await;
        }
        for role in roles {
            self.run(&format!(r#"DROP ROLE IF EXISTS "{role}""#)).await;
        }
    }

    async fn run(&self, statement: &str) {
        let mut connection = PgConnection::connect(self.url.as_str()).await.unwrap();
        connection.execute(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        connection.close().await.unwrap();
    }
}
