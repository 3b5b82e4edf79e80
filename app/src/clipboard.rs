//! The clipboard of the browser.

use leptos::prelude::window;
use wasm_bindgen_futures::JsFuture;

/// Puts a text there. `false` where the browser has none for this page, or does not let it.
pub async fn write(text: &str) -> bool {
    let clipboard = window().navigator().clipboard();
    // Where a site is not served over https the property is not there.
    !clipboard.is_undefined() && JsFuture::from(clipboard.write_text(text)).await.is_ok()
}
