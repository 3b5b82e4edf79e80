//! Questions before what cannot be undone.

use leptos::prelude::window;

/// Asks, and waits for the answer. A browser that cannot ask has not got a yes.
pub fn confirmed(question: &str) -> bool {
    window().confirm_with_message(question).unwrap_or(false)
}
