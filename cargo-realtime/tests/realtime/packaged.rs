//! The crate as `cargo package` makes it, which is also what `cargo install` builds: with no checkout around it, it makes
//! the same app.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use tar::Archive;
use toml_edit::{DocumentMut, value};

use super::machine::{Machine, text};
use super::tree::{Tree, checkout};

/// Always the same, so that a second run finds what the first has compiled. It is in the target folder for the flags
/// in the checkout's `.cargo/config.toml`, which are those that the dependencies were compiled with.
const WORKSPACE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/packaged");

#[test]
fn the_packaged_crate_makes_the_same_app() {
    let machine = Machine::new();
    let packages = package(&machine);
    unpack(&packages);
    let program = build(&machine);
    // What it was built from is not needed any more.
    fs::remove_dir_all(WORKSPACE).unwrap();
    let mut create_app = Command::new(program);
    create_app.args(["create-app", "--name", "my-app", "--dir"]).arg(machine.elsewhere());
    succeeds(create_app.env("REALTIME_HOME", machine.home()));
    Tree::of(&machine.elsewhere().join("my-app")).assert_same(&Tree::of_app("my-app"));
}

/// Packages the crate with what it needs of this workspace; gives the folder.
fn package(machine: &Machine) -> PathBuf {
    let target = machine.app().join("target");
    succeeds(&mut machine.command(&["pack-template"]));
    let mut package = cargo(&["package", "-p", "sync-service", "-p", "cargo-realtime"], &checkout());
    // Not built by cargo itself, which would compile every dependency again.
    succeeds(package.args(["--allow-dirty", "--no-verify", "--target-dir"]).arg(&target));
    target.join("package")
}

/// Makes a workspace of the packaged crates, with the versions and the profile of this one.
fn unpack(packages: &Path) {
    fs::create_dir_all(WORKSPACE).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    for name in ["cargo-realtime", "sync-service"] {
        let package = File::open(packages.join(format!("{name}-{version}.crate"))).unwrap();
        let mut archive = Archive::new(GzDecoder::new(package));
        // All packages have the same date in them, by which cargo would not see that a file has changed.
        archive.set_preserve_mtime(false);
        archive.unpack(WORKSPACE).unwrap();
    }
    let ours: DocumentMut = fs::read_to_string(checkout().join("Cargo.toml")).unwrap().parse().unwrap();
    let mut workspace: DocumentMut = "[workspace]\nmembers = [\"*\"]\n".parse().unwrap();
    workspace["workspace"]["resolver"] = ours["workspace"]["resolver"].clone();
    workspace["profile"]["dev"] = ours["profile"]["dev"].clone();
    workspace["patch"]["crates-io"]["sync-service"]["path"] = value(format!("sync-service-{version}"));
    fs::write(Path::new(WORKSPACE).join("Cargo.toml"), workspace.to_string()).unwrap();
    fs::copy(checkout().join("Cargo.lock"), Path::new(WORKSPACE).join("Cargo.lock")).unwrap();
}

/// Builds it with the dependencies that are compiled already; gives the program.
fn build(machine: &Machine) -> PathBuf {
    let target = machine.app().join("target");
    let mut build = cargo(&["build", "-p", "cargo-realtime"], Path::new(WORKSPACE));
    build.env("CARGO_TARGET_DIR", &target);
    build.env("CARGO_BUILD_BUILD_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap());
    succeeds(&mut build);
    target.join("debug/cargo-realtime")
}

/// A cargo that does not see what the one above us has set for this test, and would compile dependencies again for.
fn cargo(arguments: &[&str], dir: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(arguments).current_dir(dir).env_remove("OUT_DIR");
    let names = std::env::vars().map(|(name, _)| name);
    for name in names.filter(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
        cargo.env_remove(name);
    }
    cargo
}

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", text(&output.stderr));
}
