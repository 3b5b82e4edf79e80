//! What every test here starts with: the app, a browser that visits it, and the changes which that browser makes.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use leptos::config::LeptosOptions;
use reqwest::{Client, Response, StatusCode, header};
use schema::upload::{Change, Operation, Outcome, Transaction, UploadRequest, UploadResponse};
use serde_json::{Value, json};
use server::{Application, Config, Environment};
use sha2::{Digest, Sha512};
use sqlx::{PgPool, postgres::PgConnectOptions};
use tempfile::TempDir;

pub use crate::database::TestDatabase;

/// A running server. Its database is dropped with it.
pub struct TestApp {
    pub url: String,
    /// The database, as the server's own role.
    pub pool: PgPool,
    _database: Arc<TestDatabase>,
    _site: TempDir,
}

/// Starts the app on a database of its own.
pub async fn spawn_app() -> TestApp {
    let database = Arc::new(TestDatabase::create().await);
    let options = database.options.clone();
    spawn_app_on(database, options).await
}

/// Starts the app on `database`, which it reaches by `options`.
pub async fn spawn_app_on(database: Arc<TestDatabase>, options: PgConnectOptions) -> TestApp {
    spawn_app_in(database, environment(options)).await
}

/// Starts the app on `database` in that environment.
pub async fn spawn_app_in(database: Arc<TestDatabase>, environment: Environment) -> TestApp {
    let site = tempfile::tempdir().unwrap();
    std::fs::create_dir(site.path().join("pkg")).unwrap();
    std::fs::write(site.path().join("pkg/app.css"), "body {}").unwrap();
    std::fs::write(site.path().join("sw.js"), "// A service worker.").unwrap();
    let application = build_with(environment, &site).await.unwrap();
    let url = format!("http://{}", application.address());
    tokio::spawn(application.run(std::future::pending()));
    let pool = PgPool::connect_lazy_with(database.options.clone());
    TestApp { url, pool, _database: database, _site: site }
}

/// Builds the app without running it.
pub async fn build(database: PgConnectOptions, site: &TempDir) -> anyhow::Result<Application> {
    build_with(environment(database), site).await
}

/// Builds the app in that environment.
pub async fn build_with(environment: Environment, site: &TempDir) -> anyhow::Result<Application> {
    let leptos_options = LeptosOptions::builder()
        .output_name("app")
        .site_root(site.path().to_str().unwrap())
        .site_addr(([127, 0, 0, 1], 0))
        .build();
    Application::build(Config { environment, leptos_options }).await
}

/// The audience of tokens; nothing listens there, so every test also runs without a sync service.
pub const POWERSYNC_URL: &str = "http://127.0.0.1:1";

pub fn signing_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub fn environment(database: PgConnectOptions) -> Environment {
    Environment {
        powersync_browser_url: POWERSYNC_URL.to_owned(),
        token_endpoint: "/api/powersync/token".to_owned(),
        pooled_database: database.clone(),
        direct_database: database,
        signing_key: signing_key(),
        powersync_api_token: "token".to_owned(),
        powersync_url: POWERSYNC_URL.to_owned(),
        client_ip_header: header::HeaderName::from_static("x-forwarded-for"),
    }
}

impl TestApp {
    /// An app that is running already.
    pub fn at(url: String, pool: PgPool, database: Arc<TestDatabase>, site: TempDir) -> TestApp {
        TestApp { url, pool, _database: database, _site: site }
    }

    /// A guest's browser, of whom something has been kept already.
    pub async fn browser(&self) -> Browser {
        let browser = self.newcomer().await;
        sqlx::query("INSERT INTO users (id) VALUES ($1)")
            .bind(&browser.user_id)
            .execute(&self.pool)
            .await
            .unwrap();
        browser
    }

    /// A browser that has opened the app for the first time.
    pub async fn newcomer(&self) -> Browser {
        let page = get(&self.url, "/", None).await;
        assert_eq!(page.status(), StatusCode::OK);
        let cookie = cookie(&page).expect("the first page makes the browser a guest's");
        let token: Value = get(&self.url, "/api/powersync/token", Some(&cookie)).await.json().await.unwrap();
        let claims = token["token"].as_str().unwrap().split('.').nth(1).unwrap().to_owned();
        let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let user_id = claims["sub"].as_str().unwrap().to_owned();
        Browser {
            url: self.url.clone(),
            cookie,
            user_id,
            client_id: "browser-1".to_owned(),
            epoch: Some("epoch-1".to_owned()),
            next_op_id: 1,
        }
    }

    /// Waits until so many statements wait for a lock.
    pub async fn waiting_for_locks(&self, count: usize) {
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        self.until(waiting, &count.to_string()).await;
    }

    /// Starts another server on the database, which tidies up as every server does when it starts, and waits until that has
    /// made the query give those rows.
    pub async fn tidied_up(&self, query: &str, rows: &str) {
        let site = tempfile::tempdir().unwrap();
        let _second = build((*self.pool.connect_options()).clone(), &site).await.unwrap();
        self.until(query, rows).await;
    }

    async fn until(&self, query: &str, rows: &str) {
        while self.rows(query).await != rows {
            tokio::task::yield_now().await;
        }
    }

