//! What happens before the first request, and after the last.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use insta::assert_snapshot;
use reqwest::{StatusCode, header};
use sqlx::{
    Executor,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use crate::{
    helpers::{TestDatabase, build, cookie, get, spawn_app, spawn_app_on},
    line::Line,
};

#[tokio::test]
async fn the_server_says_that_it_is_there() {
    let app = spawn_app().await;
    assert_snapshot!(get(&app.url, "/health", None).await.text().await.unwrap(), @"ok");
    assert_snapshot!(get(&app.url, "/ready", None).await.text().await.unwrap(), @r#"{"ready":true}"#);
}

#[tokio::test]
async fn a_server_without_postgres_is_alive_and_not_ready() {
    let database = Arc::new(TestDatabase::create().await);
    let mut line = Line::to(&database.options).await;
    let options = line.options(&database.options);
    let app = spawn_app_on(database, options).await;
    line.cut().await;
    assert_eq!(get(&app.url, "/health", None).await.status(), StatusCode::OK);
    let ready = get(&app.url, "/ready", None).await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    let reason = ready.text().await.unwrap();
    assert!(reason.contains("Postgres does not answer on the connections for sessions: "), "{reason}");
    line.mend().await;
    assert_eq!(get(&app.url, "/ready", None).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn without_postgres_a_page_is_one_that_the_browser_fills() {
    let database = Arc::new(TestDatabase::create().await);
    let mut line = Line::to(&database.options).await;
    let options = line.options(&database.options);
    let app = spawn_app_on(database, options).await;
    let browser = app.browser().await;
    line.cut().await;
    let page = get(&app.url, "/lists/l1", Some(&browser.cookie)).await;
    assert_eq!(page.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.headers().contains_key(header::RETRY_AFTER));
    assert!(page.headers().get(header::SET_COOKIE).is_none(), "nobody is taken for somebody else meanwhile");
    let html = page.text().await.unwrap();
    assert!(html.contains("skeleton") && html.contains("<script"), "{html}");
    let newcomer = get(&app.url, "/", None).await;
    assert_eq!(newcomer.status(), StatusCode::OK);
    assert!(cookie(&newcomer).is_some(), "a guest needs nothing of Postgres");
}

#[tokio::test]
async fn a_database_that_takes_no_changes_says_so_and_heals() {
    let app = spawn_app().await;
    let mut browser = app.browser().await;
    let list = [browser.put_list("l1", "Groceries")];
    let request = browser.request(&[&list]);
    let name = app.pool.connect_options().get_database().unwrap().to_owned();
    let read_only = async |on: &str| {
        let alter = format!("ALTER DATABASE {name} SET default_transaction_read_only = {on}");
        app.pool.execute(format!("BEGIN READ WRITE; {alter}; COMMIT").as_str()).await.unwrap();
        // Connections that are open keep the setting that they began with.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        app.pool.execute(end).await.unwrap();
    };
    read_only("on").await;
    let refused = browser.post(&request).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key(header::RETRY_AFTER));
    assert_snapshot!(refused.text().await.unwrap(), @r#"{"error":"The database takes no changes at the moment. Try again in a moment."}"#);
    assert_eq!(get(&app.url, "/", Some(&browser.cookie)).await.status(), StatusCode::OK, "it can be read");

    let site = tempfile::tempdir().unwrap();
    let error = build((*app.pool.connect_options()).clone(), &site).await.unwrap_err();
    let error = format!("{error:#}");
    assert!(
        error.contains("Make the database writable: it is a replica, or its provider has stopped changes"),
        "{error}"
    );

    read_only("off").await;
    assert_snapshot!(browser.upload(&[&list]).await, @"1 applied");
}

/// What `DIRECT_DATABASE_URL` is answered by a listener that sends `answer` to whatever it is sent.
async fn start_against(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            while let Ok(1..) = client.read(&mut buffer).await {
                client.write_all(&answer).await.unwrap();
            }
        }
    });
    let site = tempfile::tempdir().unwrap();
    let options =
        PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port).username("app").database("app");
    let options = options.ssl_mode(PgSslMode::Disable);
    format!("{:#}", build(options, &site).await.unwrap_err()).replace(&port.to_string(), "PORT")
}

