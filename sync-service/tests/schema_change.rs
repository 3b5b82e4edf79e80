//! A change of a table's columns does not send its rows; an `UPDATE` that changes nothing does. That is what
//! `cargo realtime lint-migrations` counts on.

mod support;

use support::{Database, Service, TABLES, op_names};

#[tokio::test]
async fn rows_are_sent_with_a_new_column_once_they_are_updated() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One'), ('l2', 'ann', 'Two')").await;
    let service = Service::start_deployed(&database).await;
    let mut stream = service.stream("ann").await;
    stream.checkpoint().await;

    database.run("ALTER TABLE lists ADD color text NOT NULL DEFAULT 'red'").await;
    database.run("INSERT INTO lists VALUES ('l3', 'ann', 'Three')").await;
    let sent = stream.checkpoint().await;
    assert_eq!(op_names(&sent), ["PUT lists/l3"]);
    assert!(sent[1]["data"]["data"][0]["data"].as_str().unwrap().contains("red"), "{sent:?}");

    database.run("UPDATE lists SET id = id").await;
    let sent = stream.checkpoint().await;
    assert_eq!(op_names(&sent), ["PUT lists/l1", "PUT lists/l2"]);
    let rows =
        sent.iter().filter_map(|line| line.get("data")).flat_map(|data| data["data"].as_array().unwrap());
    for row in rows {
        assert!(row["data"].as_str().unwrap().ends_with(r#""color":"red"}"#), "{row}");
    }
    service.stop().await;
    database.drop().await;
}
