//! As whom the server acts in Postgres.

use sqlx::PgConnection;

/// The role whose rights end where the policies in `migrations/` say.
pub(crate) const APP_USER: &str = "app_user";

/// Takes on a role, in the name of a user, until the transaction ends; the role `none` is the server's own.
pub(crate) async fn act_as(connection: &mut PgConnection, role: &str, user_id: &str) -> sqlx::Result<()> {
    sqlx::query("SELECT set_config('role', $1, true), set_config('app.user_id', $2, true)")
        .bind(role)
        .bind(user_id)
        .execute(connection)
        .await?;
    Ok(())
}
