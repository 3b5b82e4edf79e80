//! The app's [`Accounts`] on the server's `/api/account`.

use app::account::{Accounts, Answer};
use leptos::prelude::window;
use schema::account::{Account, Credentials, Deletion, NewPassword};
use send_wrapper::SendWrapper;
use serde::Serialize;

use crate::database::Opening;
use crate::identity::Leaving;
use crate::{http, offline, reset};

/// The accounts as this tab reaches them, with the local data of its user.
pub struct HttpAccounts {
    here: SendWrapper<Here>,
}

#[derive(Clone)]
struct Here {
    user_id: String,
    database: Opening,
}

impl HttpAccounts {
    /// For the user with that database.
    pub fn new(user_id: String, database: Opening) -> HttpAccounts {
        HttpAccounts { here: SendWrapper::new(Here { user_id, database }) }
    }
}

impl Accounts for HttpAccounts {
    fn whose(&self) -> Answer<Option<Account>> {
        Box::pin(whose())
    }

    fn create(&self, credentials: Credentials) -> Answer<()> {
        post("/api/account", credentials)
    }

    fn sign_in(&self, credentials: Credentials) -> Answer<()> {
        let here = (*self.here).clone();
        Box::pin(async move {
            let leaving = Leaving::begin();
            let before = whose().await?;
            let after: Account = http::json(http::post("/api/account/sign-in", &credentials).await?).await?;
            // Nobody can sign in as a guest, so what one has left here is of no more use to anybody.
            let guest_has_left =
                before.is_some_and(|before| before.name.is_none() && before.user_id != after.user_id);
            here.start_anew(leaving, guest_has_left).await;
            Ok(())
        })
    }

    fn sign_out(&self) -> Answer<()> {
        self.leave("/api/account/sign-out", ())
    }

    fn change_password(&self, password: NewPassword) -> Answer<()> {
        post("/api/account/password", password)
    }

    fn delete(&self, deletion: Deletion) -> Answer<()> {
        self.leave("/api/account/delete", deletion)
    }
}

impl HttpAccounts {
    /// The server comes first: without a network nothing is lost.
    fn leave(&self, path: &'static str, body: impl Serialize + 'static) -> Answer<()> {
        let here = (*self.here).clone();
        Box::pin(async move {
            let leaving = Leaving::begin();
            post(path, body).await?;
            here.start_anew(leaving, true).await;
            Ok(())
        })
    }
}

impl Here {
    /// Loads the first page, which is another user's now. What is stored for offline use names the one before.
    async fn start_anew(self, leaving: Leaving, clear: bool) {
        if clear {
            reset::clear(self.database, &self.user_id).await;
        }
        offline::forget().await;
        let _ = window().location().replace("/");
        // This page goes on for a moment, until the other one is there.
        std::mem::forget(leaving);
    }
}

async fn whose() -> Result<Option<Account>, String> {
    let response = http::get("/api/account").await?;
    match response.status() {
        401 => Ok(None),
        _ => http::json(response).await.map(Some),
    }
}

fn post(path: &'static str, body: impl Serialize + 'static) -> Answer<()> {
    Box::pin(async move { http::accepted(http::post(path, &body).await?).await.map(drop) })
}
