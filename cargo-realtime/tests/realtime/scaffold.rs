//! `create-app`: what it makes, what it refuses, and what is left when it fails.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use insta::assert_snapshot;

use super::machine::{Machine, text};
use super::tree::Tree;

/// `create-app --name NAME` beside the machine's app, not yet run.
fn create_app(machine: &Machine, name: &str) -> Command {
    let mut command = machine.command(&["create-app", "--name", name, "--dir"]);
    command.arg(machine.elsewhere());
    command
}

/// Runs it, and expects it to work; gives the app's folder, and what was said on the way.
fn created(machine: &Machine, command: &mut Command) -> (PathBuf, String) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    (machine.elsewhere().join("my-app"), machine.neutral(&text(&output.stderr)))
}

/// Runs it, and expects it to fail; gives what it says.
fn refused(machine: &Machine, command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(!output.status.success(), "{}", text(&output.stdout));
    let said = machine.neutral(&text(&output.stderr));
    said[said.find("error: ").unwrap()..].to_owned()
}

/// What is in the folder that apps are made in.
fn beside(machine: &Machine) -> Vec<String> {
    let entries = fs::read_dir(machine.elsewhere()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// `git ARGUMENTS` in a folder.
fn git(dir: &std::path::Path, arguments: &[&str]) -> String {
    let output = Command::new("git").args(arguments).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).trim().to_owned()
}

/// A file for `GIT_CONFIG_GLOBAL`.
fn git_config(machine: &Machine, content: &str) -> PathBuf {
    let path = machine.app().join("gitconfig");
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn an_app_is_the_checkout_without_the_tools() {
    let machine = Machine::new();
    let (app, said) = created(&machine, &mut create_app(&machine, "my-app"));
    Tree::of(&app).assert_same(&Tree::of_app("my-app"));
    assert!(said.contains("files in /machine/my-app"), "{said}");
    assert_eq!(fs::read_to_string(app.join("README.md")).unwrap().lines().next(), Some("# my-app"));
    let searched =
        Command::new("grep").args(["-rlE", "project-name|create-app|sync_service::"]).arg(&app).output();
    assert_eq!(text(&searched.unwrap().stdout), "", "these files speak of the generator");

    assert_eq!(git(&app, &["log", "--format=%s"]), "A new app");
    assert_eq!(git(&app, &["status", "--short", "--ignored"]), "", "everything is committed");
    assert_eq!(beside(&machine), ["home", "my-app", "shop"]);
}

#[test]
fn cargo_takes_it_as_it_is() {
    let machine = Machine::new();
    let (app, _) = created(&machine, &mut create_app(&machine, "my-app"));
    let lock = fs::read(app.join("Cargo.lock")).unwrap();
    let mut metadata = Command::new("cargo");
    metadata.args(["metadata", "--locked", "--format-version", "1"]).current_dir(&app);
    let output = metadata.output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(fs::read(app.join("Cargo.lock")).unwrap() == lock);
}

#[test]
fn what_cannot_be_made_is_refused_with_a_sentence() {
    let machine = Machine::new();
    let refused_name = |name: &str| refused(&machine, &mut create_app(&machine, name));
    assert_snapshot!(refused_name("My App"), @r#"
    error: "My App" cannot name an app. Use at most 48 lower-case letters, digits, `-` and `_`, and begin with a letter: for example "my-app".
    "#);
    assert_snapshot!(refused_name("../shop"), @r#"
    error: "../shop" cannot name an app. Use at most 48 lower-case letters, digits, `-` and `_`, and begin with a letter: for example "shop".
    "#);
    assert_snapshot!(refused_name("2048"), @r#"
    error: "2048" cannot name an app. Use at most 48 lower-case letters, digits, `-` and `_`, and begin with a letter: for example "app-2048".
    "#);
    assert_snapshot!(refused_name(&"x".repeat(100)), @r#"
    error: "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" cannot name an app. Use at most 48 lower-case letters, digits, `-` and `_`, and begin with a letter: for example "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".
    "#);

    fs::create_dir(machine.elsewhere().join("empty")).unwrap();
    assert_snapshot!(refused_name("empty"), @r#"
    error: /machine/empty is there already. Choose another name, or move it away.
    "#);
    assert_snapshot!(refused_name("shop"), @r#"
    error: /machine/shop is there already. Choose another name, or move it away.
    "#);

    let mut blog = create_app(&machine, "my-app");
    assert_snapshot!(refused(&machine, blog.args(["--template", "blog"])), @r#"
    error: There is no template "blog". There is one: "realtime".
    "#);
    let nowhere = &["create-app", "--name", "my-app", "--dir", "/nowhere"];
    assert_snapshot!(machine.error(nowhere), @r#"
    error: Cannot open /nowhere, in which the app's folder would be made. Make it first.
      because: No such file or directory (os error 2)
    "#);
    assert_eq!(beside(&machine), ["empty", "home", "shop"]);
}

#[test]
fn a_failure_half_way_leaves_nothing_and_a_second_run_works() {
    let machine = Machine::new();
    let broken = git_config(&machine, "[user\n");
    let mut failing = create_app(&machine, "my-app");
    let said = refused(&machine, failing.env("GIT_CONFIG_GLOBAL", &broken));
    assert!(said.starts_with("error: `git init --quiet` failed"), "{said}");
    assert_eq!(beside(&machine), ["home", "shop"]);
    created(&machine, &mut create_app(&machine, "my-app"));
    assert_eq!(beside(&machine), ["home", "my-app", "shop"]);
}

#[test]
fn ctrl_c_half_way_leaves_nothing() {
    let machine = Machine::new();
    // The first file that is added stops git for as long as the test may take.
    let filter = machine.app().join("filter");
    let (started, script) = (machine.app().join("started"), "#!/bin/sh\ntouch");
    fs::write(&filter, format!("{script} {}\nexec sleep 60\n", started.display())).unwrap();
    fs::set_permissions(&filter, fs::Permissions::from_mode(0o755)).unwrap();
    let attributes = machine.app().join("attributes");
    fs::write(&attributes, "* filter=slow\n").unwrap();
    let slow = git_config(
        &machine,
        &format!(
            "[core]\nattributesFile = {}\n[filter \"slow\"]\nclean = {}\n",
            attributes.display(),
            filter.display()
        ),
    );
    let mut running = create_app(&machine, "my-app");
    let child = running.env("GIT_CONFIG_GLOBAL", slow).stderr(Stdio::piped()).spawn().unwrap();
    while !started.exists() {
        std::thread::yield_now();
    }
    assert_eq!(beside(&machine).len(), 3, "the app is being made beside its place");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert!(
        text(&output.stderr).contains("error: Interrupted. Nothing was made"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(beside(&machine), ["home", "shop"]);
}

#[test]
fn the_first_commit_needs_no_identity() {
    let machine = Machine::new();
    let mut unknown = create_app(&machine, "my-app");
    unknown.env("GIT_CONFIG_GLOBAL", git_config(&machine, "[user]\nuseConfigOnly = true\n"));
    for name in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"]
    {
        unknown.env_remove(name);
    }
    let (app, said) = created(&machine, &mut unknown);
    assert!(said.contains("git does not know your name and email"), "{said}");
    assert_eq!(git(&app, &["log", "--format=%an <%ae>"]), "nobody <nobody@localhost>");
}

#[test]
fn inside_another_repository_an_app_is_part_of_that() {
    let machine = Machine::new();
    git(machine.elsewhere(), &["init", "--quiet"]);
    let (app, said) = created(&machine, &mut create_app(&machine, "my-app"));
    assert!(said.contains("The app is inside a git repository"), "{said}");
    assert!(!app.join(".git").exists());

    fs::remove_dir_all(&app).unwrap();
    fs::write(machine.elsewhere().join(".gitignore"), "/my-app/\n").unwrap();
    let (app, _) = created(&machine, &mut create_app(&machine, "my-app"));
    assert!(app.join(".git").exists(), "it is none of the outer repository's business");
}

#[test]
fn without_git_there_is_no_repository() {
    let machine = Machine::new();
    let (app, said) = created(&machine, create_app(&machine, "my-app").env("PATH", machine.elsewhere()));
    assert!(said.contains("git is not installed"), "{said}");
    Tree::of(&app).assert_same(&Tree::of_app("my-app"));
}
