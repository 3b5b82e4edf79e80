use super::*;

fn config(streams: &str) -> String {
    format!("config:\n  edition: 3\nstreams:\n{streams}")
}

fn compiled(sql: &str) -> Streams {
    let quoted = serde_json::to_string(sql).expect("JSON");
    compile(&config(&format!("  s:\n    query: {quoted}\n")))
        .unwrap_or_else(|found| panic!("{sql}: {found:?}"))
}

fn refusals(streams: &str) -> Vec<String> {
    compile(&config(streams)).expect_err("refused").iter().map(ToString::to_string).collect()
}

/// The variants in a form that can be read at a glance.
fn halves(streams: &Streams) -> Vec<String> {
    let variants = streams.streams.iter().flat_map(|stream| &stream.variants);
    let variants = variants.flat_map(|variant| variant.sources.iter().map(move |source| (variant, source)));
    let text = |(variant, source): (&Variant, &usize)| {
        let source = &streams.sources[*source];
        let keys: Vec<_> = source.rows.keys.iter().map(expr).collect();
        let steps = variant.steps.iter().map(|step| match step {
            Step::Elements { array, outputs, .. } => {
                let outputs: Vec<_> = outputs.iter().map(expr).collect();
                format!("elements of {} -> {}", request(array), outputs.join(","))
            }
            Step::Lookup { lookup, inputs } => {
                let lookup = &streams.lookups[*lookup];
                let by: Vec<_> = lookup.rows.keys.iter().map(expr).collect();
                let outputs: Vec<_> = lookup.outputs.iter().map(expr).collect();
                format!(
                    "{}({})={} -> {}",
                    lookup.table.name,
                    by.join(","),
                    operands(inputs),
                    outputs.join(",")
                )
            }
        });
        let steps: Vec<_> = steps.collect();
        format!(
            "{}({})={} <- [{}]",
            source.table.name,
            keys.join(","),
            operands(&variant.keys),
            steps.join("; ")
        )
    };
    variants.map(text).collect()
}

fn expr(expr: &RowExpr) -> String {
    match expr {
        Expr::Input(name) => name.clone(),
        other => format!("{other:?}"),
    }
}

fn request(expr: &RequestExpr) -> String {
    match expr {
        Expr::Json { document, path, .. } => format!("{document:?}.{}", path.join(".")).replace("Input", ""),
        other => format!("{other:?}"),
    }
}

fn operands(keys: &[Vec<Operand>]) -> String {
    let one = |operand: &Operand| match operand {
        Operand::Request(expr) => request(expr),
        Operand::Output { step, output } => format!("{step}.{output}"),
    };
    let keys: Vec<_> = keys.iter().map(|all| all.iter().map(one).collect::<Vec<_>>().join("&")).collect();
    format!("({})", keys.join(","))
}

#[test]
fn a_key_is_compared_with_all_its_values() {
    let streams = compiled(
        "SELECT * FROM todos WHERE list_id = subscription.parameter('list_id')
         AND list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id())",
    );
    assert_eq!(
        halves(&streams),
        ["todos(list_id)=((Subscription).list_id&0.0) <- [lists(owner_id)=((Auth).sub) -> id]"]
    );
    assert_eq!(streams.streams[0].priority, 3);
}

#[test]
fn joins_and_subqueries_are_the_same() {
    let expected = ["todos(list_id)=(1.0) <- [users(name)=((Auth).n) -> id; lists(owner_id)=(0.0) -> id]"];
    for sql in [
        "SELECT * FROM todos WHERE list_id IN (SELECT id FROM lists WHERE owner_id IN (SELECT id FROM users WHERE name = auth.parameter('n')))",
        "SELECT todos.* FROM todos JOIN lists ON lists.id = todos.list_id INNER JOIN users u ON u.id = lists.owner_id WHERE u.name = auth.parameter('n')",
        "SELECT t.* FROM todos AS t, lists, users WHERE t.list_id = lists.id AND users.id = lists.owner_id AND auth.parameters() ->> 'n' = users.name",
        "SELECT x.* FROM todos x JOIN (SELECT l.id AS list FROM lists l JOIN users u ON u.id = l.owner_id WHERE u.name = auth.parameters() ->> '$.n') AS y ON y.list = x.list_id",
    ] {
        assert_eq!(halves(&compiled(sql)), expected, "{sql}");
    }
}

