//! `create-database --provider neon`, by the real program against a fake of Neon on a real Postgres.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::fake::{Fake, Fault};
use super::machine::{Machine, text};

pub const CREATE: [&str; 5] = ["create-database", "--name", "notes", "--provider", "neon"];
const DESTROY: [&str; 4] = ["destroy", "--database-id", "notes", "--yes"];

fn calls(fake: &Fake, from: usize) -> Vec<String> {
    fake.requests(from).into_iter().map(|request| request.call).collect()
}

fn project_names(fake: &Fake) -> Vec<String> {
    fake.look(|neon, _| neon.projects.iter().map(|project| project.name.clone()).collect())
}

/// The state that the program keeps.
fn state(machine: &Machine) -> Value {
    let text = std::fs::read_to_string(machine.home().join("state.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_project_is_made_once_and_destroyed() {
    let (fake, machine) = (Fake::new(), Machine::new());
    let made = fake.json(&machine, &CREATE);
    assert_eq!(made, json!({ "databaseId": "notes", "provider": "neon", "created": true }));
    let names = project_names(&fake);
    assert!(names.len() == 1 && names[0].starts_with("notes-"), "{names:?}");

    let create = &fake.requests(1)[0];
    assert_eq!(create.call, "POST /neon/projects");
    assert_eq!(create.body["project"]["settings"]["enable_logical_replication"], true);
    assert_eq!(create.body["project"]["pg_version"], 17);
    // One operation after the other: scheduling, running, finished.
    let polls = calls(&fake, 2).iter().filter(|call| call.contains("/operations/")).count();
    assert_eq!(polls, 6);

    let status = fake.json(&machine, &["status"]);
    assert_eq!(status["postgres"]["running"], false);
    assert_eq!(status["databases"][0]["provider"], "neon");
    assert!(status["databases"][0]["databaseUrl"].as_str().unwrap().contains("@127.0.0.1"));
    let mode = std::fs::metadata(machine.home().join("state.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let kept = &state(&machine)["databases"][0]["neon"];
    assert!(kept["direct_url"].as_str().unwrap().contains("@127.0.0.1"));
    assert!(kept["pooled_url"].as_str().unwrap().contains("@localhost"));

    let before = fake.count();
    assert_eq!(fake.json(&machine, &CREATE)["created"], false);
    let again = calls(&fake, before);
    assert!(again.len() == 1 && again[0].starts_with("GET /neon/projects/"), "{again:?}");

    fake.json(&machine, &DESTROY);
    assert_eq!(project_names(&fake), Vec::<String>::new());
    assert_eq!(state(&machine)["databases"], json!([]));
}

#[test]
fn an_app_is_connected_to_both_addresses_and_syncs_from_here() {
    let (fake, machine) = (Fake::fast(), Machine::new());
    fake.json(&machine, &CREATE);
    fake.json(&machine, &["database-sync-enable", "--database-id", "notes"]);
    let status = fake.json(&machine, &["status"]);
    assert_eq!(status["databases"][0]["sync"]["provider"], "local");
    assert_eq!(status["databases"][0]["sync"]["running"], true);
    assert_eq!(status["postgres"]["running"], false, "a sync service here needs no Postgres here");
    fake.json(&machine, &DESTROY);
    assert_eq!(project_names(&fake), Vec::<String>::new());
    assert_eq!(fake.json(&machine, &["status"])["databases"], json!([]));
}

/// Fails each request once, in each way; the same command again must make what the first left out, and no more.
fn repeated(fault: &Fault) {
    let requests = {
        let (fake, machine) = (Fake::fast(), Machine::new());
        fake.json(&machine, &CREATE);
        fake.count()
    };
    for number in 0..requests {
        let (fake, machine) = (Fake::fast(), Machine::new());
        fake.fail(number, fault.clone());
        let first = fake.run(&machine, &CREATE);
        fake.json(&machine, &CREATE);
        let names = project_names(&fake);
        assert_eq!(names.len(), 1, "request {number} of {requests}: {names:?}\n{}", text(&first.stderr));
        let databases = fake.look(|neon, _| neon.projects[0].databases.len());
        assert_eq!(databases, 1);
        fake.json(&machine, &DESTROY);
        assert_eq!(project_names(&fake), Vec::<String>::new());
    }
}

#[test]
fn a_refused_request_is_made_up_for() {
    repeated(&Fault::Refused(500));
}

#[test]
fn a_lost_answer_makes_nothing_twice() {
    repeated(&Fault::Lost);
}

#[test]
fn what_was_lost_is_found_among_many_by_its_exact_name() {
    let (fake, machine) = (Fake::fast(), Machine::new());
    fake.look(|neon, _| neon.page = 2);
    fake.fail(1, Fault::Lost);
    let said = fake.error(&machine, &CREATE);
    assert!(said.contains("Neon does not answer POST /projects"), "{said}");
    fake.look(|neon, _| {
        // Others that the search finds, too, and in front of ours.
        let ours = neon.projects.remove(0);
        for number in 0..5 {
            neon.add_project(&format!("{}-{number}", ours.name));
        }
        neon.projects.push(ours);
    });
    fake.json(&machine, &CREATE);
    assert_eq!(project_names(&fake).len(), 6);
    fake.json(&machine, &DESTROY);
    assert_eq!(project_names(&fake).len(), 5);
}

#[test]
fn locked_and_limited_requests_are_sent_again_and_others_not() {
    let (fake, machine) = (Fake::fast(), Machine::new());
    fake.fail(0, Fault::RetryAfter(429, 1));
    fake.fail(2, Fault::Refused(423));
    fake.fail(3, Fault::Refused(503));
    let started = std::time::Instant::now();
    fake.json(&machine, &CREATE);
    assert!(started.elapsed().as_millis() >= 1000 + 500 + 1000, "Retry-After was not honoured");
    let expected = ["GET /neon/projects"; 2].into_iter().chain(["POST /neon/projects"; 3]);
    assert_eq!(calls(&fake, 0)[..5], expected.collect::<Vec<_>>());
    assert_eq!(project_names(&fake).len(), 1);

    for status in [400, 409, 500, 502, 504] {
        let (fake, machine) = (Fake::fast(), Machine::new());
        fake.fail(1, Fault::Refused(status));
        fake.error(&machine, &CREATE);
        assert_eq!(fake.count(), 2, "{status} was sent again");
    }
}

#[test]
fn errors_say_what_happened_and_what_to_do() {
    let (fake, machine) = (Fake::fast(), Machine::new());
    let mut said = Vec::new();
    let without_key = machine.command(&CREATE).env_remove("NEON_API_KEY").output().unwrap();
    said.push(text(&without_key.stderr));
    assert!(!machine.home().join("state.json").exists());

    fake.fail(0, Fault::Refused(401));
    said.push(fake.error(&machine, &CREATE));
    fake.fail(2, Fault::Refused(500));
    said.push(fake.error(&machine, &CREATE));
    fake.fail(4, Fault::Lost);
    said.push(fake.error(&machine, &CREATE));
    fake.fail(5, Fault::RetryAfter(429, 3600));
    said.push(fake.error(&machine, &CREATE));

    machine.run(&["create-database", "--name", "here"]);
    said.push(fake.error(&machine, &["create-database", "--name", "here", "--provider", "neon"]));
    said.push(fake.error(&machine, &["create-database", "--name", "notes"]));
    said.push(fake.error(&machine, &["create-database", "--name", "Not es", "--provider", "neon"]));
    assert_snapshot("neon_errors", &said.join("\n"));
}

#[test]
fn a_failed_operation_is_named_and_given_up_by_destroy() {
    let (fake, machine) = (Fake::new(), Machine::new());
    fake.look(|neon, _| neon.outcome = "failed");
    for _ in 0..2 {
        let said = fake.error(&machine, &CREATE);
        assert!(
            said.contains("operation-") && said.contains("is failed: no compute left in this region"),
            "{said}"
        );
    }
    let said = fake.error(&machine, &["database-sync-enable", "--database-id", "notes"]);
    assert!(said.contains("is not finished. Run `cargo realtime create-database --name notes"), "{said}");
    fake.json(&machine, &DESTROY);
    assert_eq!(project_names(&fake), Vec::<String>::new());
}

#[test]
fn what_is_gone_at_neon_is_forgotten_by_destroy() {
    let (fake, machine) = (Fake::fast(), Machine::new());
    fake.json(&machine, &CREATE);
    fake.look(|neon, _| neon.projects.clear());
    let said = fake.error(&machine, &CREATE);
    assert!(
        said.contains("is not there any more. Run `cargo realtime destroy --database-id notes`"),
        "{said}"
    );
    fake.json(&machine, &DESTROY);
    assert_eq!(state(&machine)["databases"], json!([]));
}

#[test]
fn a_dry_run_shows_the_requests_and_sends_none() {
    let (fake, machine) = (Fake::fast(), Machine::new());
    let dry_run = [&CREATE[..], &["--dry-run"]].concat();
    let shown = machine.command(&dry_run).env_remove("NEON_API_KEY").output().unwrap();
    assert_snapshot("neon_dry_run", &text(&shown.stdout));
    assert!(!machine.home().exists());

    let planned = fake.json(&machine, &dry_run);
    assert_eq!(fake.count(), 0);
    fake.json(&machine, &CREATE);
    let methods = |requests: Vec<String>| requests.join(" ");
    let planned = planned["requests"].as_array().unwrap().iter();
    let planned = planned.map(|request| request["method"].as_str().unwrap().to_owned()).collect();
    let sent = calls(&fake, 0).iter().map(|call| call.split(' ').next().unwrap().to_owned()).collect();
    // The real one starts two operations and asks after each.
    assert_eq!(methods(planned).replacen("POST GET", "POST GET GET", 1), methods(sent));
}

/// Compares with a snapshot, without what differs from run to run.
pub fn assert_snapshot(name: &str, text: &str) {
    let filters = [
        (r"http://127\.0\.0\.1:\d+", "http://PROVIDER"),
        (r"quiet-night-\d+-\d+", "quiet-night-ID"),
        (r"notes-[a-z2-9]{6}\b", "notes-RANDOM"),
        (r"-sync-[a-z2-9]{6}\b", "-sync-RANDOM"),
        (r"\(\d+\.\d s\)", "(SECONDS)"),
    ];
    insta::with_settings!({ filters => filters }, { insta::assert_snapshot!(name, text) });
}
