//! The app's [`Invitations`] on the server's `/api/invitations`.

use app::invitations::{Answer, InvitationError, Invitations};
use gloo_net::http::Response;
use js_sys::encode_uri_component;
use schema::sharing::{InvitationPreview, Joined};
use serde::de::DeserializeOwned;

use crate::http;

/// The server that this page comes from.
pub struct ServersInvitations;

impl Invitations for ServersInvitations {
    fn preview(&self, id: String) -> Answer<InvitationPreview> {
        Box::pin(async move { answer(http::get(&address(&id)).await).await })
    }

    fn join(&self, id: String) -> Answer<Joined> {
        Box::pin(async move { answer(http::post(&format!("{}/join", address(&id)), &()).await).await })
    }
}

fn address(id: &str) -> String {
    format!("/api/invitations/{}", encode_uri_component(id))
}

async fn answer<T: DeserializeOwned>(response: Result<Response, String>) -> Result<T, InvitationError> {
    let response = response.map_err(InvitationError::Failed)?;
    if response.status() == 404 {
        return Err(InvitationError::NotValid);
    }
    http::json(response).await.map_err(InvitationError::Failed)
}
