//! Who is asking: a session cookie, and behind it a user in Postgres.
//!
//! The first page that a browser opens makes it a guest: a user of its own, without a name or a password. The session is
//! renewed as long as the browser comes back, because a guest who loses the session loses the data.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{Method, request::Parts},
    middleware::Next,
    response::Response,
};
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};
use tower_sessions::{Expiry, Session, SessionManagerLayer, cookie::SameSite};
use tower_sessions_sqlx_store::PostgresStore;

use crate::{
    AppState,
    error::{Error, Result},
};

/// The longest that browsers keep a cookie.
const LIFE: Duration = Duration::days(400);
/// Renewing at every request would write to Postgres at every request.
const RENEWAL: Duration = Duration::days(1);

const USER_ID: &str = "user_id";
const RENEWED_AT: &str = "renewed_at";

/// The signed-in user's id. As an extractor it answers 401 where there is none.
pub(crate) struct SignedIn(pub(crate) String);

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<SignedIn> {
        let session = parts.extensions.get::<Session>().ok_or(Error::Internal)?;
        known_user(session, &state.pool).await?.map(SignedIn).ok_or(Error::Unauthenticated)
    }
}

/// Gives a page its user, and a browser that has none a guest account.
pub(crate) async fn guest(
    State(state): State<AppState>,
    session: Session,
    mut request: Request,
    next: Next,
) -> Result<Response> {
    if request.method() == Method::GET {
        let user_id = match known_user(&session, &state.pool).await? {
            Some(user_id) => user_id,
            None => new_guest(&session, &state.pool).await?,
        };
        request.extensions_mut().insert(state.page_session(user_id));
    }
    Ok(next.run(request).await)
}

/// Gives a page that is no page of the app, such as "not found", its user where there is one.
pub(crate) async fn visitor(
    State(state): State<AppState>,
    session: Session,
    mut request: Request,
    next: Next,
) -> Result<Response> {
    if let Some(user_id) = known_user(&session, &state.pool).await? {
        request.extensions_mut().insert(state.page_session(user_id));
    }
    Ok(next.run(request).await)
}

/// The session's user, unless the account has been deleted meanwhile.
async fn known_user(session: &Session, pool: &PgPool) -> Result<Option<String>> {
    let Some(user_id) = session.get::<String>(USER_ID).await? else { return Ok(None) };
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM users WHERE id = $1)")
        .bind(&user_id)
        .fetch_one(pool)
        .await?;
    if !exists {
        return Ok(None);
    }
    renew(session).await?;
    Ok(Some(user_id))
}

async fn new_guest(session: &Session, pool: &PgPool) -> Result<String> {
    let user_id: String =
        sqlx::query_scalar("INSERT INTO users DEFAULT VALUES RETURNING id").fetch_one(pool).await?;
    session.insert(USER_ID, &user_id).await?;
    renew(session).await?;
    Ok(user_id)
}

/// Any change of the session makes its store and its cookie last for another [`LIFE`].
async fn renew(session: &Session) -> Result<()> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let renewed_at = session.get::<i64>(RENEWED_AT).await?.unwrap_or(0);
    if now - renewed_at > RENEWAL.whole_seconds() {
        session.insert(RENEWED_AT, now).await?;
    }
    Ok(())
}

/// Loads and saves sessions around a request.
pub(crate) fn layer(store: PostgresStore, database: &str) -> SessionManagerLayer<PostgresStore> {
    SessionManagerLayer::new(store)
        .with_name(cookie_name(database))
        .with_same_site(SameSite::Lax)
        .with_secure(false) // See `headers::behind_tls`.
        .with_expiry(Expiry::OnInactivity(LIFE))
}

/// A session means something only in its own database. Browsers keep cookies per host without the port, so two apps in
/// development on one machine would otherwise end each other's sessions.
fn cookie_name(database: &str) -> String {
    let database = database.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
    format!("session_{database}")
}

/// Where sessions are kept, in the shape that the first migration gives the table.
pub(crate) fn store(pool: PgPool) -> anyhow::Result<PostgresStore> {
    PostgresStore::new(pool)
        .with_schema_name("public")
        .and_then(|store| store.with_table_name("sessions"))
        .map_err(anyhow::Error::msg)
}