#[test]
fn two_columns_of_one_row_stay_together() {
    let sql = "SELECT p.* FROM products p, stores s WHERE s.name = p.store AND s.region = p.region AND s.id = subscription.parameter('s')";
    let streams = compiled(sql);
    assert_eq!(
        halves(&streams),
        ["products(store,region)=(0.0,0.1) <- [stores(id)=((Subscription).s) -> name,region]"]
    );
}

#[test]
fn what_exists_is_looked_up_without_a_result() {
    assert_eq!(
        halves(&compiled("SELECT * FROM posts WHERE auth.user_id() IN (SELECT id FROM admins WHERE active)")),
        ["posts()=() <- [admins(id)=((Auth).sub) -> ]"]
    );
    assert_eq!(
        halves(&compiled(
            "SELECT * FROM posts WHERE id IN auth.parameter('posts') AND auth.parameter('role') = 'a'"
        )),
        ["posts(id)=(0.0) <- [elements of (Auth).posts -> value]"]
    );
}

#[test]
fn arrays_of_the_request_are_read_like_tables() {
    let text = "config: { edition: 3 }
streams:
  s:
    with: { mine: \"SELECT value ->> 'id' AS id FROM json_each(auth.parameter('spaces')) WHERE value ->> 'role' = 'user'\" }
    queries:
      - SELECT * FROM notes WHERE space IN mine
      - SELECT n.* FROM notes AS \"n\" JOIN mine WHERE n.space = mine.id
      - SELECT t.* FROM t JOIN json_each(subscription.parameter('m')) AS m ON m.key = t.k AND m.value = t.v
";
    let streams = compile(text).expect("compiles");
    assert_eq!(streams.lookups, []);
    let [one, three] = streams.streams[0].variants.as_slice() else { panic!("{:?}", halves(&streams)) };
    assert!(
        matches!(&one.steps[..], [Step::Elements { filter, outputs, .. }] if filter.len() == 1 && outputs.len() == 1)
    );
    assert!(matches!(&three.steps[..], [Step::Elements { outputs, .. }] if outputs.len() == 2));
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

/// The buckets of the sources, with their tables.
fn buckets(streams: &Streams) -> Vec<String> {
    streams.sources.iter().map(|source| format!("{} {}", source.bucket, source.object_type)).collect()
}

#[test]
fn queries_of_one_stream_that_ask_the_same_of_a_request_share_their_buckets() {
    let text = config(
        "  s:
    queries:
      - SELECT * FROM lists WHERE id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())
      - SELECT todos.* FROM todos JOIN members ON members.list_id = todos.list_id WHERE members.user_id = auth.user_id()
      - SELECT * FROM members WHERE list_id IN (SELECT list_id FROM members WHERE user_id = auth.user_id())
      - SELECT * FROM notes WHERE owner_id = auth.user_id()
",
    );
    let streams = compile(&text).expect("compiles");
    assert_eq!(buckets(&streams), ["s|0 lists", "s|0 todos", "s|0 members", "s|1 notes"]);
    let [shared, notes] = streams.streams[0].variants.as_slice() else { panic!("{:?}", halves(&streams)) };
    assert_eq!((&shared.sources[..], &notes.sources[..]), (&[0, 1, 2][..], &[3][..]));
}

#[test]
fn a_bucket_is_nobodys_who_is_to_have_only_a_part_of_its_rows() {
    let text = config(
        "  both:
    queries: [SELECT * FROM lists WHERE owner = auth.user_id(), SELECT * FROM todos WHERE owner = auth.user_id()]
  one:
    query: SELECT * FROM todos WHERE owner = auth.user_id()
  the_same:
    queries: [SELECT * FROM todos WHERE owner = auth.user_id(), SELECT * FROM lists WHERE owner = auth.user_id()]
  more:
    queries:
      - SELECT * FROM lists WHERE owner = auth.user_id() AND auth.parameter('a') = 1
      - SELECT * FROM todos WHERE owner = auth.user_id()
",
    );
    let streams = compile(&text).expect("compiles");
    assert_eq!(
        buckets(&streams),
        ["both|0 lists", "both|0 todos", "one|0 todos", "more|0 lists"],
        "`the_same` has the buckets of `both`, and `more` the todos of `one`"
    );
    let sources: Vec<_> =
        streams.streams.iter().flat_map(|stream| &stream.variants).map(|v| &v.sources[..]).collect();
    assert_eq!(sources, [&[0, 1][..], &[2], &[0, 1], &[3], &[2]]);
}

#[test]
fn queries_that_may_select_the_same_row_have_buckets_of_their_own() {
    let text = config(
        "  s:
    queries:
      - SELECT * FROM ledger WHERE owner = auth.user_id() AND side = 'a'
      - SELECT * FROM ledger WHERE owner = auth.user_id() AND side = 'b'
      - SELECT * FROM notes WHERE owner = auth.user_id()
      - SELECT * FROM notes WHERE owner = auth.user_id()
",
    );
    let streams = compile(&text).expect("compiles");
    assert_eq!(buckets(&streams), ["s|0 ledger", "s|0 notes", "s|1 ledger"]);
}

#[test]
fn or_makes_one_variant_per_alternative() {
    let streams = compiled(
        "SELECT id, name AS title FROM lists WHERE archived = false AND (owner_id = auth.user_id()
         OR id IN (SELECT list_id FROM shares WHERE user_id = auth.user_id()))",
    );
    assert_eq!(
        halves(&streams),
        [
            "lists(owner_id)=((Auth).sub) <- []",
            "lists(id)=(0.0) <- [shares(user_id)=((Auth).sub) -> list_id]"
        ]
    );
    assert!(streams.sources.iter().all(|source| source.rows.filter.len() == 1));
    assert_eq!(streams.sources[1].bucket, "s|1");
    // What looks at one row alone is one condition, whatever it is made of.
    let one = compiled("SELECT * FROM t WHERE (a = 1 OR NOT (b > 2 AND c IS NULL)) AND o = auth.user_id()");
    assert_eq!(halves(&one).len(), 1);
}

