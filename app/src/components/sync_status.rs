use leptos::prelude::*;

use crate::confirm::confirmed;
use crate::store::{Status, changes, use_store};

/// Whether this device and the server agree, and a way out when the local database is stuck.
#[component]
pub fn SyncStatus() -> impl IntoView {
    let store = use_store();
    let status = store.as_ref().map(|store| store.status());
    // The server knows no status; the browser shows the same until hydration is done.
    let current = RwSignal::new(Status::default());
    Effect::new(move || {
        if let Some(status) = status {
            current.set(status.get());
        }
    });
    let reset = move |_| {
        let (open, unsent) = current.with_untracked(|status| (status.open, status.waiting));
        let question = match unsent {
            0 if !open => {
                "What has not been sent yet would be lost. Delete the data on this device?".to_owned()
            }
            0 => "Delete the data on this device and download it again?".to_owned(),
            unsent => format!(
                "{} not been sent yet and would be lost. Delete the data on this device?",
                changes(unsent, "has", "have")
            ),
        };
        if confirmed(&question)
            && let Some(store) = &store
        {
            store.reset();
        }
    };
    view! {
        <details class="sync">
            <summary>
                <span role="status" aria-label="Sync" class="sync-state" data-state=move || current.with(state)>
                    {move || current.with(sentence)}
                </span>
            </summary>
            <div class="sync-details">
                {move || current.with(errors).map(|error| error.map(|error| view! { <p>{error}</p> }))}
                <button type="button" on:click=reset>
                    "Reset local data"
                </button>
            </div>
        </details>
    }
}

fn state(status: &Status) -> &'static str {
    match status {
        Status { open_error: Some(_), .. } => "stuck",
        Status { open: false, .. } => "opening",
        Status { connected: true, waiting: 0, .. } => "synced",
        Status { connected: true, .. } => "uploading",
        Status { sync_error: Some(_), .. } => "refused",
        Status { tried: false, .. } => "opening",
        Status { connected: false, .. } => "offline",
    }
}

/// What is wrong, a sentence each.
fn errors(status: &Status) -> [Option<String>; 3] {
    [status.sync_error.clone(), status.upload_error.clone(), status.open_error.clone()]
}

fn sentence(status: &Status) -> String {
    match (state(status), status.waiting) {
        ("stuck", _) => "Local data cannot be opened".to_owned(),
        ("opening", _) => "Connecting".to_owned(),
        ("synced", _) if !status.has_synced => "Downloading".to_owned(),
        ("synced", _) => "Synced".to_owned(),
        ("refused", 0) => "Not syncing".to_owned(),
        ("refused", waiting) => format!("Not syncing, {} to send", changes(waiting, "", "")),
        ("uploading", waiting) => format!("Sending {}", changes(waiting, "", "")),
        (_, 0) => "Offline".to_owned(),
        (_, waiting) => format!("Offline, {} to send", changes(waiting, "", "")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_has_a_sentence() {
        let status = |open, connected, waiting| Status {
            open,
            tried: open,
            connected,
            waiting,
            has_synced: true,
            ..Status::default()
        };
        let sentences = [
            status(false, false, 0),
            Status { tried: false, ..status(true, false, 1) },
            status(true, false, 0),
            status(true, false, 1),
            status(true, true, 2),
            status(true, true, 0),
            Status { has_synced: false, ..status(true, true, 0) },
            Status { open_error: Some("no".to_owned()), ..Status::default() },
            Status { sync_error: Some("no".to_owned()), ..status(true, false, 0) },
            Status { sync_error: Some("no".to_owned()), ..status(true, false, 2) },
        ]
        .map(|status| sentence(&status));
        assert_eq!(
            sentences,
            [
                "Connecting",
                "Connecting",
                "Offline",
                "Offline, 1 change to send",
                "Sending 2 changes",
                "Synced",
                "Downloading",
                "Local data cannot be opened",
                "Not syncing",
                "Not syncing, 2 changes to send",
            ]
        );
    }
}
