//! What an open stream is sent.

mod support;

use serde_json::json;
use support::{Database, SYNC_CONFIG, Service, TABLES, bucket_names, completed, op_names, resume};

#[tokio::test]
async fn a_first_checkpoint_has_the_official_shape() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'Groceries'), ('l2', 'bob', 'His'); INSERT INTO todos VALUES ('t1', 'l1', 'Milk', true)").await;
    let service = Service::start(&database).await;
    let slot = service
        .deploy(&SYNC_CONFIG.replace(
            "auto_subscribe: true\n    query: SELECT * FROM lists",
            "auto_subscribe: true\n    priority: 1\n    query: SELECT * FROM lists",
        ))
        .await;
    let version = slot.strip_prefix("powersync_").unwrap();
    let lines = service.stream("ann").await.checkpoint().await;
    let kinds: Vec<_> =
        lines.iter().map(|line| line.as_object().unwrap().keys().next().unwrap().as_str()).collect();
    assert_eq!(kinds, ["checkpoint", "data", "partial_checkpoint_complete", "data", "checkpoint_complete"]);
    let id = completed(&lines).to_string();
    let put = &lines[1]["data"]["data"][0];
    let checksum = put["checksum"].as_i64().unwrap();
    let bucket = format!("{version}#lists|0[\"ann\"]");
    assert_eq!(lines[0]["checkpoint"]["last_op_id"], id.as_str());
    assert_eq!(
        lines[0]["checkpoint"]["buckets"][0],
        json!({ "bucket": bucket, "checksum": checksum as u32 as i32, "count": 1, "priority": 1, "subscriptions": [{ "default": 0 }] })
    );
    assert_eq!(
        lines[0]["checkpoint"]["streams"],
        json!([{ "name": "lists", "is_default": true, "errors": [] }, { "name": "todos", "is_default": true, "errors": [] }])
    );
    let op_id = put["op_id"].as_str().unwrap();
    assert_eq!(
        lines[1],
        json!({ "data": { "bucket": bucket, "after": "0", "has_more": false, "next_after": op_id, "data": [{
            "op_id": op_id, "op": "PUT", "object_type": "lists", "object_id": "l1", "checksum": checksum,
            "data": "{\"id\":\"l1\",\"owner_id\":\"ann\",\"name\":\"Groceries\"}" }] } })
    );
    assert_eq!(lines[2], json!({ "partial_checkpoint_complete": { "last_op_id": id, "priority": 1 } }));
    assert_eq!(
        lines[3]["data"]["data"][0]["data"],
        "{\"id\":\"t1\",\"list_id\":\"l1\",\"title\":\"Milk\",\"done\":1}"
    );
    assert_eq!(bucket_names(&lines)[1], format!("{version}#todos|0[\"l1\"]"));
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn changes_arrive_live() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One'), ('l2', 'ann', 'Two')").await;
    let service = Service::start_deployed(&database).await;
    let mut stream = service.stream("ann").await;
    stream.checkpoint().await;
    database.run("INSERT INTO todos VALUES ('t1', 'l1', 'Milk'), ('t2', 'l1', 'Bread')").await;
    let lines = stream.checkpoint().await;
    assert_eq!(op_names(&lines), ["PUT todos/t1", "PUT todos/t2"]);
    assert_eq!(lines[0]["checkpoint_diff"]["removed_buckets"], json!([]));
    assert_eq!(lines[0]["checkpoint_diff"]["updated_buckets"][0]["count"], 2);
    database.run("UPDATE todos SET done = true WHERE id = 't1'").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT todos/t1"]);
    database.run("UPDATE todos SET list_id = 'l2' WHERE id = 't1'").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT todos/t1", "REMOVE todos/t1"]);
    database.run("UPDATE todos SET id = 't3' WHERE id = 't2'").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT todos/t3", "REMOVE todos/t2"]);
    database.run("DELETE FROM lists WHERE id = 'l2'").await;
    let lines = stream.checkpoint().await;
    assert_eq!(op_names(&lines), ["REMOVE lists/l2"]);
    assert_eq!(lines[0]["checkpoint_diff"]["removed_buckets"].as_array().unwrap().len(), 1);
    database.run("TRUNCATE lists, todos").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["REMOVE lists/l1"]);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_client_resumes_behind_its_last_checkpoint() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
    let service = Service::start_deployed(&database).await;
    let first = service.stream("ann").await.checkpoint().await;
    database.run("INSERT INTO lists VALUES ('l2', 'ann', 'Two')").await;
    let mut again = service.stream_of("ann", "client-1", resume(&first)).await;
    let mut lines = again.checkpoint().await;
    if op_names(&lines).is_empty() {
        lines = again.checkpoint().await;
    }
    assert_eq!(op_names(&lines), ["PUT lists/l2"]);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn an_unaffected_client_hears_nothing() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One'), ('l2', 'bob', 'Two')").await;
    let service = Service::start_deployed(&database).await;
    let (mut ann, mut bob) = (service.stream("ann").await, service.stream("bob").await);
    ann.checkpoint().await;
    bob.checkpoint().await;
    for i in 0..5 {
        database.run(&format!("INSERT INTO todos VALUES ('a{i}', 'l1', 'x')")).await;
        assert_eq!(op_names(&ann.checkpoint().await), [format!("PUT todos/a{i}")]);
    }
    database.run("UPDATE lists SET name = 'Zwei' WHERE id = 'l2'").await;
    // Lines come in order, so the first that bob gets would be one about ann if there were any.
    let lines = bob.checkpoint().await;
    assert_eq!(op_names(&lines), ["PUT lists/l2"]);
    assert_eq!(lines.len(), 3);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn an_update_that_changes_nothing_sends_nothing() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One')").await;
    let service = Service::start_deployed(&database).await;
    let mut ann = service.stream("ann").await;
    ann.checkpoint().await;
    database.run("UPDATE lists SET name = name").await;
    database.run("INSERT INTO lists VALUES ('l2', 'ann', 'Two')").await;
    assert_eq!(op_names(&ann.checkpoint().await), ["PUT lists/l2"]);
    service.stop().await;
    database.drop().await;
}