#[test]
fn common_table_expressions_stand_for_their_text() {
    let text = "config: { edition: 3 }
with:
  mine: SELECT id FROM lists WHERE owner_id = auth.user_id()
  unused: SELECT id FROM a
streams:
  a: { query: SELECT * FROM todos WHERE list_id IN mine }
  b: { query: SELECT * FROM todos WHERE list_id IN (SELECT id FROM mine) }
  c: { query: SELECT todos.* FROM todos JOIN mine ON mine.id = todos.list_id }
  d:
    with: { mine: SELECT list_id FROM shares WHERE user_id = auth.user_id() }
    queries:
      - SELECT * FROM todos WHERE list_id IN mine
  e:
    with: { own: 'SELECT id, name FROM lists WHERE owner_id = auth.user_id()' }
    query: SELECT * FROM own
";
    let streams = compile(text).expect("compiles");
    let own = "todos(list_id)=(0.0) <- [lists(owner_id)=((Auth).sub) -> id]";
    let shared = "todos(list_id)=(0.0) <- [shares(user_id)=((Auth).sub) -> list_id]";
    assert_eq!(halves(&streams), [own, own, own, shared, "lists(owner_id)=((Auth).sub) <- []"]);
    assert_eq!((streams.sources.len(), streams.lookups.len()), (2, 2));
    assert_eq!(streams.sources[1].object_type, "lists");
    let warnings: Vec<_> = streams.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["line 4, column 11: the common table expression `unused` is not used"]);
    let nested = text.replace("SELECT id FROM a", "SELECT id FROM mine");
    let warnings: Vec<_> =
        compile(&nested).expect("compiles").warnings.iter().map(ToString::to_string).collect();
    assert!(warnings[0].starts_with("line 4, column 26: `mine` is a table here"), "{warnings:?}");
}