#[tokio::test]
async fn what_does_not_heal_stops_the_start_at_once_and_says_what_to_change() {
    // What PgBouncer says where it is not told to ignore such settings.
    let said = b"SFATAL\0C08P01\0Munsupported startup parameter: options\0\0";
    let length = u32::try_from(said.len() + 4).unwrap().to_be_bytes();
    let pooler = [b"E", &length[..], said].concat();
    assert_snapshot!(start_against(pooler).await, @r#"Postgres at 127.0.0.1:PORT, database "app", cannot be used: error returned from database: unsupported startup parameter: options. DIRECT_DATABASE_URL must be the address of Postgres itself. Where it is a pooler's, take the direct one, and give the pooler's to VITE_DATABASE_URL; else check host and port."#);
    let other = start_against(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
    assert!(other.contains("cannot be used: ") && other.ends_with("else check host and port."), "{other}");

    let database = TestDatabase::create().await;
    let site = tempfile::tempdir().unwrap();
    let verified = database.options.clone().ssl_mode(PgSslMode::VerifyFull);
    let error = format!("{:#}", build(verified, &site).await.unwrap_err());
    assert!(
        error.contains("Check DIRECT_DATABASE_URL: `sslrootcert=/path/of/ca.pem` names the authority"),
        "{error}"
    );

    let nowhere = database.options.clone().host("no-such-host.invalid");
    let error = format!("{:#}", build(nowhere, &site).await.unwrap_err());
    assert!(
        error.contains("cannot be reached: ") && error.ends_with("Check the host in DIRECT_DATABASE_URL."),
        "{error}"
    );
}

#[tokio::test]
async fn several_servers_may_start_at_once() {
    let database = TestDatabase::create().await;
    let site = tempfile::tempdir().unwrap();
    let start = || build(database.options.clone(), &site);
    let (one, two, three) = tokio::join!(start(), start(), start());
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
}

#[tokio::test]
async fn a_database_that_does_not_fit_the_schema_crate_stops_the_start() {
    let database = TestDatabase::create().await;
    let site = tempfile::tempdir().unwrap();
    build(database.options.clone(), &site).await.unwrap();
    let pool = sqlx::PgPool::connect_with(database.options.clone()).await.unwrap();
    let changes = "
        ALTER TABLE lists ADD color text;
        ALTER TABLE todos ALTER done TYPE integer USING 0, ALTER title DROP NOT NULL;
        ALTER TABLE todos DISABLE ROW LEVEL SECURITY;
        ALTER PUBLICATION powersync DROP TABLE todos;
        ALTER PUBLICATION powersync ADD TABLE users;
        DROP TABLE rejections;
    ";
    pool.execute("ALTER TABLE todos ALTER done DROP DEFAULT").await.unwrap();
    pool.execute(changes).await.unwrap();
    let error = build(database.options.clone(), &site).await.unwrap_err();
    assert_snapshot!(format!("{error:#}"), @r"
    The database does not fit the schema crate:
      column lists.color is in Postgres, but not in the schema crate: add it to schema/src/tables.rs
      column todos.title is text not null in the schema crate, but text in Postgres
      column todos.done is boolean not null in the schema crate, but integer not null in Postgres
      table todos has no row-level security: write a migration with ALTER TABLE todos ENABLE ROW LEVEL SECURITY and a policy
      table rejections is in the schema crate, but not in Postgres: write a migration
      table todos is not in the publication powersync: write a migration with ALTER PUBLICATION powersync ADD TABLE todos
      table rejections is not in the publication powersync: write a migration with ALTER PUBLICATION powersync ADD TABLE rejections
      table users is in the publication powersync, but not in the schema crate: add it to schema/src/tables.rs
    ");
}

#[tokio::test]
async fn the_start_waits_for_postgres() {
    let database = TestDatabase::create().await;
    let site = tempfile::tempdir().unwrap();
    let mut line = Line::to(&database.options).await;
    line.cut().await;
    let mut start = Box::pin(build(line.options(&database.options), &site));
    let early = tokio::time::timeout(Duration::from_secs(1), &mut start).await;
    assert!(early.is_err(), "it neither starts nor gives up: {early:?}");
    line.mend().await;
    start.await.unwrap();
}

#[tokio::test]
async fn a_missing_database_is_not_waited_for() {
    let database = TestDatabase::create().await;
    let site = tempfile::tempdir().unwrap();
    let error =
        build(database.options.clone().database("no_such_database"), &site).await.unwrap_err().to_string();
    assert!(error.contains(r#"database "no_such_database""#), "{error}");
    assert!(error.contains("Check DIRECT_DATABASE_URL, or run `cargo realtime up`."), "{error}");
}

#[tokio::test]
async fn the_server_stops_though_a_request_is_open() {
    let database = TestDatabase::create().await;
    let site = tempfile::tempdir().unwrap();
    let application = build(database.options.clone(), &site).await.unwrap();
    let address = application.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(application.run(async {
        let _ = stopped.await;
    }));
    // With a session, so that the server reads on for the body, which never comes.
    let page = get(&format!("http://{address}"), "/", None).await;
    let head = format!(
        "POST /api/sync HTTP/1.1\r\nhost: x\r\ncookie: {}\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n",
        cookie(&page).unwrap()
    );
    let mut request = TcpStream::connect(address).await.unwrap();
    request.write_all(head.as_bytes()).await.unwrap();
    get(&format!("http://{address}"), "/health", None).await;

    let told = Instant::now();
    stop.send(()).unwrap();
    server.await.unwrap();
    assert!(told.elapsed() < Duration::from_secs(8), "{:?}", told.elapsed());
}