const SHARES: &str = "
CREATE TABLE lists (id text PRIMARY KEY, owner_id text NOT NULL, name text NOT NULL);
CREATE TABLE shares (list_id text, user_id text, PRIMARY KEY (list_id, user_id));
CREATE TABLE todos (id text PRIMARY KEY, list_id text NOT NULL);
CREATE PUBLICATION powersync FOR TABLE lists, shares, todos;
";

const SHARED_LISTS: &str = "config: { edition: 3 }
streams:
  lists:
    auto_subscribe: true
    query: SELECT * FROM lists WHERE owner_id = auth.user_id() OR id IN (SELECT list_id FROM shares WHERE user_id = auth.user_id())
  todos:
    auto_subscribe: true
    query: |
      SELECT * FROM todos WHERE list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id()
        OR id IN (SELECT list_id FROM shares WHERE user_id = auth.user_id()))
";

#[tokio::test]
async fn a_membership_change_comes_in_one_checkpoint_with_the_rows() {
    let database = Database::new(SHARES).await;
    database
        .run("INSERT INTO lists VALUES ('l1', 'ann', 'One'); INSERT INTO todos VALUES ('t1', 'l1')")
        .await;
    let service = Service::start(&database).await;
    service.deploy(SHARED_LISTS).await;
    let mut bob = service.stream("bob").await;
    assert!(op_names(&bob.checkpoint().await).is_empty());
    database
        .run("BEGIN; INSERT INTO shares VALUES ('l1', 'bob'); INSERT INTO todos VALUES ('t2', 'l1'); COMMIT")
        .await;
    assert_eq!(op_names(&bob.checkpoint().await), ["PUT lists/l1", "PUT todos/t1", "PUT todos/t2"]);
    database.run("INSERT INTO todos VALUES ('t3', 'l1')").await;
    assert_eq!(op_names(&bob.checkpoint().await), ["PUT todos/t3"]);
    database.run("DELETE FROM shares").await;
    let lines = bob.checkpoint().await;
    assert_eq!(lines[0]["checkpoint_diff"]["removed_buckets"].as_array().unwrap().len(), 2);
    assert_eq!(lines[0]["checkpoint_diff"]["updated_buckets"], json!([]));
    // A share that comes back brings the rows back: the client has dropped them with the bucket.
    database.run("INSERT INTO shares VALUES ('l1', 'bob')").await;
    let lines = bob.checkpoint().await;
    assert_eq!(op_names(&lines), ["PUT lists/l1", "PUT todos/t1", "PUT todos/t2", "PUT todos/t3"]);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn what_is_on_a_list_is_one_bucket_and_a_user_may_be_on_as_many_lists_as_buckets() {
    let tables = "
        CREATE TABLE lists (id text PRIMARY KEY);
        CREATE TABLE todos (id text PRIMARY KEY, list_id text NOT NULL);
        CREATE TABLE members (id text PRIMARY KEY, list_id text NOT NULL, user_id text NOT NULL);
        CREATE PUBLICATION powersync FOR TABLE lists, todos, members;";
    let config = "config: { edition: 3 }
streams:
  lists:
    auto_subscribe: true
    queries:
      - SELECT * FROM lists WHERE id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())
      - SELECT * FROM todos WHERE list_id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())
      - SELECT * FROM members WHERE list_id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())