#[test]
fn who_decides_by_parameters_of_the_client_is_warned() {
    for (sql, warned) in [
        ("SELECT * FROM users WHERE user_id = auth.user_id()", false),
        ("SELECT * FROM n WHERE o = auth.parameter('o') AND p = subscription.parameter('p')", false),
        ("SELECT * FROM users", false),
        ("SELECT * FROM projects WHERE is_public OR owner = auth.user_id()", false),
        ("SELECT * FROM projects WHERE id = subscription.parameter('p')", true),
        ("SELECT * FROM projects WHERE id IN connection.parameter('p')", true),
        (
            "SELECT * FROM projects WHERE id = subscription.parameter('p') AND auth.parameter('role') = 'a'",
            true,
        ),
        ("SELECT * FROM categories WHERE connection.parameter('include_categories')", true),
        ("SELECT * FROM projects WHERE id = subscription.parameter('id') OR owner = auth.user_id()", true),
        ("SELECT * FROM t WHERE a IN (SELECT b FROM c WHERE d = subscription.parameter('x'))", true),
        ("SELECT t.* FROM tasks AS t JOIN c ON c.id = t.c WHERE c.o = auth.user_id()", true),
        ("SELECT t.* FROM tasks AS \"t\" JOIN c ON c.id = t.c WHERE c.o = auth.user_id()", false),
    ] {
        let found = compiled(sql).warnings;
        assert_eq!(!found.is_empty(), warned, "{sql}: {found:?}");
        assert!(found.iter().all(|warning| warning.line == 5 && warning.column > 12), "{sql}: {found:?}");
        let text = format!("  s:\n    accept_potentially_dangerous_queries: true\n    query: {sql:?}\n");
        assert_eq!(compile(&config(&text)).expect("compiles").warnings, []);
    }
}

#[test]
fn a_refusal_names_stream_line_and_column() {
    let found = refusals(
        "  one:\n    query: SELECT * FROM a ORDER BY id\n  two:\n    query: |\n      SELECT *\n        FROM b\n       WHERE c + 1 > 5\n  \
         three:\n    with:\n      x: SELECT a FROM b WHERE c LIKE 'd'\n    query: SELECT * FROM b\n",
    );
    assert!(found[0].starts_with("stream \"one\", line 5, column 12: ORDER BY"), "{}", found[0]);
    assert!(
        found[1].starts_with("stream \"two\", line 10, column 14: `c + 1` is not supported"),
        "{}",
        found[1]
    );
    assert!(
        found[2].starts_with("stream \"three\", line 13, column 32: `c LIKE 'd'` is not"),
        "{}",
        found[2]
    );
}

#[test]
fn a_place_is_found_however_yaml_writes_the_query() {
    for scalar in [
        "SELECT * FROM users WHERE something is broken",
        "'SELECT * FROM users WHERE something is broken'",
        "'SELECT * FROM users WHERE t = ''x'' AND something is broken'",
        "\"SELECT * FROM users WHERE something is broken\"",
        "\"SELECT * FROM users\\nWHERE\\tsomething is broken\"",
        "\"SELECT * FROM \\x75sers WHERE \\u0073omething\\x20is broken\"",
        "\"SELECT * FROM \\\"users\\\"\n        WHERE something is broken\"",
        "\"SELECT * FROM users \\\n        WHERE something is broken\"",
        "SELECT * FROM users\n\n        WHERE something is broken",
        "|\n      SELECT * FROM users\n      WHERE something is broken",
        ">-\n\n      SELECT * FROM users\n        WHERE something\n      is broken",
    ] {
        let text = config(&format!("  s:\n    query: {scalar}\n"));
        let refusal = compile(&text).expect_err("refused").remove(0);
        let line = text.lines().nth(refusal.line - 1).expect("a line");
        let there: String = line.chars().skip(refusal.column - 1).collect();
        assert!(there.starts_with("broken"), "{scalar}: {there}: {refusal}");
    }
}

