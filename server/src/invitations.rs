//! Links by which people join a list.
//!
//! Whoever knows an invitation's id may join, and nobody else than the list's owner may read one by the policies. So all of
//! this runs as the server's own role.

use axum::{
    Json,
    extract::{FromRequestParts, Path, State},
    http::{header, request::Parts},
    response::IntoResponse,
};
use schema::sharing::{InvitationPreview, Joined, Role};

use crate::{
    AppState,
    client_ip::ClientIp,
    error::{Error, Result},
    session::SignedIn,
    users,
};

/// `GET /api/invitations/{id}`: what one is invited to.
pub(crate) async fn get(
    State(state): State<AppState>,
    SignedIn { id: user_id, .. }: SignedIn,
    InvitationId(id): InvitationId,
) -> Result<impl IntoResponse> {
    let invitation: Option<(String, String, String, bool)> = sqlx::query_as(
        "SELECT lists.id, lists.name, invitations.role, EXISTS (
             SELECT FROM members WHERE list_id = lists.id AND user_id = $2
                 AND (members.role <> 'reader' OR invitations.role = 'reader')
         )
         FROM invitations JOIN lists ON lists.id = list_id WHERE invitations.id = $1",
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
    users::ensure(&state, client, &user).await?;
    // The list is locked, so that one which is being deleted is gone here, too, and not a foreign key that does not hold.
    let list_id: Option<String> = sqlx::query_scalar(
        "WITH invitation AS (
             SELECT list_id, role FROM invitations JOIN lists ON lists.id = list_id
             WHERE invitations.id = $1 FOR KEY SHARE OF lists
         ), joined AS (
             INSERT INTO members (list_id, user_id, role, name)
             SELECT list_id, users.id, role, name FROM invitation, users WHERE users.id = $2 FOR SHARE OF users
             ON CONFLICT ON CONSTRAINT members_once DO UPDATE SET role = excluded.role
             WHERE members.role = 'reader' AND excluded.role = 'editor'
         )
         SELECT list_id FROM invitation",
    )
    .bind(id)
    .bind(user.id)
    .fetch_optional(&state.pool)
    .await?;
    list_id.map(|list_id| Json(Joined { list_id })).ok_or(Error::NoSuchInvitation)
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
