//! The port through which pages make an account, sign in and out. Unlike everything else, that needs the server at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use leptos::prelude::use_context;
use schema::account::{Account, Credentials, Deletion, NewPassword};

/// What the server knows of who uses this browser. Implemented by `frontend` on `/api/account`.
///
/// What ends with another user than before loads the page anew, because each user has a local database of their own.
pub trait Accounts: Send + Sync {
    /// Whose session this is; `None` where it has ended.
    fn whose(&self) -> Answer<Option<Account>>;

    /// Makes an account of the guest.
    fn create(&self, credentials: Credentials) -> Answer<()>;

    /// Begins a session of that user. The local data of a guest who was here is deleted; that of a user whose session had
    /// ended stays, with what waits to be sent, until they are back.
    fn sign_in(&self, credentials: Credentials) -> Answer<()>;

    /// Ends the session and deletes the user's local data, unsent changes included.
    fn sign_out(&self) -> Answer<()>;

    /// Changes the password, and signs out everywhere else.
    fn change_password(&self, password: NewPassword) -> Answer<()>;

    /// Deletes the account with everything that the user owns, here and on the server.
    fn delete(&self, deletion: Deletion) -> Answer<()>;
}

/// What a question comes to, or why not, as a sentence for people. It is not `Send`: browsers have one thread for pages.
pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, String>>>>;

/// The port, as it stands in context.
#[derive(Clone)]
pub struct SharedAccounts(pub Arc<dyn Accounts>);

/// The port in context; `None` on a server.
pub fn use_accounts() -> Option<Arc<dyn Accounts>> {
    use_context::<SharedAccounts>().map(|accounts| accounts.0)
}
