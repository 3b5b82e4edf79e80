//! Parts that pages are made of.

mod editable_row;
mod fields;
mod loading;
mod name_form;
mod not_there;
mod notices;
mod page_title;
mod rows;
mod secret_form;
mod sharing;
mod sync_status;

pub use editable_row::EditableRow;
pub use fields::{Fields, Live, use_live};
pub use loading::Loading;
pub use name_form::NameForm;
pub use not_there::NotThere;
pub use notices::Notices;
pub use page_title::PageTitle;
pub use rows::Rows;
pub use secret_form::{SecretField, SecretForm};
pub use sharing::Sharing;
pub use sync_status::SyncStatus;
