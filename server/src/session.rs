//! Who is asking.
//!
//! The first page that a browser opens makes it a guest: a user without a name or a password, known by a cookie that this
//! server has signed. That writes nothing; the user gets a row in Postgres with the first thing that is kept of theirs
//! ([`crate::users`]). Somebody with an account has a session instead: a cookie with a secret, and a row that names the user.
//! Both are renewed as long as the browser comes back, because a guest who loses the cookie loses the data.
//!
//! Beside them, which no script can read, stands a cookie with the user's id, which grants nothing. It tells a page whose
//! local database to open, also without a network and after the session has ended.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::Response,
};
use chrono::Utc;
use ed25519_dalek::SigningKey;
use sha2::{Digest, Sha256, Sha512};
use sqlx::{PgExecutor, PgPool};
use tower_cookies::{
    Cookie, Cookies, Key,
    cookie::{SameSite, time::Duration},
};
use uuid::Uuid;

use crate::{
    AppState,
    error::{Error, Result},
};

/// The longest that browsers keep a cookie.
const LIFE: Duration = Duration::days(400);
/// From when on no cookie is valid that was given out before.
pub(crate) const GONE_AFTER_DAYS: i32 = 401;
/// Renewing at every request would write to Postgres at every request.
const RENEWAL: Duration = Duration::days(1);

/// The names of the cookies, and the key that signs a guest's.
#[derive(Clone)]
pub(crate) struct CookieJar(Arc<Names>);

struct Names {
    session: String,
    guest: String,
    user: String,
    key: Key,
}

impl CookieJar {
    /// For the app with that database: a cookie means something only with its own. Browsers keep cookies per host without the
    /// port, so two apps in development on one machine would otherwise end each other's sessions.
    pub(crate) fn new(database: &str, signing_key: &SigningKey) -> CookieJar {
        let database = database.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
        let name = |what: &str| format!("{what}_{database}");
        // A key of its own, so that no signature of one kind is ever one of the other.
        let key = Sha512::new().chain_update("guest cookies").chain_update(signing_key.as_bytes()).finalize();
        let key = Key::from(&key);
        CookieJar(Arc::new(Names { session: name("session"), guest: name("guest"), user: name("user"), key }))
    }

    /// The name of the cookie that tells a page its user's id.
    pub(crate) fn user_cookie(&self) -> &str {
        &self.0.user
    }
}

/// The signed-in user, guests included. As an extractor it answers 401 where there is none.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    /// The user's id.
    pub(crate) id: String,
    /// Whether Postgres has a row of theirs. A guest who has written nothing has none.
    pub(crate) is_kept: bool,
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<SignedIn> {
        let browser = Browser::from_request_parts(parts, state).await?;
        browser.user().await?.ok_or(Error::Unauthenticated)
    }
}

/// Gives a page its user: a browser that has been nobody here becomes a guest.
///
/// A browser that has been somebody, but whose session has ended, gets no other user unasked: what is on the device is still
/// that user's, who is asked to sign in again. While Postgres is away nobody can be asked who this is; the page is
/// then one that the browser fills by itself, from its local database.
pub(crate) async fn guest(
    State(state): State<AppState>,
    browser: Browser,
    mut request: Request,
    next: Next,
) -> Result<Response> {
    if request.method() != Method::GET {
        return Ok(next.run(request).await);
    }
    let user = match browser.user().await {
        Ok(None) if !browser.has_been_somebody() => Ok(Some(browser.become_guest())),
        Ok(user) => Ok(user),
        Err(away @ Error::Unavailable(_)) => Err(away),
        Err(error) => return Err(error),
    };
    let user_id = user.as_ref().ok().and_then(|user| user.as_ref()).map(|user| user.id.clone());
    request.extensions_mut().insert(state.page_session(user_id));
    let mut response = next.run(request).await;
    if let Err(away) = user {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().extend(away.retry_after().map(|wait| (header::RETRY_AFTER, wait)));
    }
    Ok(response)
}

/// The browser that asks, with its cookies.
pub(crate) struct Browser {
    cookies: Cookies,
    jar: CookieJar,
    pool: PgPool,
}

impl FromRequestParts<AppState> for Browser {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Browser> {
        let cookies = parts.extensions.get::<Cookies>().cloned().ok_or(Error::Internal)?;
        Ok(Browser { cookies, jar: state.cookie_jar.clone(), pool: state.pool.clone() })
    }
}

/// A session that stands in Postgres as soon as its transaction is committed. The browser gets it by [`Browser::adopt`].
#[must_use]
pub(crate) struct NewSession {
    secret: String,
    user_id: String,
}

impl NewSession {
    /// Begins a session of that user.
    pub(crate) async fn begin(executor: impl PgExecutor<'_>, user_id: &str) -> sqlx::Result<NewSession> {
        let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        sqlx::query(
            "INSERT INTO sessions (id, user_id, expiry_date) VALUES ($1, $2, now() + make_interval(days => $3))",
        )
        .bind(stored(&secret))
        .bind(user_id)
        .bind(days(LIFE))
        .execute(executor)
        .await?;
        Ok(NewSession { secret, user_id: user_id.to_owned() })
    }
}

