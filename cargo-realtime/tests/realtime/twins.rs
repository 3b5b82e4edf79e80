//! Twins that follow from their originals: they must not go stale.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml_edit::{Array, DocumentMut, Item, Value};

use super::machine::{Machine, text};
use super::tree::{checkout, left_out};

/// Set, it makes the test write the twins.
const UPDATE: &str = "UPDATE_TWINS";

#[test]
fn twins_follow_their_originals() {
    let title = original("app/src/title.rs").replace("\"Realtime\"", "\"{{project-name}}\"");
    let fly = original("fly.toml").replace("\"realtime-for-leptos\"", "\"{{project-name}}\"");
    let mut stale = vec![
        (".cargo/config.toml", configuration()),
        ("Cargo.toml", manifest().to_string()),
        ("app/src/title.rs", title),
        ("fly.toml", fly),
    ];
    stale.push(("Cargo.lock", lock(&stale[1].1)));
    stale.retain(|(path, derived)| original(&twin(path)) != *derived);
    if std::env::var_os(UPDATE).is_some() {
        stale.drain(..).for_each(|(path, derived)| fs::write(checkout().join(twin(path)), derived).unwrap());
    }
    let paths: Vec<_> = stale.iter().map(|(path, _)| twin(path)).collect();
    assert!(
        stale.is_empty(),
        "{} no longer follow from their originals. This puts them right: {UPDATE}=1 cargo test -p cargo-realtime --test \
         realtime twins",
        paths.join(" and ")
    );
}

fn twin(path: &str) -> String {
    format!("{path}.liquid")
}

fn original(path: &str) -> String {
    fs::read_to_string(checkout().join(path)).unwrap_or_default()
}

/// Without the alias: in an app, `cargo realtime` is the installed program.
fn configuration() -> String {
    let mut configuration: DocumentMut = original(".cargo/config.toml").parse().unwrap();
    configuration.remove("alias");
    configuration.to_string().trim_start().to_owned()
}

/// Without the members that are not part of an app, and without the dependencies that only they have.
fn manifest() -> DocumentMut {
    let mut manifest: DocumentMut = original("Cargo.toml").parse().unwrap();
    let left_out = left_out();
    let workspace = manifest["workspace"].as_table_mut().unwrap();
    for members in ["members", "default-members"] {
        array(&mut workspace[members]).retain(|member| !left_out.contains(&PathBuf::from(name(member))));
    }
    let members =
        array(&mut workspace["members"]).iter().map(|member| format!("{}/Cargo.toml", name(member)));
    let members: Vec<DocumentMut> = members.map(|path| original(&path).parse().unwrap()).collect();
    let is_used = |dependency: &str| {
        let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
        let mut tables = members.iter().flat_map(|member| kinds.iter().filter_map(|kind| member.get(kind)));
        tables.any(|table| table.get(dependency).is_some())
    };
    workspace["dependencies"].as_table_mut().unwrap().retain(|dependency, _| is_used(dependency));
    manifest
}

fn array(item: &mut Item) -> &mut Array {
    item.as_array_mut().unwrap()
}

fn name(member: &Value) -> &str {
    member.as_str().unwrap()
}

/// What cargo makes of our lock file in an app with that manifest.
fn lock(manifest: &str) -> String {
    let machine = Machine::new();
    let parent = machine.elsewhere().to_str().unwrap().to_owned();
    let output = machine.run(&["create-app", "--name", "my-app", "--dir", &parent]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let app = machine.elsewhere().join("my-app");
    fs::write(app.join("Cargo.toml"), manifest).unwrap();
    fs::copy(checkout().join("Cargo.lock"), app.join("Cargo.lock")).unwrap();
    prune(&app);
    fs::read_to_string(app.join("Cargo.lock")).unwrap()
}

/// Makes cargo drop what an app has no use for from its lock file.
fn prune(app: &Path) {
    let mut metadata = Command::new("cargo");
    metadata.args(["metadata", "--format-version", "1"]).current_dir(app);
    let output = metadata.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}
