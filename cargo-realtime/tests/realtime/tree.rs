//! Folders of files, to be compared.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::Table;

use super::machine::text;

/// The files of a folder: content, and whether it can be executed, by path.
#[derive(PartialEq)]
pub struct Tree(pub BTreeMap<PathBuf, (Vec<u8>, bool)>);

/// The checkout that these tests belong to.
pub fn checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files of the checkout that git tracks, and those that it would.
pub fn tracked() -> Vec<PathBuf> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(checkout());
    let listed = text(&git.output().unwrap().stdout);
    let paths = listed.split_terminator('\0').map(PathBuf::from);
    paths.filter(|path| checkout().join(path).is_file()).collect()
}

/// What `cargo-generate.toml` says is not part of an app.
pub fn left_out() -> Vec<PathBuf> {
    let list: Table = fs::read_to_string(checkout().join("cargo-generate.toml")).unwrap().parse().unwrap();
    list["template"]["ignore"].clone().try_into().unwrap()
}

impl Tree {
    /// The files below `dir`, without its git repository.
    pub fn of(dir: &Path) -> Self {
        let mut files = BTreeMap::new();
        let mut folders = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let below = path.strip_prefix(dir).unwrap().to_owned();
                match path.is_dir() {
                    true if below == Path::new(".git") => {}
                    true => folders.push(path),
                    false => drop(files.insert(below, file(&path))),
                }
            }
        }
        Self(files)
    }

    /// What an app called `name` must be, by the checkout's own files.
    pub fn of_app(name: &str) -> Self {
        let (tracked, left_out) = (tracked(), left_out());
        let mut files = BTreeMap::new();
        let is_part = |path: &&PathBuf| {
            path.as_path() != "cargo-generate.toml"
                && !left_out.iter().any(|left_out| path.starts_with(left_out))
        };
        for path in tracked.iter().filter(is_part) {
            let (content, executable) = file(&checkout().join(path));
            match path.to_str().unwrap().strip_suffix(".liquid") {
                Some(original) => {
                    let content = text(&content).replace("{{project-name}}", name).into_bytes();
                    files.insert(original.into(), (content, executable));
                }
                None if tracked.contains(&PathBuf::from(format!("{}.liquid", path.display()))) => {}
                None => drop(files.insert(path.clone(), (content, executable))),
            }
        }
        Self(files)
    }

    /// Expects the other folder to have the same files; names those that differ.
    pub fn assert_same(&self, other: &Self) {
        let paths = self.0.keys().chain(other.0.keys());
        let differing: Vec<_> = paths.filter(|path| self.0.get(*path) != other.0.get(*path)).collect();
        assert!(differing.is_empty(), "These files differ: {differing:#?}");
    }
}

fn file(path: &Path) -> (Vec<u8>, bool) {
    let executable = fs::metadata(path).unwrap().permissions().mode() & 0o100 != 0;
    (fs::read(path).unwrap(), executable)
}
