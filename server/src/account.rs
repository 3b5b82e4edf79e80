//! Accounts: a guest takes a name and a password, signs in elsewhere, and may leave with everything.

mod export;
mod name;
mod password;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    routing::{get, post},
};
use schema::account::{Account, Credentials, Deletion, NewPassword, SHORTEST_PASSWORD};
use sqlx::{PgConnection, PgPool};

use crate::{
    AppState,
    body::Body,
    client_ip::ClientIp,
    error::{Error, Result},
    limits,
    session::{Browser, NewSession, SignedIn},
    users,
};

/// Does what must have happened before the first request.
pub(crate) async fn prepare(pool: &PgPool) -> Result<()> {
    name::add_missing_keys(pool).await?;
    password::prepare().await
}

/// `/api/account` and what is below it.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/account", get(whose).post(create))
        .route("/api/account/sign-in", post(sign_in))
        .route("/api/account/sign-out", post(sign_out))
        .route("/api/account/password", post(change_password))
        .route("/api/account/delete", post(delete))
        .route("/api/account/export", get(export::get))
        .layer(DefaultBodyLimit::max(16 * 1024))
}

/// `GET /api/account`: who is signed in here.
async fn whose(State(state): State<AppState>, user: SignedIn) -> Result<Json<Account>> {
    let name = User::of_id(&state.pool, &user.id).await?.and_then(|user| user.name);
    Ok(Json(Account { user_id: user.id, name }))
}

/// `POST /api/account`: makes an account of the guest who asks. What they have stays theirs.
async fn create(
    State(state): State<AppState>,
    client: ClientIp,
    guest: SignedIn,
    browser: Browser,
    Body(Credentials { name, password }): Body<Credentials>,
) -> Result<Json<Account>> {
    state.rate_limits.password(client)?;
    let name = name::normalized(&name);
    name::check(&name)?;
    check_password(&password)?;
    let hash = password::hash(password).await?;
    users::ensure(&state, client, &guest).await?;
    let mut transaction = state.pool.begin().await?;
    let made = sqlx::query(
        "UPDATE users SET name = $2, name_key = $3, password_hash = $4 WHERE id = $1 AND name IS NULL",
    )
    .bind(&guest.id)
    .bind(&name)
    .bind(name::key(&name))
    .bind(hash)
    .execute(&mut *transaction)
    .await
    .map_err(|error| match error.as_database_error() {
        Some(reason) if reason.is_unique_violation() => {
            conflict("Somebody has this name already, or one that looks like it: choose another, or sign in.")
        }
        _ => error.into(),
    })?;
    if made.rows_affected() == 0 {
        return Err(conflict("You have an account already."));
    }
    let session = anew(&mut transaction, &guest.id).await?;
    transaction.commit().await?;
    browser.adopt(session);
    Ok(Json(Account { user_id: guest.id, name: Some(name) }))
}

/// `POST /api/account/sign-in`: begins a session of the user of that name.
async fn sign_in(
    State(state): State<AppState>,
    client: ClientIp,
    browser: Browser,
    Body(Credentials { name, password }): Body<Credentials>,
) -> Result<Json<Account>> {
    state.rate_limits.password(client)?;
    let name = name::normalized(&name);
    let user = User::of_name(&state.pool, &name).await?;
    // However a name is written, guesses at one user's password count together.
    state.rate_limits.sign_in(user.as_ref().map_or(&name, |user| &user.id))?;
    // Where there is no such user the password is compared all the same, so that the time it takes tells nobody.
    let hash = user.as_ref().and_then(|user| user.password_hash.clone());
    let right = password::is_right(password, hash).await?;
    match user {
        Some(user) if right => {
            browser.adopt(NewSession::begin(&state.pool, &user.id).await?);
            Ok(Json(Account { user_id: user.id, name: user.name }))
        }
        _ => Err(refused(StatusCode::UNAUTHORIZED, "The name or the password is wrong.")),
    }
}

