//! Parts that pages are made of.

mod editable_row;
mod fields;
mod loading;
mod name_form;
mod notices;
mod secret_form;
mod sharing;
mod sync_status;

pub use editable_row::EditableRow;
pub use fields::{Fields, Live};
pub use loading::Loading;
pub use name_form::NameForm;
pub use notices::Notices;
pub use secret_form::{SecretField, SecretForm};
pub use sharing::Sharing;
pub use sync_status::SyncStatus;
