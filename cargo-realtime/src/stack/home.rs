//! Where the local stack keeps its files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use directories::ProjectDirs;

/// The folder of one local stack: `REALTIME_HOME`, else the user's data directory. Two different folders are two
/// stacks that do not know of each other.
#[derive(Clone, Debug)]
pub struct Home {
    dir: PathBuf,
}

impl Home {
    /// Finds the folder without making it.
    pub fn locate() -> Result<Self> {
        let dir = match std::env::var_os("REALTIME_HOME").filter(|value| !value.is_empty()) {
            Some(dir) => PathBuf::from(dir),
            None => ProjectDirs::from("", "", "cargo-realtime")
                .context(
                    "This user has no home directory. Set REALTIME_HOME to a folder for the local stack.",
                )?
                .data_dir()
                .to_owned(),
        };
        Self::at(&dir)
    }

    /// The stack in `dir`.
    pub fn at(dir: &Path) -> Result<Self> {
        let absolute = std::path::absolute(dir).with_context(|| format!("{} is no path", dir.display()))?;
        // Processes are recognised by the paths in their command lines, so one folder must have one spelling.
        Ok(Self { dir: absolute.canonicalize().unwrap_or(absolute) })
    }

    /// Makes the folder, readable by its owner only, and settles its spelling.
    pub fn create(&mut self) -> Result<()> {
        if !self.dir.is_dir() {
            private_dir(&self.dir)?;
        }
        self.dir = self.dir.canonicalize().with_context(|| format!("Cannot open {}", self.dir.display()))?;
        private_dir(&self.logs())?;
        private_dir(&self.dir.join("sync"))
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the stack knows, as JSON.
    pub fn state_file(&self) -> PathBuf {
        self.dir.join("state.json")
    }

    /// Held by the command that changes the stack.
    pub fn lock_file(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// The log files of the sync services.
    pub fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    /// What a database's sync service is started with; holds secrets.
    pub fn sync_config(&self, database_id: &str) -> PathBuf {
        self.dir.join("sync").join(format!("{database_id}.json"))
    }

    /// The ids of the databases that have such a file.
    pub fn sync_configs(&self) -> Result<Vec<String>> {
        let dir = self.dir.join("sync");
        let entries = fs::read_dir(&dir).with_context(|| format!("Cannot read {}", dir.display()))?;
        let id = |entry: fs::DirEntry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned());
        Ok(entries.flatten().filter_map(id).collect())
    }

    /// What a database's sync service has said.
    pub fn sync_log(&self, database_id: &str) -> PathBuf {
        self.logs().join(format!("sync-{database_id}.log"))
    }
}

fn private_dir(dir: &Path) -> Result<()> {
    let make = || {
        fs::create_dir_all(dir)?;
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
    };
    make().with_context(|| {
        format!("Cannot make the folder {}. Set REALTIME_HOME to a folder you may write to.", dir.display())
    })
}