/// `POST /api/account/sign-out`: ends the session, if there is one.
async fn sign_out(browser: Browser) -> Result<StatusCode> {
    browser.end().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/account/password`: changes the password, and ends all other sessions of the user.
async fn change_password(
    State(state): State<AppState>,
    client: ClientIp,
    SignedIn { id, .. }: SignedIn,
    browser: Browser,
    Body(NewPassword { current, new }): Body<NewPassword>,
) -> Result<StatusCode> {
    state.rate_limits.password(client)?;
    check_password(&new)?;
    let user = User::of_id(&state.pool, &id).await?.ok_or(Error::Unauthenticated)?;
    user.prove(current).await?;
    let hash = password::hash(new).await?;
    let mut transaction = state.pool.begin().await?;
    sqlx::query(
        "UPDATE users SET password_hash = $2, session_generation = session_generation + 1 WHERE id = $1",
    )
    .bind(&id)
    .bind(hash)
    .execute(&mut *transaction)
    .await?;
    let session = anew(&mut transaction, &id).await?;
    transaction.commit().await?;
    browser.adopt(session);
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all sessions of a user, and begins one.
async fn anew(connection: &mut PgConnection, user_id: &str) -> sqlx::Result<NewSession> {
    sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(user_id).execute(&mut *connection).await?;
    NewSession::begin(connection, user_id).await
}

/// `POST /api/account/delete`: deletes the user, with their lists, their sessions and everything else of theirs. Nothing that
/// is still on its way, such as a queued upload, makes that user again.
async fn delete(
    State(state): State<AppState>,
    client: ClientIp,
    SignedIn { id, .. }: SignedIn,
    browser: Browser,
    Body(Deletion { password }): Body<Deletion>,
) -> Result<StatusCode> {
    state.rate_limits.password(client)?;
    let user = User::of_id(&state.pool, &id).await?;
    if let Some(account) = user.filter(|user| user.name.is_some()) {
        account.prove(password.unwrap_or_default()).await?;
    }
    let mut transaction = state.pool.begin().await?;
    sqlx::query("SELECT set_config('statement_timeout', $1, true)")
        .bind(limits::DELETION.as_millis().to_string())
        .execute(&mut *transaction)
        .await?;
    // A guest without a row gets one to delete, so that a first upload which comes at this moment takes its turn.
    users::insert(&mut *transaction, &id).await?;
    sqlx::query("DELETE FROM users WHERE id = $1").bind(&id).execute(&mut *transaction).await?;
    transaction.commit().await?;
    browser.end().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(sqlx::FromRow)]
struct User {
    id: String,
    name: Option<String>,
    password_hash: Option<String>,
}

impl User {
    async fn of_id(pool: &PgPool, id: &str) -> Result<Option<User>> {
        let user = "SELECT id, name, password_hash FROM users WHERE id = $1";
        Ok(sqlx::query_as(user).bind(id).fetch_optional(pool).await?)
    }

    /// The user of that name, as they have written it, or of the one that looks like it.
    async fn of_name(pool: &PgPool, name: &str) -> Result<Option<User>> {
        let user = "SELECT id, name, password_hash FROM users WHERE lower(name) = lower($1) OR name_key = $2
             ORDER BY lower(name) = lower($1) DESC LIMIT 1";
        Ok(sqlx::query_as(user).bind(name).bind(name::key(name)).fetch_optional(pool).await?)
    }

    /// A page that somebody has left open must not be enough to take the account over.
    async fn prove(&self, password: String) -> Result<()> {
        match password::is_right(password, self.password_hash.clone()).await? {
            true => Ok(()),
            false => Err(refused(StatusCode::FORBIDDEN, "The password is wrong.")),
        }
    }
}

fn check_password(password: &str) -> Result<()> {
    if password.chars().count() >= SHORTEST_PASSWORD {
        return Ok(());
    }
    let sentence = format!("A password must have at least {SHORTEST_PASSWORD} characters.");
    Err(Error::Refused(StatusCode::UNPROCESSABLE_ENTITY, sentence))
}

fn conflict(sentence: &str) -> Error {
    refused(StatusCode::CONFLICT, sentence)
}

fn refused(status: StatusCode, sentence: &str) -> Error {
    Error::Refused(status, sentence.to_owned())
}