    /// Begins a session of that user, and gives its cookie.
    pub async fn session_of(&self, user_id: &str) -> String {
        let session =
            "INSERT INTO sessions (id, user_id, expiry_date) VALUES ($1, $1, now() + interval '1 day')";
        sqlx::query(session).bind(user_id).execute(&self.pool).await.unwrap();
        format!("{}={user_id}", self.session_cookie_name())
    }

    /// The name of the cookie with a session's secret.
    pub fn session_cookie_name(&self) -> String {
        format!("session_{}", self.pool.connect_options().get_database().unwrap())
    }

    /// A guest's cookie as this app gave it out so many seconds ago.
    pub fn guest_cookie(&self, user_id: &str, age: i64) -> String {
        let key = Sha512::new().chain_update("guest cookies").chain_update(signing_key().as_bytes());
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64 - age;
        let cookies = tower_cookies::Cookies::default();
        let key = tower_cookies::Key::from(&key.finalize());
        cookies.signed(&key).add(tower_cookies::Cookie::new("guest", format!("{since}.{user_id}")));
        cookies.get("guest").unwrap().value().to_owned()
    }

    /// Every row of a query, its columns joined by spaces, one row a line.
    pub async fn rows(&self, query: &str) -> String {
        let query = format!(
            "SELECT concat_ws(' ', VARIADIC array(SELECT value FROM jsonb_each_text(to_jsonb(q)))) FROM ({query}) q"
        );
        let rows: Vec<String> = sqlx::query_scalar(&query).fetch_all(&self.pool).await.unwrap();
        rows.join("\n")
    }
}

pub async fn get(url: &str, path: &str, cookie: Option<&str>) -> Response {
    let request = Client::new().get(format!("{url}{path}"));
    let request = cookie.into_iter().fold(request, |request, cookie| request.header(header::COOKIE, cookie));
    request.send().await.unwrap()
}

/// The cookie of a session or of a guest that a response sets, as `name=value`.
pub fn cookie(response: &Response) -> Option<String> {
    let cookies = response.headers().get_all(header::SET_COOKIE).iter();
    let mut cookies = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
    let is_known = |cookie: &&str| cookie.starts_with("session_") || cookie.starts_with("guest_");
    cookies.find(|cookie| is_known(cookie) && !cookie.ends_with('=')).map(str::to_owned)
}

/// A browser with a session and an upload queue.
pub struct Browser {
    pub url: String,
    pub cookie: String,
    pub user_id: String,
    pub client_id: String,
    pub epoch: Option<String>,
    pub next_op_id: i64,
}

impl Browser {
    /// A change, numbered as the upload queue does it.
    pub fn change(&mut self, op: Operation, table: &str, id: &str, data: Value) -> Change {
        let op_id = self.next_op_id;
        self.next_op_id += 1;
        let data = data.as_object().cloned();
        Change { op_id, op, table: table.to_owned(), id: id.to_owned(), data, old: None }
    }

    /// A new list of this user.
    pub fn put_list(&mut self, id: &str, name: &str) -> Change {
        let data =
            json!({ "owner_id": self.user_id, "name": name, "created_at": "2026-11-22T16:22:09.954000Z" });
        self.change(Operation::Put, "lists", id, data)
    }

    /// A new todo.
    pub fn put_todo(&mut self, id: &str, list_id: &str, title: &str) -> Change {
        let data = json!({ "list_id": list_id, "title": title, "done": 0, "created_at": "2026-11-22T16:22:09.954000Z" });
        self.change(Operation::Put, "todos", id, data)
    }

    pub fn patch(&mut self, table: &str, id: &str, data: Value) -> Change {
        self.change(Operation::Patch, table, id, data)
    }

    pub fn delete(&mut self, table: &str, id: &str) -> Change {
        self.change(Operation::Delete, table, id, Value::Null)
    }

    /// Uploads client transactions; the verdicts, one a line.
    pub async fn upload(&self, transactions: &[&[Change]]) -> String {
        let response = self.post(&self.request(transactions)).await;
        assert_eq!(response.status(), StatusCode::OK);
        let UploadResponse { verdicts } = response.json().await.unwrap();
        let lines = verdicts.into_iter().map(|verdict| match verdict.outcome {
            Outcome::Applied => format!("{} applied", verdict.op_id),
            Outcome::Rejected { code, reason } => format!("{} {}: {reason}", verdict.op_id, code.as_str()),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    pub fn request(&self, transactions: &[&[Change]]) -> UploadRequest {
        let transactions = transactions.iter().map(|changes| Transaction {
            epoch: self.epoch.clone(),
            changes: changes.to_vec(),
            omitted: None,
        });
        let transactions = transactions.collect();
        UploadRequest { client_id: self.client_id.clone(), user_id: Some(self.user_id.clone()), transactions }
    }

    pub async fn post(&self, request: &UploadRequest) -> Response {
        self.post_text(serde_json::to_string(request).unwrap()).await
    }

    pub async fn post_text(&self, body: impl Into<reqwest::Body>) -> Response {
        Client::new()
            .post(format!("{}/api/sync", self.url))
            .header(header::COOKIE, &self.cookie)
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .send()
            .await
            .unwrap()
    }
}
