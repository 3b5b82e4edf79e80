//! What members of a list may do, and how the browser and the server speak about invitations.

use serde::{Deserialize, Serialize};

/// What a member may do on a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything: they made the list.
    Owner,
    /// Change the list and its todos.
    Editor,
    /// Read the list.
    Reader,
}

impl Role {
    /// The role of that name; `None` where it is one that this version does not know.
    pub fn named(name: &str) -> Option<Role> {
        [Role::Owner, Role::Editor, Role::Reader].into_iter().find(|role| role.as_str() == name)
    }

    /// The word in `members.role` and `invitations.role`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Editor => "editor",
            Role::Reader => "reader",
        }
    }

    /// Whether they may change the list and its todos.
    pub const fn can_edit(self) -> bool {
        matches!(self, Role::Owner | Role::Editor)
    }
}

/// What `GET /api/invitations/{id}` answers: what one is invited to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InvitationPreview {
    /// The list.
    pub list_id: String,
    /// What it is called.
    pub list_name: String,
    /// What who joins may do.
    pub role: Role,
    /// Whether the user is on the list already and may do as much.
    pub member: bool,
}

/// What `POST /api/invitations/{id}/join` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Joined {
    /// The list that the user is on now.
    pub list_id: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_role_is_the_same_word_in_postgres_and_on_the_wire() {
        for role in [Role::Owner, Role::Editor, Role::Reader] {
            assert_eq!(Role::named(role.as_str()), Some(role));
            assert_eq!(json!(role), role.as_str());
        }
        assert_eq!(Role::named("admin"), None);
    }
}
