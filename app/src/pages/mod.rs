//! One file a page.

mod account;
mod join;
mod list;
mod lists;
mod not_found;

pub use account::AccountPage;
pub use join::JoinPage;
pub use list::ListPage;
pub use lists::ListsPage;
pub use not_found::NotFoundPage;
