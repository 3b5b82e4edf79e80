//! One file per command.

pub mod down;
pub mod status;
pub mod sync_service;
pub mod up;
