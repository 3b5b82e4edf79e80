//! `database-sync-enable --provider fly`, by the real program against fakes of Neon, Fly and the PowerSync Service.

use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection};

use super::fake::{Fake, Fault};
use super::machine::{Machine, text};
use super::neon::{CREATE, assert_snapshot};

const ENABLE: [&str; 5] = ["database-sync-enable", "--database-id", "notes", "--provider", "fly"];
const DESTROY: [&str; 4] = ["destroy", "--database-id", "notes", "--yes"];

/// A part of what an app's migrations do.
const MIGRATIONS: &str = "
    CREATE TABLE lists (id text PRIMARY KEY);
    ALTER TABLE lists ENABLE ROW LEVEL SECURITY;
    INSERT INTO lists VALUES ('groceries');
    CREATE PUBLICATION powersync FOR TABLE lists;
";

/// Runs SQL as `url` says, and gives the first column of the last statement's row.
fn sql(url: &str, statements: &str) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        let (query, before) = match statements.trim().starts_with("SELECT") {
            true => (Some(statements), ""),
            false => (None, statements),
        };
        connection.execute(before).await.unwrap();
        let value = match query {
            Some(query) => sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap(),
            None => None,
        };
        connection.close().await.unwrap();
        value
    })
}

fn kept(machine: &Machine) -> Value {
    let text = std::fs::read_to_string(machine.home().join("state.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["databases"][0].clone()
}

/// Whether the service's role may read `lists`, not by owning it.
fn is_readable(machine: &Machine) -> bool {
    let database = kept(machine);
    let owner = database["neon"]["direct_url"].as_str().unwrap();
    let source = database["neon"]["replication"]["source_url"].as_str().unwrap();
    assert_eq!(
        sql(source, "SELECT id FROM lists").as_deref(),
        Some("groceries"),
        "row-level security hides rows"
    );
    let role = reqwest::Url::parse(source).unwrap().username().to_owned();
    let grants = sql(owner, "SELECT relacl::text FROM pg_class WHERE relname = 'lists'").unwrap_or_default();
    grants.contains(&format!("{role}=r/"))
}

/// Of the one app: its name, and how many secrets, addresses and machines it has.
fn only_app(fake: &Fake) -> (String, usize, usize, Vec<String>) {
    fake.look(|_, fly| {
        assert_eq!(fly.apps.len(), 1, "{:?}", fly.apps.keys());
        let (name, app) = fly.apps.iter().next().unwrap();
        let machines = app.machines.iter().map(|machine| machine.name.clone()).collect();
        (name.clone(), app.secrets.len(), app.addresses.len(), machines)
    })
}

#[test]
fn sync_is_enabled_once_before_the_app_has_started() {
    let (fake, machine) = (Fake::new(), Machine::new());
    fake.json(&machine, &CREATE);
    let enabled = fake.json(&machine, &ENABLE);
    let (app, secrets, addresses, machines) = only_app(&fake);
    assert!(app.starts_with("notes-sync-"), "{app}");
    assert_eq!((secrets, addresses), (1, 2));
    assert_eq!(machines, ["powersync", "compact"]);
    let url = enabled["powersyncUrl"].as_str().unwrap().to_owned();
    assert!(url.ends_with(&app), "{url}");

    fake.look(|_, fly| {
        let app = &fly.apps[&app];
        let (service, compact) = (&app.machines[0].config, &app.machines[1].config);
        assert_eq!(service["init"]["cmd"], json!(["start", "-r", "unified"]));
        assert_eq!(service["services"][0]["autostop"], "off");
        assert!(service["schedule"].is_null() && compact["services"].is_null());
        assert_eq!((&compact["init"]["cmd"], &compact["schedule"]), (&json!(["compact"]), &json!("daily")));
        let config = app.powersync_config();
        assert!(config["sync_config"].is_null() && config["sync_rules"].is_null());
        assert_eq!(config["client_auth"]["audience"], json!([url]));
        assert!(config["client_auth"]["jwks"]["keys"][0]["d"].is_null(), "only the public half");
    });
    // Tables that the app makes later are readable, too.
    sql(kept(&machine)["neon"]["direct_url"].as_str().unwrap(), MIGRATIONS);
    assert!(is_readable(&machine));

    let before = fake.count();
    assert_eq!(fake.json(&machine, &ENABLE), enabled);
    assert!(
        fake.requests(before)
            .iter()
            .all(|request| { request.call.starts_with("GET") || request.call.ends_with("/diagnostics") })
    );
    let status = fake.json(&machine, &["status"]);
    assert_eq!(status["postgres"]["running"], false);
    assert_eq!(
        status["databases"][0]["sync"],
        json!({
            "provider": "fly", "running": null, "pid": null, "url": url, "log": null, "flyApp": app,
        })
    );
    fake.json(&machine, &[&DESTROY[..], &["--sync-only"]].concat());
    assert!(fake.look(|neon, fly| fly.apps.is_empty() && neon.projects.len() == 1));
    fake.json(&machine, &DESTROY);
    assert!(fake.look(|neon, _| neon.projects.is_empty()));
}

#[test]
fn after_the_app_has_started_it_must_replicate() {
    let (fake, machine) = (Fake::new(), Machine::new());
    fake.look(|_, fly| fly.has_sync_config = true);
    fake.json(&machine, &CREATE);
    sql(kept(&machine)["neon"]["direct_url"].as_str().unwrap(), MIGRATIONS);
    let said = text(&fake.run(&machine, &ENABLE).stderr);
    assert!(said.contains("and replicates"), "{said}");
    assert!(is_readable(&machine));
    let asked = fake.requests(0).iter().filter(|request| request.call.ends_with("/diagnostics")).count();
    assert_eq!(asked, 2, "the first answer said that it was copying");
}

#[test]
fn an_app_gets_the_variables_of_both() {
    let (fake, machine) = (Fake::fast(), Machine::new());
    fake.json(&machine, &CREATE);
    fake.json(&machine, &ENABLE);
    let app = machine.elsewhere().join("notes-app");
    std::fs::rename(machine.app(), &app).unwrap();
    std::fs::create_dir(machine.app()).unwrap();
    let mut state: Value =
        serde_json::from_str(&std::fs::read_to_string(machine.home().join("state.json")).unwrap()).unwrap();
    let env_file = app.join(".env");
    state["apps"] = json!([{ "id": "notes-app", "path": app, "env_file": env_file, "database_id": null }]);
    std::fs::write(machine.home().join("state.json"), state.to_string()).unwrap();
    fake.json(&machine, &["connect-app-to-database", "--app-id", "notes-app", "--database-id", "notes"]);
    let env = std::fs::read_to_string(env_file).unwrap();
    let database = kept(&machine);
    for (name, value) in [
        ("VITE_POWERSYNC_URL", None),
        ("POWERSYNC_URL", None),
        ("VITE_DATABASE_URL", database["neon"]["pooled_url"].as_str()),
        ("DIRECT_DATABASE_URL", database["neon"]["direct_url"].as_str()),
        ("POWERSYNC_SIGNING_KEY", database["fly"]["signing_key"].as_str()),
        ("POWERSYNC_API_TOKEN", database["fly"]["api_token"].as_str()),
    ] {
        let line = format!("{name}={}", value.unwrap_or("http://127.0.0.1:"));
        assert!(env.contains(&line), "{line} is not in\n{env}");
    }
}

fn repeated(fault: &Fault) {
    let (created, requests) = {
        let (fake, machine) = (Fake::fast(), Machine::new());
        fake.json(&machine, &CREATE);
        let created = fake.count();
        fake.json(&machine, &ENABLE);
        (created, fake.count())
    };
    for number in created..requests {
        let (fake, machine) = (Fake::fast(), Machine::new());
        fake.json(&machine, &CREATE);
        fake.fail(number, fault.clone());
        let first = fake.run(&machine, &ENABLE);
        fake.json(&machine, &ENABLE);
        let (_, secrets, addresses, machines) = only_app(&fake);
        let said = text(&first.stderr);
        assert_eq!((secrets, addresses), (1, 2), "request {number} of {requests}\n{said}");
        assert_eq!(machines, ["powersync", "compact"], "request {number} of {requests}\n{said}");
        let made = fake.look(|neon, _| {
            assert_eq!(neon.projects.len(), 1);
            (neon.projects[0].roles.len(), neon.projects[0].databases.len())
        });
        assert_eq!(made, (2, 2));
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
fn somebody_elses_name_is_left_to_them() {
    let (fake, machine) = (Fake::fast(), Machine::new());
    fake.look(|_, fly| fly.taken = 1);
    fake.json(&machine, &CREATE);
    let url = fake.json(&machine, &ENABLE)["powersyncUrl"].clone();
    fake.look(|_, fly| {
        let (theirs, ours): (Vec<_>, Vec<_>) =
            fly.apps.iter().partition(|(_, app)| app.organization == "somebody-else");
        assert_eq!((theirs.len(), ours.len()), (1, 1));
        assert!(theirs[0].1.machines.is_empty());
        assert!(url.as_str().unwrap().ends_with(ours[0].0), "{url}");
    });
}

#[test]
fn errors_say_what_happened_and_what_to_do() {
    let (fake, machine) = (Fake::fast(), Machine::new());
    let mut said = Vec::new();
    machine.run(&["create-database", "--name", "notes"]);
    said.push(fake.error(&machine, &ENABLE));
    machine.run(&DESTROY);

    fake.json(&machine, &CREATE);
    let without_token =
        machine.command(&ENABLE).env("NEON_API_KEY", "key").env_remove("FLY_API_TOKEN").output().unwrap();
    said.push(text(&without_token.stderr));
    let sync = ["database-sync-enable", "--database-id", "notes"];
    fake.json(&machine, &sync);
    said.push(fake.error(&machine, &ENABLE));
    fake.json(&machine, &[&DESTROY[..], &["--sync-only"]].concat());

    fake.json(&machine, &ENABLE);
    said.push(fake.error(&machine, &sync));
    assert_snapshot("fly_errors", &said.join("\n"));
}

#[test]
fn a_role_that_cannot_replicate_is_refused() {
    let (fake, machine) = (Fake::fast(), Machine::new());
    fake.look(|neon, _| neon.powerful_roles = false);
    fake.json(&machine, &CREATE);
    let said = fake.error(&machine, &ENABLE);
    assert!(said.contains("The role powersync at Neon lacks REPLICATION and BYPASSRLS."), "{said}");
    assert!(fake.look(|_, fly| fly.apps.is_empty()), "nothing was made on Fly");
}

#[test]
fn a_dry_run_shows_the_requests_and_sends_none() {
    let (fake, machine) = (Fake::fast(), Machine::new());
    fake.json(&machine, &CREATE);
    let (before, state) = (fake.count(), kept(&machine));
    let output = fake.run(&machine, &[&ENABLE[..], &["--dry-run"]].concat());
    assert_eq!(fake.count(), before);
    assert_eq!(kept(&machine), state);
    assert_snapshot("fly_dry_run", &text(&output.stdout));
}
