//! The policies in `migrations/`, by SQL alone.

use insta::assert_snapshot;
use sqlx::{Executor, PgPool, Postgres, Transaction};

use crate::helpers::{TestApp, spawn_app};

async fn app_with_two_users() -> TestApp {
    let app = spawn_app().await;
    let data = "
        INSERT INTO users (id) VALUES ('ann'), ('bob');
        INSERT INTO lists (id, owner_id, name) VALUES ('a', 'ann', 'Of Ann'), ('b', 'bob', 'Of Bob');
        INSERT INTO todos (id, list_id, title) VALUES ('a1', 'a', 'Of Ann'), ('b1', 'b', 'Of Bob');
        INSERT INTO rejections (id, user_id, table_name, row_id, operation, code, reason)
        VALUES ('ra', 'ann', 'lists', 'x', 'PUT', 'constraint', 'r'), ('rb', 'bob', 'lists', 'x', 'PUT', 'constraint', 'r');
    ";
    app.pool.execute(data).await.unwrap();
    app
}

/// A transaction with the rights of a user.
async fn as_user(pool: &PgPool, user_id: &str) -> Transaction<'static, Postgres> {
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("SELECT set_config('role', 'app_user', true), set_config('app.user_id', $1, true)")
        .bind(user_id)
        .execute(&mut *transaction)
        .await
        .unwrap();
    transaction
}

/// What becomes of a statement of Ann's: the number of rows, or the error.
async fn ann(app: &TestApp, statement: &str) -> String {
    match as_user(&app.pool, "ann").await.execute(statement).await {
        Ok(result) => format!("{} rows", result.rows_affected()),
        Err(error) => error.as_database_error().unwrap().message().to_owned(),
    }
}

#[tokio::test]
async fn a_user_reads_own_rows_only() {
    let app = app_with_two_users().await;
    let visible = "SELECT id FROM lists UNION ALL SELECT id FROM todos UNION ALL SELECT id FROM rejections";
    for (user_id, expected) in [("ann", "a a1 ra"), ("bob", "b b1 rb"), ("nobody", ""), ("", "")] {
        let ids: Vec<String> =
            sqlx::query_scalar(visible).fetch_all(&mut *as_user(&app.pool, user_id).await).await.unwrap();
        assert_eq!(ids.join(" "), expected, "{user_id:?}");
    }
}

#[tokio::test]
async fn without_a_user_nothing_is_visible() {
    let app = app_with_two_users().await;
    let mut transaction = app.pool.begin().await.unwrap();
    transaction.execute("SET LOCAL ROLE app_user").await.unwrap();
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM lists").fetch_one(&mut *transaction).await.unwrap();
    assert_eq!(count, 0);
}

#[tokio::test]
async fn a_user_changes_own_rows_only() {
    let app = app_with_two_users().await;
    assert_snapshot!(ann(&app, "UPDATE lists SET name = 'new'").await, @"1 rows");
    assert_snapshot!(ann(&app, "DELETE FROM todos").await, @"1 rows");
    assert_snapshot!(ann(&app, "DELETE FROM rejections").await, @"1 rows");
    assert_snapshot!(ann(&app, "UPDATE lists SET owner_id = 'bob'").await, @r#"new row violates row-level security policy for table "lists""#);
    assert_snapshot!(ann(&app, "UPDATE todos SET list_id = 'b'").await, @r#"new row violates row-level security policy for table "todos""#);
    assert_snapshot!(ann(&app, "INSERT INTO lists (id, owner_id, name) VALUES ('c', 'bob', 'c')").await, @r#"new row violates row-level security policy for table "lists""#);
    assert_snapshot!(ann(&app, "INSERT INTO todos (id, list_id, title) VALUES ('c', 'b', 'c')").await, @r#"new row violates row-level security policy for table "todos""#);
}

#[tokio::test]
async fn the_role_has_no_right_but_those() {
    let app = app_with_two_users().await;
    assert_snapshot!(ann(&app, "UPDATE rejections SET reason = 'new'").await, @"permission denied for table rejections");
    assert_snapshot!(ann(&app, "SELECT FROM users").await, @"permission denied for table users");
    assert_snapshot!(ann(&app, "SELECT FROM sessions").await, @"permission denied for table sessions");
    assert_snapshot!(ann(&app, "SELECT FROM uploads").await, @"permission denied for table uploads");
    assert_snapshot!(ann(&app, "TRUNCATE todos").await, @"permission denied for table todos");
    assert_snapshot!(ann(&app, "CREATE TABLE mine ()").await, @"permission denied for schema public");
    let role = "SELECT rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb AS any FROM pg_roles WHERE rolname = 'app_user'";
    assert_eq!(app.rows(role).await, "false");
}
