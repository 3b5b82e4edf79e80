//! The way out when the local database is stuck, or its user leaves.

use futures::{FutureExt, select_biased};
use gloo_timers::future::TimeoutFuture;
use leptos::prelude::window;
use wasm_bindgen_futures::JsFuture;

use crate::database::{self, Opening};

/// How long a database that is only being opened is waited for.
const PATIENCE_MS: u32 = 3000;

/// Deletes the local data of a user and loads the page again, which downloads it anew.
pub async fn reset(opening: Opening, user_id: String) {
    clear(opening, &user_id).await;
    let _ = window().location().reload();
}

/// Deletes the local data of a user, unsent changes included. A database that does not open is deleted from outside.
pub async fn clear(opening: Opening, user_id: &str) {
    let opened = select_biased! {
        opened = opening.fuse() => opened.ok(),
        () = TimeoutFuture::new(PATIENCE_MS).fuse() => None,
    };
    let cleared = match opened {
        Some(database) => database.sdk().disconnect_and_clear().await.map(drop),
        None => delete_files(user_id).await,
    };
    if let Err(error) = cleared {
        leptos::logging::warn!("The local data could not be deleted: {error:?}");
    }
}

async fn delete_files(user_id: &str) -> Result<(), wasm_bindgen::JsValue> {
    let file = database::file_name(user_id);
    if let Ok(Some(indexed)) = window().indexed_db() {
        indexed.delete_database(&file)?;
    }
    let folder: web_sys::FileSystemDirectoryHandle =
        JsFuture::from(window().navigator().storage().get_directory()).await?.into();
    for suffix in ["", "-journal", "-wal"] {
        // Not each of them exists.
        let _ = JsFuture::from(folder.remove_entry(&format!("{file}{suffix}"))).await;
    }
    Ok(())
}