impl Browser {
    /// Who uses this browser; nobody where the session has ended, or the user has been deleted.
    pub(crate) async fn user(&self) -> Result<Option<SignedIn>> {
        if let Some(secret) = self.secret() {
            let user_id: Option<Option<String>> = sqlx::query_scalar(
                "SELECT user_id FROM sessions WHERE id = ANY ($1) AND expiry_date > now()",
            )
            .bind(candidates(&secret))
            .fetch_optional(&self.pool)
            .await?;
            if let Some(id) = user_id.flatten() {
                return Ok(Some(SignedIn { id, is_kept: true }));
            }
        }
        let Some(Guest { id, .. }) = self.guest() else { return Ok(None) };
        // A guest who has made an account since is one by a session only.
        let (is_kept, is_gone): (bool, bool) = sqlx::query_as(
            "SELECT EXISTS (SELECT FROM users WHERE id = $1),
                    EXISTS (SELECT FROM users WHERE id = $1 AND name IS NOT NULL)
                    OR EXISTS (SELECT FROM deleted_users WHERE id = $1)",
        )
        .bind(&id)
        .fetch_one(&self.pool)
        .await?;
        Ok((!is_gone).then_some(SignedIn { id, is_kept }))
    }

    /// Makes a browser that is nobody's a guest's.
    fn become_guest(&self) -> SignedIn {
        let id = Uuid::new_v4().to_string();
        self.add_guest(&id);
        self.add_user(id.clone());
        SignedIn { id, is_kept: false }
    }

    /// Takes up a session that has begun; it takes the place of whatever the browser was before.
    pub(crate) fn adopt(&self, session: NewSession) {
        self.add_session(session.secret);
        self.add_user(session.user_id);
        self.remove(&self.jar.0.guest);
    }

    /// Ends the session, if there is one; nothing of it is left in Postgres.
    pub(crate) async fn end(&self) -> Result<()> {
        if let Some(secret) = self.secret() {
            sqlx::query("DELETE FROM sessions WHERE id = ANY ($1)")
                .bind(candidates(&secret))
                .execute(&self.pool)
                .await?;
        }
        for name in [&self.jar.0.session, &self.jar.0.guest, &self.jar.0.user] {
            self.remove(name);
        }
        Ok(())
    }

    /// Makes the cookies last for another [`LIFE`], once a day, and notes that the user has been here.
    pub(crate) async fn renew(&self, user: &SignedIn) -> Result<()> {
        let guest = self.guest().filter(|guest| guest.id == user.id);
        let is_due = match &guest {
            Some(guest) => Utc::now().timestamp() - guest.since > RENEWAL.whole_seconds(),
            None => self.extend().await?,
        };
        if is_due {
            sqlx::query("UPDATE users SET seen_at = now() WHERE id = $1")
                .bind(&user.id)
                .execute(&self.pool)
                .await?;
            if guest.is_some() {
                self.add_guest(&user.id);
            } else if let Some(secret) = self.secret() {
                self.add_session(secret);
            }
        }
        // A page that was under way while somebody signed in may have left another's here.
        if is_due || self.cookies.get(&self.jar.0.user).is_none_or(|cookie| cookie.value() != user.id) {
            self.add_user(user.id.clone());
        }
        Ok(())
    }

    /// Whether that has made a session last longer.
    async fn extend(&self) -> Result<bool> {
        let Some(secret) = self.secret() else { return Ok(false) };
        let extended = sqlx::query(
            "UPDATE sessions SET expiry_date = now() + make_interval(days => $2)
             WHERE id = ANY ($1) AND expiry_date < now() + make_interval(days => $2 - $3)",
        )
        .bind(candidates(&secret))
        .bind(days(LIFE))
        .bind(days(RENEWAL))
        .execute(&self.pool)
        .await?;
        Ok(extended.rows_affected() > 0)
    }

    /// Whether the browser has been somebody, who is not signed in any more.
    fn has_been_somebody(&self) -> bool {
        self.cookies.get(&self.jar.0.user).is_some()
    }

    fn secret(&self) -> Option<String> {
        Some(self.cookies.get(&self.jar.0.session)?.value().to_owned())
    }

    fn guest(&self) -> Option<Guest> {
        let cookie = self.cookies.signed(&self.jar.0.key).get(&self.jar.0.guest)?;
        let (since, id) = cookie.value().split_once('.')?;
        let guest = Guest { id: id.to_owned(), since: since.parse().ok()? };
        (Utc::now().timestamp() - guest.since < LIFE.whole_seconds()).then_some(guest)
    }

    fn add_guest(&self, id: &str) {
        let value = format!("{}.{id}", Utc::now().timestamp());
        self.cookies.signed(&self.jar.0.key).add(cookie(self.jar.0.guest.clone(), value, true));
    }

    fn add_session(&self, secret: String) {
        self.cookies.add(cookie(self.jar.0.session.clone(), secret, true));
    }

    fn add_user(&self, id: String) {
        self.cookies.add(cookie(self.jar.0.user.clone(), id, false));
    }

    fn remove(&self, name: &str) {
        if self.cookies.get(name).is_some() {
            self.cookies.remove(cookie(name.to_owned(), String::new(), true));
        }
    }
}

/// What a guest's cookie says.
struct Guest {
    id: String,
    /// When the cookie was given out, in seconds since 1970.
    since: i64,
}

/// Not `Secure` here; see `headers::behind_tls`.
fn cookie(name: String, value: String, is_secret: bool) -> Cookie<'static> {
    let cookie = Cookie::build((name, value)).path("/").same_site(SameSite::Lax).max_age(LIFE);
    cookie.http_only(is_secret).build()
}

/// What Postgres keeps of a session's secret, so that nobody who reads the table can be its user.
fn stored(secret: &str) -> String {
    format!("{:x}", Sha256::digest(secret))
}

/// Under which ids a session may stand. Those from before stand under the secret itself, which has another length.
fn candidates(secret: &str) -> Vec<String> {
    let as_it_is = (secret.len() < 64 && !secret.contains('\0')).then(|| secret.to_owned());
    as_it_is.into_iter().chain([stored(secret)]).collect()
}

fn days(duration: Duration) -> i32 {
    i32::try_from(duration.whole_days()).unwrap_or(i32::MAX)
}
