//! Transactions that run into others.

use std::time::Duration;

/// How often a transaction is tried that runs into others.
const ATTEMPTS: u32 = 5;

/// Runs a transaction, and runs it again where Postgres has made it give way to another: nothing of it is left then.
pub(crate) async fn retried<T, F>(mut transaction: impl FnMut() -> F) -> sqlx::Result<T>
where
    F: Future<Output = sqlx::Result<T>>,
{
    let mut attempt = 1;
    loop {
        match transaction().await {
            Err(error) if attempt < ATTEMPTS && gave_way(&error) => {
                tokio::time::sleep(Duration::from_millis(10) * attempt).await;
                attempt += 1;
            }
            result => return result,
        }
    }
}

/// A serialization failure or a deadlock.
fn gave_way(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("40001" | "40P01"))
}
