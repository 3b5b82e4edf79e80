//! cargo-leptos, which builds the app.

use anyhow::{Context, Result};

use super::{Status, cargo_install, child, rust};
use crate::progress::Progress;

/// Whether `cargo leptos` is here in a version that builds the app.
pub async fn check() -> Status {
    let version = child::output("cargo", &["leptos", "--version"]).await;
    let problem = match version.as_deref().map(|text| (text, supported(text))) {
        Some((text, true)) => return Status::Found(text.to_owned()),
        Some((text, false)) => format!("{text} is not 0.3.10 or a later 0.3"),
        None => "not installed".to_owned(),
    };
    let get = format!("cargo install cargo-leptos --locked --version {}", wanted().await);
    Status::Missing { problem, get }
}

/// Installs cargo-leptos for this user, if need be.
pub async fn ensure(progress: &Progress) -> Result<()> {
    let Status::Missing { problem, get } = check().await else { return Ok(()) };
    let step = progress.step(format!(
        "Installing cargo-leptos, which builds the app ({problem}): once, 5 to 15 minutes where it must be compiled"
    ));
    let wanted = wanted().await;
    if !cargo_install::download(&step, &[&format!("cargo-leptos@{wanted}")]).await {
        // Unoptimised, it compiles in less than half the time and builds apps no slower: the work is cargo's.
        let arguments = ["cargo-leptos", "--locked", "--version", wanted, "--debug", "--force"];
        cargo_install::compile(&step, &arguments, &[("CARGO_PROFILE_DEV_DEBUG", "0")], Some(730))
            .await
            .with_context(|| {
                format!("cargo-leptos could not be installed. Put right what is said below, or try `{get}` yourself.")
            })?;
    }
    step.done("Installed cargo-leptos");
    Ok(())
}

/// Later versions than 0.3.10 need a later compiler.
async fn wanted() -> &'static str {
    match rust::minor_version().await {
        Some(minor) if minor < 96 => "0.3.10",
        _ => "^0.3.10",
    }
}

/// From what `cargo leptos --version` prints.
fn supported(text: &str) -> bool {
    let numbers: Vec<u32> = text
        .trim_start_matches(|letter: char| !letter.is_ascii_digit())
        .split('.')
        .map_while(|number| number.parse().ok())
        .collect();
    matches!(numbers[..], [0, 3, patch, ..] if patch >= 10)
}

#[cfg(test)]
mod tests {
    use super::supported;

    #[test]
    fn from_0_3_10_to_below_0_4() {
        assert!(supported("cargo-leptos 0.3.10"));
        assert!(supported("cargo-leptos 0.3.11"));
        assert!(!supported("cargo-leptos 0.3.9"));
        assert!(!supported("cargo-leptos 0.4.0"));
        assert!(!supported(""));
    }
}
