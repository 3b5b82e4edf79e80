//! Node.js, npm and what npm installs into the app.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::Value;
use tokio::process::Command;

use super::{Status, child};
use crate::progress::Progress;
use crate::workspace::Workspace;

/// The oldest Node.js that the app's packages run on.
const OLDEST: u32 = 20;

/// Whether Node.js is here, and young enough.
pub async fn node() -> Status {
    let missing = |problem: String| Status::Missing {
        problem,
        get: format!("install Node.js {OLDEST} or newer, from nodejs.org or your package manager"),
    };
    let Some(version) = child::output("node", &["--version"]).await else {
        return missing("not installed".to_owned());
    };
    let major: Option<u32> = version.trim_start_matches('v').split('.').next().and_then(|it| it.parse().ok());
    match major {
        Some(major) if major >= OLDEST => Status::Found(version),
        _ => missing(format!("{version} is too old")),
    }
}

/// Whether npm is here.
pub async fn npm() -> Status {
    match child::output("npm", &["--version"]).await {
        Some(version) => Status::Found(version),
        None => Status::Missing {
            problem: "not installed".to_owned(),
            get: "install npm; it usually comes with Node.js (Debian: apt-get install npm)".to_owned(),
        },
    }
}

/// Whether node_modules has what package-lock.json says.
pub fn modules(workspace: &Workspace) -> Status {
    let root = &workspace.root;
    let problem = match (packages(&root.join("package-lock.json")), packages(&root.join(INSTALLED))) {
        (_, None) => "not installed",
        (Some(wanted), Some(installed)) if !is_in_sync(&wanted, &installed) => {
            "not what package-lock.json says"
        }
        _ => return Status::Found("as package-lock.json says".to_owned()),
    };
    Status::Missing { problem: problem.to_owned(), get: "npm ci".to_owned() }
}

/// Whether release builds can be optimised.
pub fn wasm_opt(workspace: &Workspace) -> Status {
    let program = workspace.root.join("node_modules/.bin/wasm-opt");
    match program.exists() {
        true => Status::Found(program.display().to_string()),
        false => Status::Missing { problem: "not installed".to_owned(), get: "npm ci".to_owned() },
    }
}

/// Makes node_modules what package-lock.json says.
pub async fn ensure(workspace: &Workspace, progress: &Progress) -> Result<()> {
    for (name, status) in [("Node.js", node().await), ("npm", npm().await)] {
        if let Status::Missing { problem, get } = status {
            bail!("{name}: {problem}. To go on, {get}.");
        }
    }
    if let Status::Found(_) = modules(workspace) {
        return Ok(());
    }
    let step = progress.step("Installing the app's npm packages (npm ci): about half a minute");
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund"]).current_dir(&workspace.root);
    child::run(npm, |line| step.detail(line)).await?;
    step.done("Installed the app's npm packages");
    Ok(())
}

/// Where npm notes what it has installed.
const INSTALLED: &str = "node_modules/.package-lock.json";

fn packages(lock_file: &Path) -> Option<serde_json::Map<String, Value>> {
    let mut lock: Value = serde_json::from_str(&fs::read_to_string(lock_file).ok()?).ok()?;
    match lock.get_mut("packages")?.take() {
        Value::Object(packages) => Some(packages),
        _ => None,
    }
}

/// Optional packages are those of other platforms, which npm leaves out; the entry without a name is the app itself.
fn is_in_sync(wanted: &serde_json::Map<String, Value>, installed: &serde_json::Map<String, Value>) -> bool {
    let same = |one: &Value, other: &Value| ["version", "integrity"].iter().all(|key| one[key] == other[key]);
    let is_optional = |package: &Value| package["optional"] == true || package["devOptional"] == true;
    let wanted_are_installed = wanted.iter().filter(|(path, _)| !path.is_empty()).all(|(path, package)| {
        installed.get(path).map_or_else(|| is_optional(package), |installed| same(package, installed))
    });
    wanted_are_installed && installed.keys().all(|path| wanted.contains_key(path))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_optional_packages_may_be_left_out() {
        let map = |value: Value| value.as_object().unwrap().clone();
        let wanted = map(json!({
            "": { "name": "app" },
            "node_modules/a": { "version": "1.0.0", "integrity": "x" },
            "node_modules/mac-only": { "version": "1.0.0", "optional": true },
        }));
        let with = |packages: Value| is_in_sync(&wanted, &map(packages));
        assert!(with(json!({ "node_modules/a": { "version": "1.0.0", "integrity": "x" } })));
        assert!(!with(json!({})));
        assert!(!with(json!({ "node_modules/a": { "version": "1.0.1", "integrity": "y" } })));
        assert!(!with(json!({
            "node_modules/a": { "version": "1.0.0", "integrity": "x" },
            "node_modules/removed": { "version": "1.0.0" },
        })));
    }
}
