//! What is known against an app's dependencies: `cargo deny` asks for crates, `npm audit` for the packages whose code reaches
//! browsers.
//!
//! Both need a database from the network, and compiling cargo-deny takes minutes. Nobody's tests should fail for want of
//! either, so an audit that cannot be run here is left out, and a line says which and why.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::{Status, child};
use crate::progress::Progress;
use crate::workspace::Workspace;

/// How long a database may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The audits that can be run here, each with its name.
pub async fn audits(workspace: &Workspace, progress: &Progress) -> Vec<(&'static str, Command)> {
    let (crates, packages) =
        tokio::join!(crates(&workspace.root, progress), packages(&workspace.root, progress));
    let named = [("audit of crates", crates), ("audit of npm packages", packages)];
    named.into_iter().filter_map(|(name, command)| Some((name, command?))).collect()
}

/// What was found of cargo-deny.
pub async fn check() -> Status {
    match child::output("cargo", &["deny", "--version"]).await {
        Some(version) => Status::Found(version),
        None => Status::Missing {
            problem: "not installed, so crates are not audited".to_owned(),
            get: "cargo install cargo-deny --locked".to_owned(),
        },
    }
}

async fn crates(root: &Path, progress: &Progress) -> Option<Command> {
    // Without a list of licenses, cargo-deny refuses all of them.
    if !root.join("deny.toml").exists() {
        return None;
    }
    if let Status::Missing { problem, get } = check().await {
        progress.line(format!("\n– cargo-deny: {problem}. Get it: {get}"));
        return None;
    }
    let mut deny = cargo_deny(root);
    deny.arg("check");
    let mut fetch = cargo_deny(root);
    fetch.args(["fetch", "db"]);
    if !matches!(tokio::time::timeout(PATIENCE, child::run(fetch, |_| {})).await, Ok(Ok(()))) {
        progress
            .line("\n– The RustSec database cannot be fetched here, so advisories on crates are left out.");
        deny.args(["bans", "licenses", "sources"]);
    }
    Some(deny)
}

fn cargo_deny(root: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.arg("deny").current_dir(root);
    command
}

async fn packages(root: &Path, progress: &Progress) -> Option<Command> {
    let mut trial = npm_audit(root);
    trial.args(["--json", "--fetch-retries=0"]).kill_on_drop(true);
    let answer = tokio::time::timeout(PATIENCE, trial.output()).await;
    if !matches!(answer, Ok(Ok(output)) if is_report(&output.stdout)) {
        progress.line(
            "\n– The npm registry in use does not answer `npm audit`, so npm packages are not audited.",
        );
        return None;
    }
    let mut audit = npm_audit(root);
    audit.arg("--audit-level=high");
    Some(audit)
}

/// Of `dependencies`, because what is in `devDependencies` only builds and tests the app.
fn npm_audit(root: &Path) -> Command {
    let mut command = Command::new("npm");
    command.args(["audit", "--omit=dev"]).current_dir(root);
    command
}

/// npm's exit status is the same for a finding and for a registry that does not answer.
fn is_report(json: &[u8]) -> bool {
    serde_json::from_slice(json).is_ok_and(|answer: Value| answer["auditReportVersion"].is_number())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use axum::routing::{MethodRouter, get, post};
    use axum::{Json, Router};
    use serde_json::json;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_serious_finding_fails_in_what_reaches_browsers_only() {
        let finding =
            json!({ "id": 1, "url": "…", "title": "…", "severity": "high", "vulnerable_versions": "*" });
        for (field, passes) in [("dependencies", false), ("devDependencies", true)] {
            let finding = Json(json!({ "shipped": [finding] }));
            let app = app(field, &registry(post(async || finding)).await);
            let mut audit = packages(app.path(), &Progress::none()).await.unwrap();
            assert_eq!(audit.output().await.unwrap().status.success(), passes, "{field}");
        }
    }

    #[tokio::test]
    async fn a_registry_that_knows_no_audits_is_left_out() {
        let app = app("dependencies", &registry(get(async || "")).await);
        assert!(packages(app.path(), &Progress::none()).await.is_none());
    }

    /// An app with one package, in that field of its package.json.
    fn app(field: &str, registry: &str) -> tempfile::TempDir {
        let app = tempfile::tempdir().unwrap();
        let dev = field == "devDependencies";
        let package = format!(r#"{{ "{field}": {{ "shipped": "1.0.0" }} }}"#);
        let lock = format!(
            r#"{{ "lockfileVersion": 3, "packages": {{ "": {package}, "node_modules/shipped": {{ "version": "1.0.0", "dev": {dev} }} }} }}"#
        );
        fs::write(app.path().join("package.json"), package).unwrap();
        fs::write(app.path().join("package-lock.json"), lock).unwrap();
        fs::write(app.path().join(".npmrc"), format!("registry={registry}")).unwrap();
        app
    }

    /// A registry that answers audits like this, and nothing else; where it is.
    async fn registry(audits: MethodRouter) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/-/npm/v1/security/advisories/bulk", audits);
        tokio::spawn(axum::serve(listener, router).into_future());
        format!("http://{address}/")
    }
}
