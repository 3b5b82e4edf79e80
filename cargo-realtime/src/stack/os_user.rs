//! Whom Postgres runs as. It refuses root, so a stack that root starts gives its cluster to another user.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::unistd::{Uid, User};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::home::Home;

/// The user and group of another user.
#[derive(Clone, Debug)]
pub struct OsUser {
    uid: u32,
    gid: u32,
}

impl OsUser {
    /// `None` when we are an ordinary user, who runs Postgres himself; else `postgres`, or `nobody` where that does
    /// not exist.
    pub fn for_postgres() -> Result<Option<Self>> {
        if !Uid::effective().is_root() {
            return Ok(None);
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Some(Self { uid: user.uid.as_raw(), gid: user.gid.as_raw() }));
            }
        }
        anyhow::bail!(
            "Postgres refuses to run as root, and there is neither a user `postgres` nor `nobody` to run it as. Make \
             one with `useradd --system postgres`."
        )
    }

    /// Lets the command run as this user.
    pub fn run(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    /// Gives a file or folder to this user.
    pub fn own(&self, path: &Path) -> Result<()> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .with_context(|| format!("Cannot give {} to the user that Postgres runs as", path.display()))
    }

    /// Whether this user can get to `path`, by the permissions of the folders above it.
    fn reaches(&self, path: &Path) -> bool {
        path.ancestors().skip(1).all(|dir| {
            dir.metadata().is_ok_and(|meta| {
                let needed = match () {
                    () if meta.uid() == self.uid => 0o100,
                    () if meta.gid() == self.gid => 0o010,
                    () => 0o001,
                };
                meta.mode() & needed != 0
            })
        })
    }
}

/// The folder for what Postgres needs: the stack's own, unless the user it runs as cannot get there (root's home is
/// usually closed to others); then one under `/var/lib`, the same one every time.
pub fn postgres_base(home: &Home, user: Option<&OsUser>) -> PathBuf {
    match user {
        Some(user) if !user.reaches(home.dir()) => {
            let hash = Sha256::digest(home.dir().as_os_str().as_encoded_bytes());
            let name: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            Path::new("/var/lib/cargo-realtime").join(name)
        }
        _ => home.dir().to_owned(),
    }
}
