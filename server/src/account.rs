//! Accounts: a guest takes a name and a password, signs in elsewhere, and may leave with everything.

mod password;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use schema::account::{Account, Credentials, Deletion, NewPassword, SHORTEST_PASSWORD};
use sqlx::PgPool;

use crate::{
    AppState,
    body::Body,
    client_ip::ClientIp,
    error::{Error, Result},
    session::{BrowserSession, SignedIn},
};

/// `/api/account` and what is below it.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/account", get(whose).post(create))
        .route("/api/account/sign-in", post(sign_in))
        .route("/api/account/sign-out", post(sign_out))
        .route("/api/account/password", post(change_password))
        .route("/api/account/delete", post(delete))
        .layer(DefaultBodyLimit::max(16 * 1024))
}

/// `GET /api/account`: who is signed in here.
async fn whose(State(state): State<AppState>, SignedIn(user_id): SignedIn) -> Result<Json<Account>> {
    let User { name, .. } = User::of_id(&state.pool, &user_id).await?;
    Ok(Json(Account { user_id, name }))
}

/// `POST /api/account`: makes an account of the guest who asks. What they have stays theirs.
async fn create(
    State(state): State<AppState>,
    client: ClientIp,
    SignedIn(user_id): SignedIn,
    session: BrowserSession,
    Body(Credentials { name, password }): Body<Credentials>,
) -> Result<Json<Account>> {
    state.rate_limits.password(client)?;
    let name = name.trim();
    check_name(name)?;
    check_password(&password)?;
    let hash = password::hash(password).await?;
    let generation: Option<i64> = sqlx::query_scalar(
        "UPDATE users SET name = $2, password_hash = $3 WHERE id = $1 AND name IS NULL RETURNING session_generation",
    )
    .bind(&user_id)
    .bind(name)
    .bind(hash)
    .fetch_optional(&state.pool)
    .await
    .map_err(|error| match error.as_database_error() {
        Some(reason) if reason.is_unique_violation() => {
            conflict("Somebody has this name already: choose another, or sign in.")
        }
        _ => error.into(),
    })?;
    let generation = generation.ok_or_else(|| conflict("You have an account already."))?;
    session.begin(&user_id, generation).await?;
    Ok(Json(Account { user_id, name: Some(name.to_owned()) }))
}

/// `POST /api/account/sign-in`: begins a session of the user of that name.
async fn sign_in(
    State(state): State<AppState>,
    client: ClientIp,
    session: BrowserSession,
    Body(Credentials { name, password }): Body<Credentials>,
) -> Result<Json<Account>> {
    state.rate_limits.password(client)?;
    // Postgres cannot be asked for a text with this character.
    let name = name.replace('\0', "");
    let user = User::of_name(&state.pool, name.trim()).await?;
    // However a name is written, guesses at one user's password count together.
    state.rate_limits.sign_in(user.as_ref().map_or(&name, |user| &user.id))?;
    // Where there is no such user the password is compared all the same, so that the time it takes tells nobody.
    let hash = user.as_ref().and_then(|user| user.password_hash.clone());
    let right = password::is_right(password, hash).await?;
    match user {
        Some(user) if right => {
            session.begin(&user.id, user.session_generation).await?;
            Ok(Json(Account { user_id: user.id, name: user.name }))
        }
        _ => Err(refused(StatusCode::UNAUTHORIZED, "The name or the password is wrong.")),
    }
}

/// `POST /api/account/sign-out`: ends the session, if there is one.
async fn sign_out(session: BrowserSession) -> Result<impl IntoResponse> {
    Ok((session.end().await?, StatusCode::NO_CONTENT))
}

/// `POST /api/account/password`: changes the password, and ends all other sessions of the user.
async fn change_password(
    State(state): State<AppState>,
    client: ClientIp,
    SignedIn(user_id): SignedIn,
    session: BrowserSession,
    Body(NewPassword { current, new }): Body<NewPassword>,
) -> Result<StatusCode> {
    state.rate_limits.password(client)?;
    check_password(&new)?;
    let user = User::of_id(&state.pool, &user_id).await?;
    user.prove(current).await?;
    let hash = password::hash(new).await?;
    let generation: i64 = sqlx::query_scalar(
        "UPDATE users SET password_hash = $2, session_generation = session_generation + 1
         WHERE id = $1 RETURNING session_generation",
    )
    .bind(&user_id)
    .bind(hash)
    .fetch_one(&state.pool)
    .await?;
    session.begin(&user_id, generation).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/account/delete`: deletes the user, with their lists and everything on them.
async fn delete(
    State(state): State<AppState>,
    client: ClientIp,
    SignedIn(user_id): SignedIn,
    session: BrowserSession,
    Body(Deletion { password }): Body<Deletion>,
) -> Result<impl IntoResponse> {
    state.rate_limits.password(client)?;
    let user = User::of_id(&state.pool, &user_id).await?;
    if user.name.is_some() {
        user.prove(password.unwrap_or_default()).await?;
    }
    sqlx::query("DELETE FROM users WHERE id = $1").bind(&user_id).execute(&state.pool).await?;
    Ok((session.end().await?, StatusCode::NO_CONTENT))
}

#[derive(sqlx::FromRow)]
struct User {
    id: String,
    name: Option<String>,
    password_hash: Option<String>,
    session_generation: i64,
}

impl User {
    async fn of_id(pool: &PgPool, id: &str) -> Result<User> {
        let user = "SELECT id, name, password_hash, session_generation FROM users WHERE id = $1";
        sqlx::query_as(user).bind(id).fetch_optional(pool).await?.ok_or(Error::Unauthenticated)
    }

    async fn of_name(pool: &PgPool, name: &str) -> Result<Option<User>> {
        let user =
            "SELECT id, name, password_hash, session_generation FROM users WHERE lower(name) = lower($1)";
        Ok(sqlx::query_as(user).bind(name).fetch_optional(pool).await?)
    }

    /// Whoever finds an open page must not be able to take the account over.
    async fn prove(&self, password: String) -> Result<()> {
        match password::is_right(password, self.password_hash.clone()).await? {
            true => Ok(()),
            false => Err(refused(StatusCode::FORBIDDEN, "The password is wrong.")),
        }
    }
}

fn check_name(name: &str) -> Result<()> {
    if (1..=60).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(refused(StatusCode::UNPROCESSABLE_ENTITY, "A name must have 1 to 60 characters."))
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
