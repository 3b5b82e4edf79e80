//! Other doors to the same template: each must make the same app as `create-app`.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::machine::{Machine, text};
use super::tree::{Tree, checkout, tracked};

#[test]
fn cargo_leptos_new_makes_the_same_app() {
    let machine = Machine::new();
    let clone = machine.app().join("clone");
    used_clone(&clone);
    let mut new = Command::new("cargo");
    new.args(["leptos", "new", "--name", "my-app", "--path"]).arg(&clone).current_dir(machine.elsewhere());
    let output = new.output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    Tree::of(&machine.elsewhere().join("my-app")).assert_same(&Tree::of_app("my-app"));
}

/// A copy of the checkout in which something lies at each place that git ignores, as after building and testing.
fn used_clone(clone: &Path) {
    for path in tracked() {
        fs::create_dir_all(clone.join(&path).parent().unwrap()).unwrap();
        fs::copy(checkout().join(&path), clone.join(&path)).unwrap();
    }
    let ignored = fs::read_to_string(checkout().join(".gitignore")).unwrap();
    for place in ignored.lines().map(|line| clone.join(line.trim_matches('/'))) {
        fs::create_dir_all(&place).unwrap();
        fs::write(place.join("left-behind"), "").unwrap();
    }
    assert!(Command::new("git").args(["init", "--quiet"]).arg(clone).status().unwrap().success());
}
