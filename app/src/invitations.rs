//! The port through which people join lists. Unlike [`crate::store`], it needs the network: who joins has nothing yet.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use leptos::prelude::use_context;
use schema::sharing::{InvitationPreview, Joined};

/// The server's answers about invitations. Implemented by `frontend` over HTTP.
pub trait Invitations: Send + Sync {
    /// What one is invited to.
    fn preview(&self, id: String) -> Answer<InvitationPreview>;

    /// Makes the user a member of the list.
    fn join(&self, id: String) -> Answer<Joined>;
}

/// An answer that is yet to come. It is not `Send`: browsers have one thread for pages.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, InvitationError>>>>;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum InvitationError {
    /// The invitation has expired, is used up or was revoked, or its list deleted, or there never was one.
    NotValid,
    /// Something that may be better at the next try, as a sentence for people.
    Failed(String),
}

/// The port as it stands in context.
#[derive(Clone)]
pub struct SharedInvitations(pub Arc<dyn Invitations>);

/// The port in context; `None` on a server.
pub fn use_invitations() -> Option<Arc<dyn Invitations>> {
    use_context::<SharedInvitations>().map(|invitations| invitations.0)
}
