//! Who is asking: a session cookie, and behind it a user in Postgres.
//!
//! The first page that a browser opens makes it a guest: a user of its own, without a name or a password. The session is
//! renewed as long as the browser comes back, because a guest who loses the session loses the data.
//!
//! Beside the session's cookie, which no script can read, stands one with the user's id, which grants nothing. It tells a
//! page whose local database to open, also without a network and after the session has ended.

use axum::{
    Extension,
    extract::{FromRequestParts, Request, State},
    http::{Method, header, request::Parts},
    middleware::Next,
    response::Response,
};
use sqlx::PgPool;
use time::{Duration, OffsetDateTime};
use tower_cookies::Cookies;
use tower_sessions::{
    Expiry, Session, SessionManagerLayer,
    cookie::{Cookie, SameSite},
};
use tower_sessions_sqlx_store::PostgresStore;

use crate::{
    AppState,
    client_ip::ClientIp,
    error::{Error, Result},
};

/// The longest that browsers keep a cookie.
const LIFE: Duration = Duration::days(400);
/// Renewing at every request would write to Postgres at every request.
const RENEWAL: Duration = Duration::days(1);

const USER_ID: &str = "user_id";
const GENERATION: &str = "generation";
const RENEWED_AT: &str = "renewed_at";

/// The signed-in user's id. As an extractor it answers 401 where there is none.
pub(crate) struct SignedIn(pub(crate) String);

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<SignedIn> {
        let session = BrowserSession::from_request_parts(parts, state).await?;
        session.user(&state.pool).await?.map(SignedIn).ok_or(Error::Unauthenticated)
    }
}

/// Gives a page its user, and a browser that has none a guest account.
///
/// A browser that has been somebody here, but whose session has ended, gets no other user unasked: what is on the device
/// is still that user's, who is asked to sign in again.
pub(crate) async fn guest(
    State(state): State<AppState>,
    client: ClientIp,
    session: BrowserSession,
    mut request: Request,
    next: Next,
) -> Result<Response> {
    if request.method() == Method::GET {
        let user_id = match session.user(&state.pool).await? {
            None if !session.has_ended() => {
                if let Err(error) = state.rate_limits.guest(client) {
                    return Ok(error.into_page());
                }
                Some(new_guest(&session, &state.pool).await?)
            }
            user_id => user_id,
        };
        request.extensions_mut().insert(state.page_session(user_id));
    }
    Ok(next.run(request).await)
}

/// Gives a page that is no page of the app, such as "not found", its user where there is one.
pub(crate) async fn visitor(
    State(state): State<AppState>,
    session: BrowserSession,
    mut request: Request,
    next: Next,
) -> Result<Response> {
    let user_id = session.user(&state.pool).await?;
    if user_id.is_some() || session.has_ended() {
        request.extensions_mut().insert(state.page_session(user_id));
    }
    Ok(next.run(request).await)
}

async fn new_guest(session: &BrowserSession, pool: &PgPool) -> Result<String> {
    let user_id: String =
        sqlx::query_scalar("INSERT INTO users DEFAULT VALUES RETURNING id").fetch_one(pool).await?;
    session.begin(&user_id, 0).await?;
    Ok(user_id)
}

/// The session of the browser that asks.
pub(crate) struct BrowserSession {
    session: Session,
    cookies: Cookies,
    /// The name of the cookie with the user's id.
    user_cookie: String,
}

impl FromRequestParts<AppState> for BrowserSession {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<BrowserSession> {
        let session = parts.extensions.get::<Session>().cloned().ok_or(Error::Internal)?;
        let cookies = parts.extensions.get::<Cookies>().cloned().ok_or(Error::Internal)?;
        Ok(BrowserSession { session, cookies, user_cookie: state.user_cookie.clone() })
    }
}

impl BrowserSession {
    /// Begins a session of that user, in the generation in which their sessions are. It gets an id of its own, so that
    /// nobody who has known the browser's id before is signed in with it.
    pub(crate) async fn begin(&self, user_id: &str, generation: i64) -> Result<()> {
        self.session.clear().await;
        self.session.cycle_id().await?;
        self.session.insert(USER_ID, user_id).await?;
        self.session.insert(GENERATION, generation).await?;
        self.renew(user_id).await
    }

