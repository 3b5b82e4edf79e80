//! One file per command.

pub mod dev;
pub mod doctor;
pub mod down;
pub mod status;
pub mod sync_service;
pub mod test;
pub mod up;
