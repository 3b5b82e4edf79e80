//! Fly: apps with secrets, addresses and machines; and what the machines run, a PowerSync Service.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use super::contract::{faults, full};
use super::{Answer, Call, FLY_TOKEN};

/// An organization that our token does not see.
pub const SOMEBODY_ELSE: &str = "somebody-else";

/// See the module.
pub struct Fly {
    /// How often each thing is asked for before it is so.
    pub polls: usize,
    /// How many of the next names somebody else has.
    pub taken: usize,
    /// By their names.
    pub apps: BTreeMap<String, App>,
    /// Whether an app has deployed a sync config.
    pub has_sync_config: bool,
}

/// An app.
pub struct App {
    pub organization: String,
    pub secrets: BTreeMap<String, String>,
    pub addresses: Vec<String>,
    pub machines: Vec<Machine>,
    version: u64,
    /// Until it answers, and until it has copied the database.
    sleepy: [usize; 2],
}

/// A machine.
pub struct Machine {
    pub id: String,
    pub name: String,
    pub config: Value,
    polls: usize,
}

impl Fly {
    pub fn new() -> Self {
        Self { polls: 1, taken: 0, apps: BTreeMap::new(), has_sync_config: false }
    }

    /// What nobody may see.
    pub fn secrets(&self) -> Vec<String> {
        self.apps.values().flat_map(|app| app.secrets.values().cloned()).collect()
    }

    /// Answers a request that the contract allows.
    pub fn answer(&mut self, call: &Call<'_>) -> Answer {
        if call.authorization != format!("FlyV1 {FLY_TOKEN}") {
            return error(401, "unauthorized");
        }
        match (call.method, call.path.as_slice()) {
            ("POST", ["apps"]) => self.create(&call.body),
            ("DELETE", ["apps", name]) => match self.apps.remove(*name) {
                Some(_) => (202, Value::Null),
                None => error(404, "Could not find App"),
            },
            (method, ["apps", name, rest @ ..]) => {
                let polls = self.polls;
                match self.apps.get_mut(*name).filter(|app| app.organization != SOMEBODY_ELSE) {
                    Some(app) => app.answer(method, rest, name, &call.body, polls),
                    None => error(404, "Could not find App"),
                }
            }
            _ => error(404, "not found"),
        }
    }

    fn create(&mut self, wanted: &Value) -> Answer {
        let name = wanted["name"].as_str().unwrap().to_owned();
        let organization = match self.taken {
            0 => wanted["org_slug"].as_str().unwrap(),
            _ => SOMEBODY_ELSE,
        };
        self.taken = self.taken.saturating_sub(1);
        if self.apps.contains_key(&name) || organization == SOMEBODY_ELSE {
            self.apps.entry(name).or_insert_with(|| App::of(organization, self.polls));
            return (
                422,
                json!({ "error": "Validation failed: Name has already been taken", "status": "name_taken" }),
            );
        }
        self.apps.insert(name.clone(), App::of(organization, self.polls));
        (201, json!({ "id": name, "created_at": 1 }))
    }

    /// What a PowerSync Service answers.
    pub async fn powersync(&mut self, call: &Call<'_>) -> Answer {
        let [name, path @ ..] = call.path.as_slice() else { return error(404, "no app") };
        let has_sync_config = self.has_sync_config;
        let Some(app) = self.apps.get_mut(*name) else { return error(502, "no such app") };
        let Some(config) = app.running_config() else { return error(503, "no machine is running") };
        match (call.method, path) {
            ("GET", ["probes", "liveness"]) if app.wakes(0) => {
                (200, json!({ "ready": true, "started": true }))
            }
            ("GET", ["probes", "liveness"]) => error(503, "starting"),
            ("POST", ["api", "admin", "v1", "diagnostics"]) => {
                let token = config["api"]["tokens"][0].as_str().unwrap();
                if call.authorization != format!("Bearer {token}") {
                    return (
                        401,
                        json!({ "error": { "code": "PSYNC_S2101", "description": "Authorization failed" } }),
                    );
                }
                let mut status = json!({ "connections": [connection(&config).await] });
                if has_sync_config {
                    let done = app.wakes(1);
                    status["active_sync_rules"] =
                        json!({ "connections": [{ "initial_replication_done": done }], "errors": [] });
                }
                (200, json!({ "data": status }))
            }
            _ => error(404, "not found"),
        }
    }
}

impl App {
    fn of(organization: &str, polls: usize) -> Self {
        Self {
            organization: organization.to_owned(),
            secrets: BTreeMap::new(),
            addresses: Vec::new(),
            machines: Vec::new(),
            version: 0,
            sleepy: [polls; 2],
        }
    }

