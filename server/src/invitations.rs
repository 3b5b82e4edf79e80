//! Links by which people join a list.
//!
//! Whoever knows an invitation's id may join, and nobody else than the list's owner may read one by the policies. So all of
//! this runs as the server's own role.

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, header, request::Parts},
    response::IntoResponse,
};
use schema::sharing::{InvitationPreview, Joined, Role};
use sqlx::PgPool;

use crate::{
    AppState,
    client_ip::ClientIp,
    error::{Error, Result},
    retry::retried,
    session::SignedIn,
    users,
};

/// `GET /api/invitations/{id}`: what one is invited to. To a member it stays a way to the list when it is not valid any more.
pub(crate) async fn get(
    State(state): State<AppState>,
    client: ClientIp,
    SignedIn { id: user_id, .. }: SignedIn,
    InvitationId(id): InvitationId,
) -> Result<impl IntoResponse> {
    state.rate_limits.invitation(&user_id, client)?;
    let invitation: Option<(String, String, String, bool)> = sqlx::query_as(
        "SELECT list_id, lists.name, invitations.role, member
         FROM invitations JOIN lists ON lists.id = list_id, LATERAL (SELECT EXISTS (
             SELECT FROM members WHERE members.list_id = lists.id AND user_id = $2
                 AND (members.role <> 'reader' OR invitations.role = 'reader')
         )) AS of_user (member)
         WHERE invitations.id = $1 AND (member OR (expires_at > now() AND uses_left IS DISTINCT FROM 0))",
    )
    .bind(id)
    .bind(user_id)
    .fetch_optional(&state.pool)
    .await?;
    let (list_id, list_name, role, member) = invitation.ok_or(Error::NoSuchInvitation)?;
    let role = Role::named(&role).ok_or(Error::Internal)?;
    let preview = InvitationPreview { list_id, list_name, role, member };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(preview)))
}

/// `POST /api/invitations/{id}/join`: makes the user a member. It never takes a right away from one who is.
pub(crate) async fn join(
    State(state): State<AppState>,
    client: ClientIp,
    user: SignedIn,
    InvitationId(id): InvitationId,
) -> Result<Json<Joined>> {
    state.rate_limits.invitation(&user.id, client)?;
    users::ensure(&state, client, &user).await?;
    let list_id = retried(|| join_once(&state.pool, &user.id, &id)).await.map_err(|error| {
        match error.as_database_error() {
            // Raised by a trigger, whose message is meant to be read: that is one list too many.
            Some(reason) if reason.code().as_deref() == Some("P0001") => {
                Error::Refused(StatusCode::CONFLICT, reason.message().to_owned())
            }
            _ => error.into(),
        }
    })?;
    list_id.map(|list_id| Json(Joined { list_id })).ok_or(Error::NoSuchInvitation)
}

/// Joins in one transaction, and returns the list; `None` where the invitation is not valid.
///
/// What it depends on is locked, one after the other, each read anew when the lock is there: so it either waits for somebody
/// who takes the right to join away, and sees that they have, or they wait, and find a member to remove. The order is that
/// of a removal, the member before the invitations, so that neither waits for the other.
async fn join_once(pool: &PgPool, user_id: &str, id: &str) -> sqlx::Result<Option<String>> {
    let mut transaction = pool.begin().await?;
    // Nobody else makes a member of this user meanwhile.
    let user = sqlx::query("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE")
        .bind(user_id)
        .fetch_optional(&mut *transaction)
        .await?;
    let list_id: Option<String> = sqlx::query_scalar(
        "SELECT list_id FROM invitations JOIN lists ON lists.id = list_id WHERE invitations.id = $1
         FOR KEY SHARE OF lists",
    )
    .bind(id)
    .fetch_optional(&mut *transaction)
    .await?;
    let (Some(_), Some(list_id)) = (user, list_id) else { return Ok(None) };
    let is: Option<String> =
        sqlx::query_scalar("SELECT role FROM members WHERE list_id = $1 AND user_id = $2 FOR UPDATE")
            .bind(&list_id)
            .bind(user_id)
            .fetch_optional(&mut *transaction)
            .await?;
    let invitation: Option<(String, bool)> = sqlx::query_as(
        "SELECT role, expires_at > now() AND uses_left IS DISTINCT FROM 0 FROM invitations
         WHERE id = $1 AND list_id = $2 FOR UPDATE",
    )
    .bind(id)
    .bind(&list_id)
    .fetch_optional(&mut *transaction)
    .await?;
    let Some((role, valid)) = invitation else { return Ok(None) };
    // They are on the list already: perhaps they have asked before, and not got the answer.
    if is.is_some_and(|is| is != Role::Reader.as_str() || role == Role::Reader.as_str()) {
        return Ok(Some(list_id));
    }
    if !valid {
        return Ok(None);
    }
    sqlx::query(
        "WITH joined AS (
             INSERT INTO members (list_id, user_id, role, name) SELECT $1, id, $3, name FROM users WHERE id = $2
             ON CONFLICT ON CONSTRAINT members_once DO UPDATE SET role = excluded.role
         )
         UPDATE invitations SET uses_left = uses_left - 1 WHERE id = $4 AND uses_left IS NOT NULL",
    )
    .bind(&list_id)
    .bind(user_id)
    .bind(role)
    .bind(id)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Some(list_id))
}

/// The id in the path. What cannot be one, because Postgres could not store it, is the id of no invitation.
pub(crate) struct InvitationId(String);

impl FromRequestParts<AppState> for InvitationId {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<InvitationId> {
        let id = Path::<String>::from_request_parts(parts, state).await.ok();
        id.filter(|Path(id)| !id.contains('\0'))
            .map(|Path(id)| InvitationId(id))
            .ok_or(Error::NoSuchInvitation)
    }
}
