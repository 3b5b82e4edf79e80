//! The smallest frontend.
use wasm_bindgen::prelude::wasm_bindgen;

/// Called by the page.
#[wasm_bindgen]
pub fn hydrate() {}