    /// Ends the session; there is no trace of it in Postgres then. The answer must have what this gives.
    pub(crate) async fn end(&self) -> Result<Extension<Ended>> {
        self.session.flush().await?;
        self.cookies.remove(self.user_cookie(String::new()));
        Ok(Extension(Ended))
    }

    /// The session's user, unless the account has been deleted or the session has been ended from elsewhere.
    async fn user(&self, pool: &PgPool) -> Result<Option<String>> {
        let Some(user_id) = self.session.get::<String>(USER_ID).await? else { return Ok(None) };
        let current: Option<i64> = sqlx::query_scalar("SELECT session_generation FROM users WHERE id = $1")
            .bind(&user_id)
            .fetch_optional(pool)
            .await?;
        let generation = self.session.get::<i64>(GENERATION).await?.unwrap_or(0);
        if current != Some(generation) {
            return Ok(None);
        }
        let renewed_at = self.session.get::<i64>(RENEWED_AT).await?.unwrap_or(0);
        if OffsetDateTime::now_utc().unix_timestamp() - renewed_at > RENEWAL.whole_seconds() {
            self.renew(&user_id).await?;
        }
        Ok(Some(user_id))
    }

    /// Whether the browser has been a user who is not signed in any more.
    fn has_ended(&self) -> bool {
        self.cookies.get(&self.user_cookie).is_some()
    }

    /// Any change of the session makes its store and its cookie last for another [`LIFE`].
    async fn renew(&self, user_id: &str) -> Result<()> {
        self.session.insert(RENEWED_AT, OffsetDateTime::now_utc().unix_timestamp()).await?;
        self.cookies.add(self.user_cookie(user_id.to_owned()));
        Ok(())
    }

    fn user_cookie(&self, user_id: String) -> Cookie<'static> {
        let cookie = Cookie::build((self.user_cookie.clone(), user_id));
        cookie.path("/").same_site(SameSite::Lax).max_age(LIFE).build()
    }
}

/// Says of an answer that it ends the session, and so takes the cookie from the browser.
#[derive(Clone)]
pub(crate) struct Ended;

/// Leaves the browser its cookie unless the session has been [`Ended`].
///
/// The layer below takes it away wherever there is no such session. But a request may have been under way while somebody
/// signed in, and its answer would take away the new session's cookie, of which it knows nothing.
pub(crate) async fn keep_cookie(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.extensions().get::<Ended>().is_none() {
        let removal = format!("{}=;", state.session_cookie);
        let headers = response.headers_mut();
        let cookies: Vec<_> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
        headers.remove(header::SET_COOKIE);
        for cookie in cookies.into_iter().filter(|cookie| !cookie.as_bytes().starts_with(removal.as_bytes()))
        {
            headers.append(header::SET_COOKIE, cookie);
        }
    }
    response
}

/// Loads and saves sessions around a request.
pub(crate) fn layer(store: PostgresStore, cookie: String) -> SessionManagerLayer<PostgresStore> {
    SessionManagerLayer::new(store)
        .with_name(cookie)
        .with_same_site(SameSite::Lax)
        .with_secure(false) // See `headers::behind_tls`.
        .with_expiry(Expiry::OnInactivity(LIFE))
}

/// A cookie means something only with its own database. Browsers keep cookies per host without the port, so two apps in
/// development on one machine would otherwise end each other's sessions.
pub(crate) fn cookie_name(what: &str, database: &str) -> String {
    let database = database.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
    format!("{what}_{database}")
}

/// Where sessions are kept, in the shape that the first migration gives the table.
pub(crate) fn store(pool: PgPool) -> anyhow::Result<PostgresStore> {
    PostgresStore::new(pool)
        .with_schema_name("public")
        .and_then(|store| store.with_table_name("sessions"))
        .map_err(anyhow::Error::msg)
}
