//! The SQL files in an app's `migrations/`.

pub mod lint;
pub mod statements;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The folder's name in an app.
pub const FOLDER: &str = "migrations";

/// One migration.
#[derive(Clone, Debug)]
pub struct Migration {
    /// Its place in the order, which its file name begins with.
    pub number: u32,
    /// Its path from the app's root.
    pub path: PathBuf,
    /// The SQL.
    pub text: String,
}

/// The app's migrations, in the order in which they run; none where it has no such folder.
pub fn read(root: &Path) -> Result<Vec<Migration>> {
    let folder = root.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("{} cannot be read", folder.display()))?,
    };
    let mut migrations = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(number) else { continue };
        let path = Path::new(FOLDER).join(&name);
        let text = fs::read_to_string(root.join(&path))
            .with_context(|| format!("{} cannot be read", path.display()))?;
        migrations.push(Migration { number, path, text });
    }
    migrations.sort_by_key(|migration| migration.number);
    Ok(migrations)
}

/// The path of the migration that comes after these, such as `migrations/0005_projects.sql`.
pub fn next_path(migrations: &[Migration], name: &str) -> Result<PathBuf> {
    let last = migrations.last().map_or(0, |migration| migration.number);
    let Some(next) = last.checked_add(1) else {
        bail!("No migration can come after number {last} in migrations/. Give the last one a smaller number.")
    };
    Ok(Path::new(FOLDER).join(format!("{next:04}_{name}.sql")))
}

/// The number of a file that the server runs: `0001_users.sql`, but not the downward half of a reversible migration.
fn number(name: &str) -> Option<u32> {
    let (number, rest) = name.split_once('_')?;
    let runs = rest.ends_with(".sql") && !rest.ends_with(".down.sql");
    runs.then(|| number.parse().ok())?
}