";
    let database = Database::new(tables).await;
    database
        .run(
            "INSERT INTO lists SELECT 'l' || n FROM generate_series(1, 1000) n;
             INSERT INTO todos SELECT 't' || n, 'l' || n FROM generate_series(1, 1000) n;
             INSERT INTO members SELECT 'ann' || n, 'l' || n, 'ann' FROM generate_series(1, 1000) n;
             INSERT INTO members VALUES ('bob', 'l1', 'bob')",
        )
        .await;
    let service = Service::start(&database).await;
    service.deploy(config).await;
    let lines = service.stream("ann").await.checkpoint().await;
    assert_eq!((bucket_names(&lines).len(), op_names(&lines).len()), (1000, 3001));

    let mut bob = service.stream("bob").await;
    let first = bob.checkpoint().await;
    assert_eq!(bucket_names(&first).len(), 1);
    assert_eq!(op_names(&first), ["PUT lists/l1", "PUT members/ann1", "PUT members/bob", "PUT todos/t1"]);
    // The same id in two tables is two rows.
    database.run("INSERT INTO todos VALUES ('l1', 'l1'); DELETE FROM members WHERE id = 'ann1'").await;
    assert_eq!(op_names(&bob.checkpoint().await), ["PUT todos/l1", "REMOVE members/ann1"]);
    database.run("UPDATE todos SET list_id = 'l2' WHERE id = 'l1'").await;
    assert_eq!(op_names(&bob.checkpoint().await), ["REMOVE todos/l1"]);
    let resumed = service.stream_of("bob", "client-1", resume(&first)).await.checkpoint().await;
    assert_eq!(op_names(&resumed), ["PUT todos/l1", "REMOVE members/ann1", "REMOVE todos/l1"]);
    database.run("DELETE FROM members WHERE id = 'bob'").await;
    let lines = bob.checkpoint().await;
    assert_eq!(lines[0]["checkpoint_diff"]["removed_buckets"].as_array().unwrap().len(), 1);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn subscriptions_have_parameters() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists VALUES ('l1', 'ann', 'One'), ('l2', 'bob', 'Two'); INSERT INTO todos VALUES ('t1', 'l1', 'x'), ('t2', 'l2', 'x')").await;
    let service = Service::start(&database).await;
    service
        .deploy(
            "config: { edition: 3 }
streams:
  list_todos:
    query: >
      SELECT id, title AS name FROM todos AS tasks WHERE list_id = subscription.parameter('list_id')
        AND list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id())
  lists:
    auto_subscribe: true
    query: SELECT * FROM lists WHERE owner_id = auth.user_id()
