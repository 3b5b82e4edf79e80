//! The app's [`Invitations`] over HTTP.

use app::invitations::{Answer, InvitationError, Invitations};
use gloo_net::http::{Request, RequestBuilder};
use js_sys::encode_uri_component;
use schema::sharing::{InvitationPreview, Joined};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The server that this page comes from.
pub struct ServersInvitations;

impl Invitations for ServersInvitations {
    fn preview(&self, id: String) -> Answer<InvitationPreview> {
        Box::pin(answer(Request::get(&address(&id))))
    }

    fn join(&self, id: String) -> Answer<Joined> {
        Box::pin(answer(Request::post(&format!("{}/join", address(&id)))))
    }
}

fn address(id: &str) -> String {
    format!("/api/invitations/{}", encode_uri_component(id))
}

/// What the server says where it has no answer.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

async fn answer<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, InvitationError> {
    let unreachable = |_| {
        InvitationError::Failed("The server could not be reached. Joining a list needs a network.".to_owned())
    };
    let response = request.send().await.map_err(unreachable)?;
    match response.status() {
        200 => response.json().await.map_err(unreachable),
        404 => Err(InvitationError::NotValid),
        status => Err(InvitationError::Failed(match response.json().await {
            Ok(Refusal { error }) => error,
            Err(_) => format!("The server answered with status {status}."),
        })),
    }
}
