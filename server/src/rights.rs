//! As whom a transaction acts.

use sqlx::PgConnection;

/// Takes on a role until the transaction ends; `none` is the server's own. The policies ask for the user's id.
pub(crate) async fn act_as(connection: &mut PgConnection, role: &str, user_id: &str) -> sqlx::Result<()> {
    sqlx::query("SELECT set_config('role', $1, true), set_config('app.user_id', $2, true)")
        .bind(role)
        .bind(user_id)
        .execute(connection)
        .await?;
    Ok(())
}