/// Each with a part of the reason.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("SELECT count(*) AS id FROM a", "function `count`"),
    ("SELECT name FROM a", "needs a column `id`"),
    ("SELECT id, lower(name) AS n FROM a", "function `lower`"),
    ("SELECT id, a || b AS n FROM a", "`a || b`"),
    ("SELECT id, name::text FROM a", "has no name"),
    ("SELECT id, auth.user_id() AS u FROM a", "cannot be synced"),
    ("SELECT a.id, b.x FROM a JOIN b ON a.id = b.id", "columns of one table"),
    ("SELECT * FROM a JOIN b ON a.id = b.id", "ambiguous"),
    ("SELECT a.* FROM a JOIN b ON id = b.a_id", "several tables"),
    ("SELECT a.* FROM a LEFT JOIN b ON a.id = b.a_id", "INNER JOIN"),
    ("SELECT a.* FROM a JOIN b USING (id)", "USING"),
    ("SELECT a.* FROM a, b", "rows of `b`"),
    ("SELECT a.* FROM a, b WHERE a.id = b.id OR a.x = 1", "rows of `b`"),
    ("SELECT * FROM a WHERE x NOT IN (SELECT id FROM b)", "NOT IN"),
    ("SELECT * FROM a WHERE NOT (x IN (SELECT id FROM b))", "NOT IN"),
    ("SELECT * FROM a WHERE x <> auth.user_id()", "cannot be compared by <>"),
    ("SELECT * FROM a WHERE x > subscription.parameter('y')", "by = and IN only"),
    ("SELECT * FROM a WHERE x NOT IN subscription.parameter('y')", "NOT IN"),
    ("SELECT * FROM a WHERE x IN ('b', 'c')", "IN ARRAY["),
    ("SELECT * FROM a WHERE x IN 'b'", "not an array"),
    ("SELECT * FROM a WHERE auth.user_id() IN members", "arrays in rows"),
    ("SELECT * FROM a WHERE auth.user_id() IN auth.parameter('x')", "cannot be asked"),
    ("SELECT * FROM a WHERE x IN ARRAY['b', auth.user_id()]", "one origin"),
    ("SELECT * FROM a WHERE x = auth.parameter(\"y\")", "not supported"),
    ("SELECT * FROM a WHERE x = auth.parameters()", "not one value"),
    ("SELECT * FROM a WHERE x = subscription.user_id()", "not supported"),
    ("SELECT * FROM a WHERE x = request.user_id()", "not supported"),
    ("SELECT * FROM a WHERE x = random()", "function `random`"),
    ("SELECT * FROM a WHERE x = NULL", "IS NULL"),
    ("SELECT * FROM a WHERE x = $1", "no parameters"),
    ("SELECT * FROM a WHERE x = 1 + 1", "`1 + 1`"),
    ("SELECT * FROM a WHERE x LIKE 'b%'", "LIKE"),
    ("SELECT * FROM a WHERE x::varchar = 'b'", "not a type to cast to"),
    ("SELECT * FROM a WHERE x -> y = 'b'", "takes a key"),
    ("SELECT * FROM a WHERE x && y", "`x && y`"),
    ("SELECT * FROM a WHERE CASE WHEN x THEN 1 ELSE 0 END", "CASE"),
    ("SELECT * FROM a WHERE EXISTS (SELECT 1 FROM b)", "EXISTS"),
    ("SELECT * FROM a WHERE x = (SELECT id FROM b)", "(SELECT id FROM b)"),
    ("SELECT * FROM a WHERE x IN (SELECT * FROM b)", "one column"),
    ("SELECT * FROM a WHERE x IN (SELECT c, d FROM b)", "exactly one column"),
    ("SELECT * FROM a WHERE b.x = auth.user_id()", "no table `b`"),
    ("SELECT * FROM \"a%\"", "wildcard"),
    ("SELECT value AS id FROM json_each(auth.parameter('x')) AS j", "rows of a table"),
    ("SELECT a.* FROM a, json_each(a.list) AS j WHERE j.value = 1", "array of the request"),
    (
        "SELECT a.* FROM a, json_each(auth.parameter('x')) AS j WHERE j.value = a.x AND j.key = auth.user_id()",
        "one thing only",
    ),
    ("SELECT a.* FROM a, json_each(auth.parameter('x')) AS j WHERE j.id = a.x", "columns `key` and `value`"),
    ("SELECT a.* FROM a, generate_series(1, 2) AS j", "not supported in FROM"),
    ("SELECT * FROM a LIMIT 1", "LIMIT"),
    ("SELECT * FROM a UNION SELECT * FROM b", "plain SELECT"),
    ("WITH b AS (SELECT 1) SELECT * FROM a", "under `with`"),
    ("SELECT DISTINCT * FROM a", "DISTINCT"),
    ("SELECT * FROM a GROUP BY x", "GROUP BY"),
    ("SELECT * FROM a FOR UPDATE", "only SELECT, FROM and WHERE"),
    ("SELECT * FROM a TABLESAMPLE BERNOULLI (10)", "name one table"),
    ("SELECT 1 AS id", "FROM"),
    ("DELETE FROM a", "plain SELECT"),
    ("SELECT * FROM", "syntax error"),
    ("SELECT * FROM a; SELECT * FROM b", "end of the query"),
    ("SELECT * FROM a WHERE x = auth.user_id() OVER ()", "not supported"),
    ("SELECT * FROM a WHERE x = 'a\u{0}b'", "character 0"),
];

