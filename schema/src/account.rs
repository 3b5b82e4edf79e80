//! How people make an account and sign in: what `/api/account` and the paths below it take and answer, as JSON.

use serde::{Deserialize, Serialize};

/// Whose session a browser has, as `GET /api/account` answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The user's id.
    pub user_id: String,
    /// What they sign in with; `None` for a guest.
    pub name: Option<String>,
}

/// What somebody signs in with, at `POST /api/account/sign-in`, or is going to, at `POST /api/account`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// The user's name, 1 to 60 characters, in upper or lower case.
    pub name: String,
    /// Their password, [`SHORTEST_PASSWORD`] to [`LONGEST_PASSWORD`] characters.
    pub password: String,
}

/// A new password, for `POST /api/account/password`.
#[derive(Clone, Serialize, Deserialize)]
pub struct NewPassword {
    /// The one that it takes the place of.
    pub current: String,
    /// The new one.
    pub new: String,
}

/// What `POST /api/account/delete` wants to be sure.
#[derive(Clone, Serialize, Deserialize)]
pub struct Deletion {
    /// The password; `None` from a guest, who has none.
    pub password: Option<String>,
}

/// Characters of the shortest password that is taken.
pub const SHORTEST_PASSWORD: usize = 8;
/// Characters of the longest: enough for every sentence, and little to hash.
pub const LONGEST_PASSWORD: usize = 256;