    fn answer(&mut self, method: &str, path: &[&str], name: &str, body: &Value, polls: usize) -> Answer {
        match (method, path) {
            ("GET", []) => {
                let organization = json!({ "name": "A name", "slug": self.organization });
                (200, json!({ "id": name, "name": name, "organization": organization, "status": "pending" }))
            }
            ("POST", ["secrets"]) => {
                let values = body["values"].as_object().unwrap().clone();
                let values =
                    values.into_iter().map(|(name, value)| (name, value.as_str().unwrap().to_owned()));
                self.secrets.extend(values);
                self.version += 1;
                (200, json!({ "version": self.version, "secrets": [] }))
            }
            ("GET", ["ip_assignments"]) => {
                let ips: Vec<_> = self.addresses.iter().map(|ip| json!({ "ip": ip })).collect();
                (200, json!({ "ips": ips }))
            }
            ("POST", ["ip_assignments"]) => {
                let ip = if body["type"] == "v6" { "2a09:8280:1::1:2" } else { "66.241.124.1" };
                self.addresses.push(ip.to_owned());
                (200, json!({ "ip": ip, "shared": body["type"] == "shared_v4" }))
            }
            ("GET", ["machines"]) => (200, self.machines.iter().map(Machine::json).collect()),
            ("POST", ["machines"]) => self.create_machine(body, polls),
            ("GET", ["machines", id, "wait"]) => {
                match self.machines.iter_mut().find(|machine| machine.id == *id) {
                    None => error(404, "machine not found"),
                    Some(machine) if machine.polls == 0 => (200, json!({ "ok": true })),
                    Some(machine) => {
                        machine.polls -= 1;
                        error(408, "deadline_exceeded: machine is still created")
                    }
                }
            }
            _ => error(404, "not found"),
        }
    }

    fn create_machine(&mut self, wanted: &Value, polls: usize) -> Answer {
        let name = wanted["name"].as_str().unwrap().to_owned();
        if self.machines.iter().any(|machine| machine.name == name) {
            return error(422, "unique machine name violation");
        }
        let secret = wanted["config"]["files"][0]["secret_name"].as_str().unwrap();
        if wanted["min_secrets_version"].as_u64() > Some(self.version) || !self.secrets.contains_key(secret) {
            return error(422, "no such secret");
        }
        let id = format!("{:014x}", 0x9080_1234 + self.machines.len());
        self.machines.push(Machine { id, name, config: wanted["config"].clone(), polls });
        (200, self.machines.last().unwrap().json())
    }

    /// The configuration that the serving machine has read, once it is started.
    fn running_config(&self) -> Option<Value> {
        let machine = self.machines.iter().find(|machine| !machine.config["services"].is_null())?;
        (machine.polls == 0).then(|| self.powersync_config())
    }

    /// What the machines find in their file.
    pub fn powersync_config(&self) -> Value {
        let secret = self.secrets.values().next().unwrap();
        let config: Value = serde_json::from_slice(&STANDARD.decode(secret).unwrap()).unwrap();
        let kept: Value = serde_json::from_str(include_str!("../schemas/powersync.json")).unwrap();
        assert_eq!(faults(&kept, &config), Vec::<String>::new());
        if let Some(schema) = full("powersync-config.schema.json") {
            assert_eq!(faults(&schema, &config), Vec::<String>::new());
        }
        config
    }

    fn wakes(&mut self, part: usize) -> bool {
        let awake = self.sleepy[part] == 0;
        self.sleepy[part] = self.sleepy[part].saturating_sub(1);
        awake
    }
}

impl Machine {
    fn json(&self) -> Value {
        let state = if self.polls == 0 { "started" } else { "created" };
        json!({ "id": self.id, "name": self.name, "state": state, "config": self.config })
    }
}

/// What the service finds when it connects to the database, which it really does.
async fn connection(config: &Value) -> Value {
    let uri = config["replication"]["connections"][0]["uri"].as_str().unwrap();
    let mut database = PgConnection::connect(uri).await.unwrap();
    let query = "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = 'powersync')";
    let has_publication: bool = sqlx::query_scalar(query).fetch_one(&mut database).await.unwrap();
    let missing = json!([{ "level": "fatal", "message": "Publication 'powersync' does not exist." }]);
    json!({ "connected": true, "errors": if has_publication { json!([]) } else { missing } })
}

fn error(status: u16, message: &str) -> Answer {
    (status, json!({ "error": message }))
}
