use super::*;

fn config(streams: &str) -> String {
    format!("config:\n  edition: 3\nstreams:\n{streams}")
}

fn refusals(streams: &str) -> Vec<String> {
    compile(&config(streams)).expect_err("refused").iter().map(ToString::to_string).collect()
}

#[test]
fn a_key_column_is_compared_with_all_its_values() {
    let text = config(
        "  list_todos:\n    query: >\n      SELECT * FROM todos\n      WHERE list_id = subscription.parameter('list_id')\n        \
         AND list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id())\n",
    );
    let streams = compile(&text).expect("compiles");
    assert_eq!(streams.sources[0].rows.keys, ["list_id"]);
    assert_eq!(streams.streams[0].variants[0].keys[0].len(), 2);
    assert_eq!(streams.lookups[0].rows.keys, ["owner_id"]);
    assert_eq!(streams.streams[0].priority, 3);
}

#[test]
fn streams_over_the_same_rows_share_their_buckets() {
    let text = config(
        "  a:\n    query: SELECT * FROM t WHERE x = auth.user_id()\n  b:\n    query: SELECT * FROM t WHERE x = subscription.parameter('x')\n",
    );
    let streams = compile(&text).expect("compiles");
    assert_eq!(streams.sources.len(), 1);
    assert_eq!(streams.sources[0].bucket, "a|0");
}

#[test]
fn or_makes_one_variant_per_alternative() {
    let text = config(
        "  l:\n    query: |\n      SELECT id, name AS title FROM lists WHERE archived = false AND (owner_id = auth.user_id()\n        \
         OR id IN (SELECT list_id FROM shares WHERE user_id = auth.user_id()))\n",
    );
    let streams = compile(&text).expect("compiles");
    let keys: Vec<_> = streams.sources.iter().map(|source| source.rows.keys.join(",")).collect();
    assert_eq!(keys, ["owner_id", "id"]);
    assert!(
        streams.sources.iter().all(|source| source.rows.filter == [("archived".to_owned(), "0".to_owned())])
    );
    assert_eq!(streams.sources[1].bucket, "l|1");
}

#[test]
fn a_refusal_names_stream_line_and_column() {
    let found = refusals(
        "  one:\n    query: SELECT * FROM a ORDER BY id\n  two:\n    query: |\n      SELECT *\n        FROM b\n       WHERE c > 5\n",
    );
    assert!(found[0].starts_with("stream \"one\", line 5, column 12: ORDER BY"), "{}", found[0]);
    assert!(
        found[1].starts_with("stream \"two\", line 10, column 14: `c > 5` is not supported"),
        "{}",
        found[1]
    );
}

#[test]
fn what_is_outside_the_subset_is_refused() {
    for sql in [
        "SELECT * FROM a JOIN b ON a.id = b.id",
        "SELECT count(*) FROM a",
        "SELECT name FROM a",
        "SELECT * FROM a WHERE x NOT IN (SELECT id FROM b)",
        "SELECT * FROM a WHERE x = auth.parameter(\"y\")",
        "SELECT * FROM a WHERE x = y",
        "SELECT * FROM a WHERE x = random()",
        "SELECT * FROM a WHERE x = NULL",
        "SELECT * FROM a WHERE x IN (SELECT * FROM b)",
        "SELECT * FROM a WHERE b.x = auth.user_id()",
        "SELECT * FROM a LIMIT 1",
        "SELECT * FROM a UNION SELECT * FROM b",
        "SELECT DISTINCT * FROM a",
        "SELECT * FROM a FOR UPDATE",
        "SELECT * FROM a, b",
        "SELECT * FROM a TABLESAMPLE BERNOULLI (10)",
        "DELETE FROM a",
        "SELECT * FROM",
        "SELECT * FROM a; SELECT * FROM b",
        "SELECT * FROM a WHERE x = auth.user_id() OVER ()",
    ] {
        let found = refusals(&format!("  s:\n    query: {}\n", serde_json::to_string(sql).expect("JSON")));
        assert!(found[0].starts_with("stream \"s\", line 5, column "), "{sql}: {}", found[0]);
    }
}

#[test]
fn yaml_that_is_not_a_sync_config_is_refused() {
    for text in [
        "",
        "[]",
        "streams: {}",
        "config: { edition: 4 }",
        "config: { edition: 3 }\nfoo: 1",
        "config: { edition: 3 }\nstreams: { a: { } }",
        "config: { edition: 3 }\nstreams: { a: { query: 'SELECT * FROM a', priority: 4 } }",
        "config: { edition: 3 }\nbucket_definitions: {}",
        "a: b: c",
    ] {
        assert!(compile(text).is_err(), "{text}");
    }
}
