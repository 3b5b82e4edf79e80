//! The policies in `migrations/`, by SQL alone.

use insta::assert_snapshot;
use sqlx::{Executor, PgPool, Postgres, Transaction};

use crate::helpers::{TestApp, spawn_app};

/// Ann and Bob have a list each. Eve edits Ann's, and Rob reads it.
async fn app_with_users() -> TestApp {
    let app = spawn_app().await;
    let data = "
        INSERT INTO users (id) VALUES ('ann'), ('bob'), ('eve'), ('rob');
        INSERT INTO lists (id, owner_id, name) VALUES ('a', 'ann', 'Of Ann'), ('b', 'bob', 'Of Bob');
        INSERT INTO todos (id, list_id, title) VALUES ('a1', 'a', 'Of Ann'), ('b1', 'b', 'Of Bob');
        UPDATE members SET id = list_id || '-' || user_id;
        INSERT INTO members (id, list_id, user_id, role) VALUES ('a-eve', 'a', 'eve', 'editor'), ('a-rob', 'a', 'rob', 'reader');
        INSERT INTO invitations (id, list_id, role)
        VALUES (repeat('a', 32), 'a', 'editor'), (repeat('b', 32), 'b', 'reader');
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

/// What becomes of a statement of a user's, which is then undone: the number of rows, or the error.
async fn does(app: &TestApp, user_id: &str, statement: &str) -> String {
    match as_user(&app.pool, user_id).await.execute(statement).await {
        Ok(result) => format!("{} rows", result.rows_affected()),
        Err(error) => error.as_database_error().unwrap().message().to_owned(),
    }
}

#[tokio::test]
async fn a_user_reads_the_lists_that_they_are_on() {
    let app = app_with_users().await;
    let visible = "
        SELECT id FROM lists UNION ALL SELECT id FROM todos UNION ALL SELECT id FROM members
        UNION ALL SELECT left(id, 2) FROM invitations UNION ALL SELECT id FROM rejections ORDER BY 1";
    for (user_id, expected) in [
        ("ann", "a a1 a-ann aa a-eve a-rob ra"),
        ("bob", "b b1 bb b-bob rb"),
        ("eve", "a a1 a-ann a-eve a-rob"),
        ("rob", "a a1 a-ann a-eve a-rob"),
        ("nobody", ""),
        ("", ""),
    ] {
        let ids: Vec<String> =
            sqlx::query_scalar(visible).fetch_all(&mut *as_user(&app.pool, user_id).await).await.unwrap();
        let mut ids: Vec<_> = ids.iter().map(String::as_str).collect();
        let mut expected: Vec<_> = expected.split_whitespace().collect();
        ids.sort_unstable();
        expected.sort_unstable();
        assert_eq!(ids, expected, "{user_id:?}");
    }
}

#[tokio::test]
async fn without_a_user_nothing_is_visible() {
    let app = app_with_users().await;
    let mut transaction = app.pool.begin().await.unwrap();
    transaction.execute("SET LOCAL ROLE app_user").await.unwrap();
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM lists").fetch_one(&mut *transaction).await.unwrap();
    assert_eq!(count, 0);
}

#[tokio::test]
async fn an_owner_changes_what_is_on_the_own_lists_only() {
    let app = app_with_users().await;
    assert_snapshot!(does(&app, "ann", "UPDATE lists SET name = 'new'").await, @"1 rows");
    assert_snapshot!(does(&app, "ann", "DELETE FROM todos").await, @"1 rows");
    assert_snapshot!(does(&app, "ann", "DELETE FROM rejections").await, @"1 rows");
    assert_snapshot!(does(&app, "ann", "DELETE FROM invitations").await, @"1 rows");
    assert_snapshot!(does(&app, "ann", "DELETE FROM members").await, @"2 rows");
    assert_snapshot!(does(&app, "ann", "UPDATE members SET role = 'reader'").await, @"2 rows");
    assert_snapshot!(does(&app, "ann", "DELETE FROM lists").await, @"1 rows");
    assert_snapshot!(does(&app, "ann", "UPDATE lists SET owner_id = 'bob'").await, @"the owner of a list cannot change");
    assert_snapshot!(does(&app, "ann", "UPDATE todos SET list_id = 'b'").await, @r#"new row violates row-level security policy for table "todos""#);
    assert_snapshot!(does(&app, "ann", "INSERT INTO lists (id, owner_id, name) VALUES ('c', 'bob', 'c')").await, @r#"new row violates row-level security policy for table "lists""#);
    assert_snapshot!(does(&app, "ann", "INSERT INTO todos (id, list_id, title) VALUES ('c', 'b', 'c')").await, @r#"new row violates row-level security policy for table "todos""#);
    assert_snapshot!(does(&app, "ann", "INSERT INTO invitations (id, list_id, role) VALUES (repeat('c', 32), 'b', 'editor')").await, @r#"new row violates row-level security policy for table "invitations""#);
    assert_snapshot!(does(&app, "ann", "UPDATE members SET role = 'owner'").await, @r#"new row violates row-level security policy for table "members""#);
}

#[tokio::test]
async fn an_editor_changes_the_list_and_its_todos_and_may_leave() {
    let app = app_with_users().await;
    assert_snapshot!(does(&app, "eve", "UPDATE lists SET name = 'new'").await, @"1 rows");
    assert_snapshot!(does(&app, "eve", "UPDATE todos SET done = true").await, @"1 rows");
    assert_snapshot!(does(&app, "eve", "INSERT INTO todos (id, list_id, title) VALUES ('c', 'a', 'c')").await, @"1 rows");
    assert_snapshot!(does(&app, "eve", "DELETE FROM todos").await, @"1 rows");
    assert_snapshot!(does(&app, "eve", "DELETE FROM members").await, @"1 rows");
    assert_snapshot!(does(&app, "eve", "DELETE FROM lists").await, @"0 rows");
    assert_snapshot!(does(&app, "eve", "UPDATE members SET role = 'editor'").await, @"0 rows");
    assert_snapshot!(does(&app, "eve", "UPDATE lists SET owner_id = 'eve'").await, @"the owner of a list cannot change");
    assert_snapshot!(does(&app, "eve", "INSERT INTO lists (id, owner_id, name) VALUES ('a', 'eve', 'Mine') ON CONFLICT (id) DO UPDATE SET owner_id = excluded.owner_id").await, @"the owner of a list cannot change");
    assert_snapshot!(does(&app, "eve", "INSERT INTO invitations (id, list_id, role) VALUES (repeat('c', 32), 'a', 'editor')").await, @r#"new row violates row-level security policy for table "invitations""#);
}

#[tokio::test]
async fn a_reader_changes_nothing_and_may_leave() {
    let app = app_with_users().await;
    for statement in [
        "UPDATE lists SET name = 'new'",
        "UPDATE todos SET done = true",
        "DELETE FROM todos",
        "DELETE FROM lists",
        "UPDATE members SET role = 'editor'",
        "DELETE FROM invitations",
    ] {
        assert_eq!(does(&app, "rob", statement).await, "0 rows", "{statement}");
    }
    assert_snapshot!(does(&app, "rob", "INSERT INTO todos (id, list_id, title) VALUES ('c', 'a', 'c')").await, @r#"new row violates row-level security policy for table "todos""#);
    assert_snapshot!(does(&app, "rob", "DELETE FROM members").await, @"1 rows");
}

#[tokio::test]
async fn the_role_has_no_right_but_those() {
    let app = app_with_users().await;
    assert_snapshot!(does(&app, "ann", "UPDATE rejections SET reason = 'new'").await, @"permission denied for table rejections");
    assert_snapshot!(does(&app, "ann", "INSERT INTO members (list_id, user_id, role) VALUES ('b', 'ann', 'editor')").await, @"permission denied for table members");
    assert_snapshot!(does(&app, "ann", "UPDATE members SET user_id = 'bob'").await, @"permission denied for table members");
    assert_snapshot!(does(&app, "ann", "UPDATE members SET list_id = 'b'").await, @"permission denied for table members");
    assert_snapshot!(does(&app, "ann", "UPDATE members SET name = 'Bob'").await, @"permission denied for table members");
    assert_snapshot!(does(&app, "ann", "SELECT FROM users").await, @"permission denied for table users");
    assert_snapshot!(does(&app, "ann", "SELECT FROM sessions").await, @"permission denied for table sessions");
    assert_snapshot!(does(&app, "ann", "SELECT FROM uploads").await, @"permission denied for table uploads");
    assert_snapshot!(does(&app, "ann", "TRUNCATE todos").await, @"permission denied for table todos");
    assert_snapshot!(does(&app, "ann", "CREATE TABLE mine ()").await, @"permission denied for schema public");
    let role = "SELECT rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb AS any FROM pg_roles WHERE rolname = 'app_user'";
    assert_eq!(app.rows(role).await, "false");
}

#[tokio::test]
async fn every_table_has_row_level_security() {
    let app = spawn_app().await;
    let without = "SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT relrowsecurity";
    assert_eq!(app.rows(without).await, "_sqlx_migrations");
}
