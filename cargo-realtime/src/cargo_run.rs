//! What `cargo run` tells the program that it runs.

use tokio::process::Command;

/// Takes from a command what `cargo run`, the alias behind `cargo realtime`, has set for this very program.
///
/// Cargo does not set these variables for itself, so a cargo below us would see them change between a call of ours and one
/// from the shell, and run every build script again that looks at one of them: half of the app's dependencies.
pub fn forget(command: &mut Command) {
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.to_str().is_some_and(is_about_us)) {
        command.env_remove(name);
    }
}

fn is_about_us(name: &str) -> bool {
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"];
    name == "OUT_DIR" || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cargo_below_us_does_not_see_our_own_manifest() {
        let mut command = Command::new("cargo");
        forget(&mut command);
        // Whoever runs this test has set it for us.
        for variable in ["CARGO_MANIFEST_DIR", "OUT_DIR"] {
            let removed = command.as_std().get_envs().find(|(name, _)| *name == variable);
            assert_eq!(removed.map(|(_, value)| value), Some(None), "{variable}");
        }
    }
}
