//! What the app is called.

/// The app's name, as its pages and browser tabs bear it.
pub const TITLE: &str = "Realtime";