",
        )
        .await;
    let subscription = |list: &str| json!({ "stream": "list_todos", "parameters": { "list_id": list }, "override_priority": null });
    let body = json!({ "streams": { "include_defaults": false, "subscriptions": [
        subscription("l2"), { "stream": "unknown", "parameters": null }, subscription("l1") ] } });
    let lines = service.open("ann", body).await.checkpoint().await;
    assert_eq!(
        lines[0]["checkpoint"]["streams"],
        json!([{ "name": "list_todos", "is_default": false, "errors": [] }])
    );
    let buckets = lines[0]["checkpoint"]["buckets"].as_array().unwrap();
    assert_eq!(buckets.len(), 1, "none of bob's list");
    assert_eq!(buckets[0]["subscriptions"], json!([{ "sub": 2 }]));
    // Without raw_data the row is an object.
    assert_eq!(lines[1]["data"]["data"][0]["data"], json!({ "id": "t1", "name": "x" }));
    assert_eq!(lines[1]["data"]["data"][0]["object_type"], "tasks");
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn many_rows_come_in_bounded_batches() {
    let database = Database::new(TABLES).await;
    database
        .run("INSERT INTO lists SELECT 'l' || i, 'ann', repeat('x', 100) FROM generate_series(1, 2500) i")
        .await;
    database
        .run("INSERT INTO lists SELECT 'm' || i, 'ann', repeat('y', 300000) FROM generate_series(1, 10) i")
        .await;
    let service = Service::start(&database).await;
    service.deploy("config: { edition: 3 }\nstreams: { lists: { auto_subscribe: true, query: SELECT * FROM lists WHERE owner_id = auth.user_id() } }").await;
    let lines = service.stream("ann").await.checkpoint().await;
    let data: Vec<_> = lines.iter().filter_map(|line| line.get("data")).collect();
    assert!(data.iter().all(|data| data["data"].as_array().unwrap().len() <= 1000));
    assert!(data.iter().all(|data| data.to_string().len() < 1_500_000));
    assert_eq!(op_names(&lines).iter().filter(|op| op.starts_with("PUT lists/")).count(), 2510);
    for pair in data.windows(2).filter(|pair| pair[0]["bucket"] == pair[1]["bucket"]) {
        assert_eq!(pair[0]["has_more"], true);
        assert_eq!(pair[0]["next_after"], pair[1]["after"]);
    }
    assert_eq!(data.last().unwrap()["has_more"], false);
    let sum: i64 = data
        .iter()
        .flat_map(|d| d["data"].as_array().unwrap())
        .map(|op| op["checksum"].as_i64().unwrap())
        .sum();
    let sent = &lines[0]["checkpoint"]["buckets"].as_array().unwrap()[0];
    assert_eq!(sent["checksum"], (sum & 0xffff_ffff) as u32 as i32);
    assert_eq!(sent["count"], 2510);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_up_nobody() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let mut quick = service.stream("ann").await;
    quick.checkpoint().await;
    database
        .run("INSERT INTO lists SELECT 'm' || i, 'ann', repeat('y', 300000) FROM generate_series(1, 60) i")
        .await;
    let slow = service.stream_of("ann", "slow", json!([])).await;
    assert_eq!(op_names(&quick.checkpoint().await).len(), 60);
    for i in 0..20 {
        database.run(&format!("INSERT INTO lists VALUES ('l{i}', 'ann', 'x')")).await;
        assert_eq!(op_names(&quick.checkpoint().await), [format!("PUT lists/l{i}")]);
    }
    let mut slow = slow;
    let mut seen = 0;
    while seen < 80 {
        seen += op_names(&slow.checkpoint().await).len();
    }
    assert_eq!(seen, 80);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_writer_without_rights_on_the_schema_is_noted() {
    let database = Database::new(TABLES).await;
    let role = format!("app_{}", chrono::Utc::now().timestamp_nanos_opt().unwrap());
    database
        .run(&format!(
            "CREATE ROLE {role}; GRANT ALL ON lists, todos TO {role}; GRANT {role} TO CURRENT_USER"
        ))
        .await;
    let service = Service::start_deployed(&database).await;
    let mut stream = service.stream("ann").await;
    stream.checkpoint().await;
    let mut transaction = database.pool.begin().await.unwrap();
    sqlx::query(&format!("SET LOCAL ROLE {role}")).execute(&mut *transaction).await.unwrap();
    sqlx::query("SET LOCAL search_path = ''").execute(&mut *transaction).await.unwrap();
    sqlx::query("INSERT INTO public.lists VALUES ('l1', 'ann', 'x')")
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT lists/l1"]);
    service.stop().await;
    database.run(&format!("REVOKE ALL ON lists, todos FROM {role}; DROP ROLE {role}")).await;
    database.drop().await;
}

#[tokio::test]
async fn changed_tables_are_picked_up() {
    let database = Database::new(TABLES).await;
    database.run("CREATE TABLE notes (id text PRIMARY KEY, owner_id text); INSERT INTO lists VALUES ('l1', 'ann', 'One'); INSERT INTO notes VALUES ('n1', 'ann')").await;
    let service = Service::start(&database).await;
    service.deploy(&format!("{SYNC_CONFIG}  notes:\n    auto_subscribe: true\n    query: SELECT * FROM notes WHERE owner_id = auth.user_id()\n")).await;
    let mut stream = service.stream("ann").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT lists/l1"]);
    database.run("ALTER PUBLICATION powersync ADD TABLE notes").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT notes/n1"]);
    database.run("INSERT INTO notes VALUES ('n2', 'ann')").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["PUT notes/n2"]);
    database.run("ALTER TABLE lists ADD COLUMN color text DEFAULT 'red'").await;
    database.run("ALTER TABLE lists DROP COLUMN name; UPDATE lists SET color = 'blue'").await;
    let lines = stream.checkpoint().await;
    assert_eq!(
        lines[1]["data"]["data"][0]["data"],
        "{\"id\":\"l1\",\"owner_id\":\"ann\",\"color\":\"blue\"}"
    );
    database.run("ALTER PUBLICATION powersync DROP TABLE notes").await;
    assert_eq!(op_names(&stream.checkpoint().await), ["REMOVE notes/n1", "REMOVE notes/n2"]);
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_stream_ends_when_another_config_becomes_active_and_when_the_service_stops() {
    let database = Database::new(TABLES).await;
    let service = Service::start_deployed(&database).await;
    let mut stream = service.stream("ann").await;
    let first = stream.checkpoint().await;
    service.deploy(SYNC_CONFIG).await;
    stream.ends().await;
    let mut stream = service.stream_of("ann", "client-1", resume(&first)).await;
    let second = stream.checkpoint().await;
    assert!(bucket_names(&second).iter().all(|name| !bucket_names(&first).contains(name)));
    service.stop().await;
    stream.ends().await;
    database.drop().await;
}

const SHAPES: &str = "
CREATE TABLE shapes (key int PRIMARY KEY, name text, n int, r float8, flag boolean, doc text);
CREATE PUBLICATION powersync FOR TABLE shapes;
INSERT INTO shapes VALUES (1, '5', 5, 5.0, true, '{\"a\": {\"b\": 7}}'), (2, 'x', NULL, 1.5, false, 'not JSON'), (3, NULL, 6, NULL, NULL, NULL);
";

#[tokio::test]
async fn values_are_compared_with_their_types() {
    let database = Database::new(SHAPES).await;
    let service = Service::start(&database).await;
    let cases = [
        ("name = subscription.parameter('p')", json!("5"), vec!["1"]),
        ("name = subscription.parameter('p')", json!(5), vec![]),
        ("n = subscription.parameter('p')", json!(5), vec!["1"]),
        ("n = subscription.parameter('p')", json!(5.0), vec!["1"]),
        ("n = subscription.parameter('p')", json!("5"), vec![]),
        ("n = subscription.parameter('p')", json!(null), vec![]),
        ("CAST(n AS text) = subscription.parameter('p')", json!("5"), vec!["1"]),
        ("r = subscription.parameter('p')", json!(5), vec!["1"]),
        ("r = subscription.parameter('p')", json!(1.5), vec!["2"]),
        ("flag = subscription.parameter('p')", json!(true), vec!["1"]),
        ("flag = subscription.parameter('p')", json!(0), vec!["2"]),
        ("n IN subscription.parameter('p')", json!([6, "5", null]), vec!["3"]),
        ("n IN subscription.parameter('p')", json!("[5, 6]"), vec!["1", "3"]),
        ("n IN subscription.parameter('p')", json!("no JSON"), vec![]),
        ("doc ->> '$.a.b' = subscription.parameter('p')", json!(7), vec!["1"]),
        ("doc -> 'a' = subscription.parameter('p')", json!({ "b": 7 }), vec!["1"]),
        ("name <> '5' AND subscription.parameter('p')", json!("1st"), vec!["2", "3"]),
        ("subscription.parameter('p') ->> 1 = 'b'", json!(["a", "b"]), vec!["1", "2", "3"]),
        (
            "n IN (SELECT value ->> 'n' FROM json_each(subscription.parameter('p')) WHERE value ->> 'f')",
            json!([{ "n": 5, "f": true }, { "n": 6, "f": false }]),
            vec!["1"],
        ),
        (
            "n IN (SELECT value ->> 'n' FROM json_each(subscription.parameter('p')))",
            json!([{ "n": 5 }, "no JSON"]),
            vec![],
        ),
        // A row whose document is not JSON is not there.
        ("NOT (doc ->> 'x' = 1) AND subscription.parameter('p') = 1", json!(1), vec!["1", "3"]),
    ];
    let stream = |(i, (condition, ..)): (usize, &(&str, _, _))| {
        format!("  s{i}:\n    query: SELECT CAST(key AS text) AS id FROM shapes WHERE {condition}\n")
    };
    let streams: String = cases.iter().enumerate().map(stream).collect();
    service.deploy(&format!("config: {{ edition: 3 }}\nstreams:\n{streams}")).await;
    for (i, (condition, parameter, expected)) in cases.iter().enumerate() {
        let subscription = json!({ "stream": format!("s{i}"), "parameters": { "p": parameter } });
        let body = json!({ "streams": { "include_defaults": false, "subscriptions": [subscription] } });
        let found = op_names(&service.open("ann", body).await.checkpoint().await);
        let expected: Vec<_> = expected.iter().map(|id| format!("PUT shapes/{id}")).collect();
        assert_eq!(found, expected, "{condition} with {parameter}");
    }
    service.stop().await;
    database.drop().await;
}

#[tokio::test]
async fn a_connection_has_a_limit() {
    let database = Database::new(TABLES).await;
    database.run("INSERT INTO lists SELECT 'l' || i, 'ann', 'x' FROM generate_series(1, 1001) i").await;
    let service = Service::start_deployed(&database).await;
    let refused = async |body: serde_json::Value| {
        let response = service.post_stream(&support::token("ann"), body).await;
        assert_eq!(response.status(), 500);
        let error = response.json::<serde_json::Value>().await.unwrap()["error"].take();
        assert_eq!(error["code"], "PSYNC_S2305");
        error["description"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        refused(json!({})).await,
        "Too many parameter query results (limit of 1000)\nResults by stream:\n  todos: 1001"
    );
    let drained = async || {
        let left = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM sync_service.queue");
        left.fetch_one(&database.pool).await.unwrap() == 0
    };
    database.run("DELETE FROM lists WHERE id = 'l1'").await;
    support::eventually("the deletion is published", drained).await;
    assert_eq!(
        refused(json!({})).await,
        "Too many buckets: 1001 (limit of 1000)\nBuckets by stream:\n  todos: 1000\n  lists: 1"
    );
    database.run("DELETE FROM lists WHERE id = 'l2'").await;
    support::eventually("the deletion is published", drained).await;
    assert_eq!(bucket_names(&service.stream("ann").await.checkpoint().await).len(), 1000);
    service.stop().await;
    database.drop().await;
}
