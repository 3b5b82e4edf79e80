//! Every query of the pages, on Postgres and on SQLite: what the server renders must be what the browser shows.

use app::store::{Query, Statement};
use insta::assert_snapshot;
use rusqlite::types::{Value as SqliteValue, ValueRef};
use schema::{ColumnKind, TABLES, Table, Timestamp};
use serde_json::json;
use sqlx::{Either, Executor, Statement as _, postgres::PgTypeInfo, types::Json};
use syn::{
    Expr, ExprCall, Lit,
    visit::{self, Visit},
};

use super::*;
use crate::{migrations, test_database::TestDatabase};

/// Where queries are. They are read from the source, so that none is forgotten here.
const QUERIES: &str = include_str!("../../../app/src/queries.rs");

const SOME_USERS: [&str; 4] = ["ann", "bob", "eve", "nobody's"];

/// Lists that are shared, todos of the same moment, names that sort differently by language, absent values.
const SOME_ROWS: &str = "
    INSERT INTO users (id, name, password_hash) VALUES ('ann', 'Ann', 'x'), ('bob', NULL, NULL), ('eve', 'Ève', 'x');
    INSERT INTO lists (id, owner_id, name, created_at)
        SELECT 'list-' || n, (ARRAY['ann', 'bob', 'eve'])[n % 3 + 1], (ARRAY['a', 'B', 'Ä', '''', '日本'])[n % 5 + 1],
               '2026-11-22T16:22:09.954983Z'::timestamptz + n / 4 * interval '1 microsecond'
        FROM generate_series(1, 20) AS n;
    INSERT INTO members (id, list_id, user_id, role, name, created_at)
        SELECT 'member-' || n, 'list-' || n, (ARRAY['bob', 'eve', 'ann'])[n % 3 + 1], (ARRAY['editor', 'reader'])[n % 2 + 1],
               NULLIF(n, 5)::text, '2026-11-22T16:22:09Z'
        FROM generate_series(1, 20, 2) AS n;
    INSERT INTO todos (id, list_id, title, done, created_at)
        SELECT 'todo-' || n, 'list-' || n % 15 + 1, 'Todo ' || n, n % 4 = 0,
               '2026-11-22T16:22:10Z'::timestamptz - n / 5 * interval '1 second'
        FROM generate_series(1, 150) AS n;
    INSERT INTO invitations (id, list_id, role)
        SELECT repeat('i', 31) || n, 'list-' || n, 'reader' FROM generate_series(1, 9) AS n;
    INSERT INTO rejections (id, user_id, table_name, row_id, operation, code, reason, changes)
        SELECT 'rejection-' || n, 'ann', 'todos', 'todo-' || n, 'PATCH', 'stale', 'Too late.', NULLIF('[]', left('[]', n))
        FROM generate_series(1, 3) AS n;
";

#[tokio::test]
async fn every_query_gives_the_same_rows_in_both_databases() {
    let (_database, pages, server) = migrated().await;
    server.execute(SOME_ROWS).await.unwrap();
    let queries = queries();
    assert!(!queries.is_empty());
    let mut rows = vec![0; queries.len()];
    for user in SOME_USERS {
        let sqlite = local_database(&pages, user).await;
        let mut postgres = PostgresStore::open(&pages, user).await.unwrap();
        for (query, rows) in queries.iter().zip(&mut rows) {
            for read in reads(&server, query).await {
                let rendered = postgres.rows(&read).await.unwrap().unwrap();
                assert_eq!(rendered.rows, local_rows(&sqlite, &read.statement), "{user}: {read:?}");
                assert!(!rendered.cut, "{user}: {read:?}");
                *rows += rendered.rows.as_array().unwrap().len();
            }
        }
    }
    // A table that somebody has added has no rows here. Its queries must be understood all the same.
    let of_ours = |sql: &str| {
        ["lists", "todos", "members", "invitations", "rejections"].iter().any(|table| sql.contains(table))
    };
    let unproved: Vec<_> =
        queries.iter().zip(rows).filter(|(sql, rows)| of_ours(sql) && *rows == 0).collect();
    assert!(unproved.is_empty(), "{unproved:?}");
}

/// The SQL of every `Query::new("…")`.
fn queries() -> Vec<String> {
    #[derive(Default)]
    struct Queries(Vec<String>);
    impl<'ast> Visit<'ast> for Queries {
        fn visit_expr_call(&mut self, call: &'ast ExprCall) {
            visit::visit_expr_call(self, call);
            let Expr::Path(function) = &*call.func else { return };
            let path: Vec<_> =
                function.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            if path == ["Query", "new"] {
                let Some(Expr::Lit(sql)) = call.args.first() else { panic!("a query that is not a literal") };
                let Lit::Str(sql) = &sql.lit else { panic!("a query that is not text") };
                self.0.push(sql.value());
            }
        }
    }
    let mut queries = Queries::default();
    queries.visit_file(&syn::parse_file(QUERIES).unwrap());
    queries.0
}

/// A query with everything that could be meant by its parameters: any of the ids, and some of what is none.
async fn reads(server: &PgPool, sql: &str) -> Vec<Read> {
    let prepared = server.prepare(sql).await.unwrap();
    let Some(Either::Left(types)) = prepared.parameters() else { panic!("{sql}") };
    let kinds: Vec<_> = types.iter().map(kind).collect();
    let values: Vec<_> = kinds.iter().map(|kind| samples(*kind)).collect();
    let most = values.iter().map(Vec::len).max().unwrap_or(1);
    (0..most)
        .map(|index| {
            let parameters = values.iter().map(|values| values[index % values.len()].clone()).collect();
            Read { statement: Statement { sql: sql.to_owned(), parameters }, kinds: kinds.clone() }
        })
        .collect()
}

/// The type of the schema crate that a parameter has.
fn kind(parameter: &PgTypeInfo) -> ColumnKind {
    match parameter.name() {
        "TEXT" => ColumnKind::Text,
        "INT8" => ColumnKind::Integer,
        "FLOAT8" => ColumnKind::Real,
        "BOOL" => ColumnKind::Boolean,
        "TIMESTAMPTZ" => ColumnKind::Timestamp,
        other => panic!("no column is of type {other}"),
    }
}

fn samples(kind: ColumnKind) -> Vec<Value> {
    match kind {
        ColumnKind::Text => {
            let lists = (1..=20).map(|number| format!("list-{number}"));
            let ids = SOME_USERS.map(str::to_owned).into_iter().chain(lists).chain(["O'Hara".to_owned()]);
            ids.map(Value::from).collect()
        }
        ColumnKind::Integer => vec![json!(0), json!(3), json!(-1)],
        ColumnKind::Real => vec![json!(0.0), json!(1.5)],
        ColumnKind::Boolean => vec![json!(0), json!(1)],
        ColumnKind::Timestamp => {
            vec![json!("2026-11-22T16:22:09.954983Z"), json!("2026-11-22T16:22:10.000000Z")]
        }
    }
}

/// What a user's browser has when it has synced.
async fn local_database(pages: &PgPool, user: &str) -> rusqlite::Connection {
    let local = rusqlite::Connection::open_in_memory().unwrap();
    let PostgresStore(mut synced) = PostgresStore::open(pages, user).await.unwrap();
    for table in TABLES {
        let columns: Vec<_> =
            table.columns.iter().map(|column| format!("{} {}", column.name, column.kind.sqlite())).collect();
        local.execute(&format!("CREATE TABLE {} (id TEXT, {})", table.name, columns.join(", ")), []).unwrap();
        let rows: Vec<Json<Vec<Value>>> =
            sqlx::query_scalar(&as_synced(table)).fetch_all(&mut *synced).await.unwrap();
        let places = vec!["?"; table.columns.len() + 1].join(", ");
        let insert = format!("INSERT INTO {} VALUES ({places})", table.name);
        for Json(row) in rows {
            local.execute(&insert, rusqlite::params_from_iter(row.iter().map(to_sqlite))).unwrap();
        }
    }
    local
}

/// A table's rows as JSON arrays, each value as PowerSync gives it to SQLite.
fn as_synced(table: &Table) -> String {
    let cells = table.columns.iter().map(|column| match column.kind {
        ColumnKind::Boolean => format!("{}::int", column.name),
        ColumnKind::Timestamp => {
            format!(r#"to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#, column.name)
        }
        ColumnKind::Text | ColumnKind::Integer | ColumnKind::Real => column.name.to_owned(),
    });
    let cells: Vec<_> = std::iter::once("id".to_owned()).chain(cells).collect();
    format!("SELECT jsonb_build_array({}) FROM {}", cells.join(", "), table.name)
}

fn local_rows(local: &rusqlite::Connection, statement: &Statement) -> Value {
    let mut prepared = local.prepare(&statement.sql).unwrap();
    for (number, value) in (1..).zip(&statement.parameters) {
        assert_eq!(
            prepared.parameter_index(&format!("${number}")).unwrap(),
            Some(number),
            "{}",
            statement.sql
        );
        prepared.raw_bind_parameter(number, to_sqlite(value)).unwrap();
    }
    let columns = prepared.column_count();
    let mut rows = prepared.raw_query();
    let mut result = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let cells = (0..columns).map(|index| match row.get_ref(index).unwrap() {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => number.into(),
            ValueRef::Real(number) => number.into(),
            ValueRef::Text(text) => std::str::from_utf8(text).unwrap().into(),
            ValueRef::Blob(_) => panic!("no column is binary"),
        });
        result.push(cells.collect::<Value>());
    }
    result.into()
}

fn to_sqlite(value: &Value) -> SqliteValue {
    match value {
        Value::Null => SqliteValue::Null,
        Value::String(text) => SqliteValue::Text(text.clone()),
        Value::Number(number) => match number.as_i64() {
            Some(number) => SqliteValue::Integer(number),
            None => SqliteValue::Real(number.as_f64().unwrap()),
        },
        other => panic!("SQLite has no {other}"),
    }
}

/// A database with the app's tables, and the pools of the pages and of the server.
async fn migrated() -> (TestDatabase, PgPool, PgPool) {
    let database = TestDatabase::create().await;
    let pages = pool(&database.options);
    let server = PgPool::connect_lazy_with(database.options.clone());
    migrations::run(&database.options).await.unwrap();
    (database, pages, server)
}

#[tokio::test]
async fn what_sqlite_would_give_otherwise_is_refused() {
    let (_database, pages, _server) = migrated().await;
    let refusal = async |query: Query<()>| {
        let mut store = PostgresStore::open(&pages, "ann").await.unwrap();
        store.rows(&query.read).await.unwrap_err().to_string()
    };
    assert_snapshot!(
        refusal(Query::new("SELECT sum(1::bigint) AS total")).await,
        @"column total is of type NUMERIC; cast it to one that the schema crate knows"
    );
    assert_snapshot!(
        refusal(Query::new("SELECT id FROM lists WHERE id = $1").bind("\0".to_owned())).await,
        @r#"parameter $1 cannot be "\u0000" in Postgres"#
    );
    assert_snapshot!(
        refusal(Query::new("SELECT 1 FROM lists WHERE created_at = $1").bind(Timestamp("soon".to_owned()))).await,
        @r#"parameter $1 cannot be "soon" in Postgres"#
    );
    assert_snapshot!(
        refusal(Query::new("DELETE FROM todos RETURNING id")).await,
        @r#"error returned from database: syntax error at or near "FROM""#
    );
}

#[tokio::test]
async fn a_large_result_is_cut_and_one_too_large_left_out() {
    let (_database, pages, _server) = migrated().await;
    let mut store = PostgresStore::open(&pages, "ann").await.unwrap();
    let mut length = async |sql: &'static str| {
        let Rendered { rows, cut } = store.rows(&Query::<()>::new(sql).read).await.unwrap()?;
        Some((rows.as_array().unwrap().len(), cut))
    };
    assert_eq!(length("SELECT generate_series(1, 1000)").await, Some((MOST_ROWS, true)));
    assert_eq!(length("SELECT generate_series(1, 201)").await, Some((MOST_ROWS, true)));
    assert_eq!(length("SELECT generate_series(1, 200)").await, Some((MOST_ROWS, false)));
    assert_eq!(length("SELECT repeat('x', 20000) FROM generate_series(1, 100)").await, Some((3, true)));
    assert_eq!(length("SELECT repeat('x', 20000) FROM generate_series(1, 3)").await, Some((3, false)));
    assert_eq!(length("SELECT repeat('x', 100000)").await, None);
    assert_eq!(length("SELECT 1 WHERE false").await, Some((0, false)));
}

/// A pooler gives the connection to somebody else after each transaction.
#[tokio::test]
async fn nothing_is_left_on_a_connection() {
    let (database, _pages, _server) = migrated().await;
    let one = PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with(pool(&database.options).connect_options().as_ref().clone());
    for _ in 0..2 {
        let mut store = PostgresStore::open(&one, "ann").await.unwrap();
        let query = Query::<()>::new("SELECT id FROM lists WHERE id = $1").bind("a".to_owned());
        store.rows(&query.read).await.unwrap();
    }
    let left: (i64, String, String) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM pg_prepared_statements), current_setting('role'), current_setting('app.user_id')",
    )
    .persistent(false)
    .fetch_one(&one)
    .await
    .unwrap();
    assert_eq!(left, (0, "none".to_owned(), String::new()));
}