#[test]
fn what_is_outside_the_subset_is_refused() {
    for (sql, reason) in REFUSED {
        let found = refusals(&format!("  s:\n    query: {}\n", serde_json::to_string(sql).expect("JSON")));
        assert!(found[0].starts_with("stream \"s\", line 5, column "), "{sql}: {}", found[0]);
        assert!(found[0].contains(reason), "{sql}: {}", found[0]);
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let any = |i: usize| format!("(subscription.parameter('s{i}') OR c{i} = subscription.parameter('p{i}'))");
    let all: Vec<_> = (0..60).map(any).collect();
    let long: Vec<_> = (0..3000).map(|i| format!("c = {i}")).collect();
    for sql in [
        format!("SELECT * FROM t WHERE {}", all.join(" AND ")),
        format!("SELECT * FROM t WHERE {}", long.join(" OR ")),
        format!("SELECT * FROM t WHERE {}x{}", "(".repeat(300), ")".repeat(300)),
        format!("SELECT * FROM t WHERE {} x", "NOT ".repeat(900)),
        format!("SELECT * FROM t WHERE x{} = 1", "::text".repeat(900)),
        format!("SELECT * FROM t WHERE x{} = 1", " -> 'a'".repeat(900)),
        format!("SELECT * FROM t WHERE x = {}1", "- ".repeat(900)),
    ] {
        let found = refusals(&format!("  s:\n    query: {sql:?}\n"));
        assert_eq!(found.len(), 1, "{found:?}");
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
        "config: { edition: 3 }\nstreams: { a: { query: 'SELECT * FROM a', queries: ['SELECT * FROM b'] } }",
        "config: { edition: 3 }\nwith: { a: [SELECT 1 FROM b] }",
        "config: { edition: 3 }\nbucket_definitions: {}",
        "a: b: c",
    ] {
        let found = compile(text).expect_err(text);
        assert!(found.iter().all(|refusal| refusal.line > 0 && refusal.column > 0), "{text}: {found:?}");
    }
}
