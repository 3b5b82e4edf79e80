//! The service worker, which lets the app start without a network.

use app::store::Snapshot;
use futures::future::join_all;
use js_sys::{Array, Promise};
use leptos::prelude::window;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{PerformanceResourceTiming, ServiceWorkerContainer};

/// One page of every route. Without a network the service worker serves them, rendered as skeletons, for all pages of their
/// route.
const PAGES: &[&str] = &["/", "/lists/offline", "/join/offline", "/account"];
/// Where the service worker keeps pages and files, by the name that it gives the place.
const CACHE: &str = "app";

/// Registers the service worker and lets it store what an offline start needs.
pub async fn prepare() {
    if let Err(error) = try_prepare().await {
        // The app works without; only a start without a network does not.
        leptos::logging::warn!("The app cannot be stored for offline use: {error:?}");
    }
}

/// Deletes the stored pages, which name the user whose they were.
pub async fn forget() {
    let Ok(caches) = window().caches() else { return };
    if let Err(error) = JsFuture::from(caches.delete(CACHE)).await {
        leptos::logging::warn!("The stored pages cannot be deleted: {error:?}");
    }
}

async fn try_prepare() -> Result<(), JsValue> {
    let workers = window().navigator().service_worker();
    let first_visit = workers.controller().is_none();
    JsFuture::from(workers.register("/sw.js")).await?;
    JsFuture::from(workers.ready()?).await?;
    let mut urls: Vec<String> = PAGES.iter().map(|page| format!("{page}?{}", Snapshot::SKELETON)).collect();
    if first_visit {
        // A worker that is ready has not yet taken over this page, and sees none of its requests until it has. What
        // the page loaded before went past it.
        controller(&workers).await?;
        urls.extend(loaded_resources());
    }
    join_all(urls.iter().map(|url| JsFuture::from(window().fetch_with_str(url)))).await;
    Ok(())
}

/// Ends when the service worker has taken over this page.
async fn controller(workers: &ServiceWorkerContainer) -> Result<(), JsValue> {
    if workers.controller().is_none() {
        let changed = Promise::new(&mut |resolve, _| workers.set_oncontrollerchange(Some(&resolve)));
        JsFuture::from(changed).await?;
    }
    Ok(())
}

fn loaded_resources() -> Vec<String> {
    let entries = window()
        .performance()
        .map_or_else(Array::new, |performance| performance.get_entries_by_type("resource"));
    let origin = window().location().origin().unwrap_or_default();
    entries
        .iter()
        .map(|entry| entry.unchecked_into::<PerformanceResourceTiming>().name())
        .filter(|url| url.strip_prefix(&origin).is_some_and(|path| !path.starts_with("/api/")))
        .collect()
}
