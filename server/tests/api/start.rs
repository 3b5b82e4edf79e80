//! What happens before the first request, and after the last.

use std::time::{Duration, Instant};

use insta::assert_snapshot;
use sqlx::Executor;
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::oneshot};

use crate::{
    helpers::{TestDatabase, build, cookie, get, spawn_app},
    line::Line,
};

#[tokio::test]
async fn the_server_says_that_it_is_there() {
    let app = spawn_app().await;
    assert_snapshot!(get(&app.url, "/health", None).await.text().await.unwrap(), @"ok");
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
    server.await.unwrap().unwrap();
    assert!(told.elapsed() < Duration::from_secs(8), "{:?}", told.elapsed());
}
