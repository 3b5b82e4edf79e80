//! Neon: projects with operations that take a while, one branch each, and databases and roles that are real.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::postgres::Postgres;
use super::{Answer, Call, NEON_KEY};

static NUMBER: AtomicUsize = AtomicUsize::new(1);

/// See the module.
pub struct Neon {
    /// How often an operation is asked for before it is finished.
    pub polls: usize,
    /// How operations end.
    pub outcome: &'static str,
    /// Whether roles made through the API have what Neon gives them.
    pub powerful_roles: bool,
    /// How many projects one page holds.
    pub page: usize,
    /// In the order in which they were made.
    pub projects: Vec<Project>,
    postgres: Postgres,
    secrets: Vec<String>,
    databases: Vec<String>,
    roles: Vec<String>,
}

/// A project.
pub struct Project {
    pub id: String,
    pub name: String,
    /// By the names that Neon has for them, the real ones with their passwords.
    pub roles: BTreeMap<String, (String, String)>,
    /// By the names that Neon has for them, the real ones.
    pub databases: BTreeMap<String, String>,
    operations: Vec<Operation>,
}

struct Operation {
    id: String,
    action: &'static str,
    polls: usize,
    outcome: &'static str,
}

impl Neon {
    pub fn new() -> Self {
        Self {
            polls: 2,
            outcome: "finished",
            powerful_roles: true,
            page: 400,
            projects: Vec::new(),
            postgres: Postgres::for_tests(),
            secrets: Vec::new(),
            databases: Vec::new(),
            roles: Vec::new(),
        }
    }

    /// A project of somebody's that was there before.
    pub fn add_project(&mut self, name: &str) {
        let id = unique("old-project");
        self.projects.push(Project {
            id,
            name: name.to_owned(),
            roles: BTreeMap::new(),
            databases: BTreeMap::new(),
            operations: Vec::new(),
        });
    }

    /// What nobody may see.
    pub fn secrets(&self) -> Vec<String> {
        self.secrets.clone()
    }

    /// Deletes every database and role.
    pub async fn clean_up(&mut self) {
        self.postgres.drop(&self.databases, &self.roles).await;
    }

    /// Answers a request that the contract allows.
    pub async fn answer(&mut self, call: &Call<'_>) -> Answer {
        if call.authorization != format!("Bearer {NEON_KEY}") {
            return error(401, "", "authentication failed");
        }
        match (call.method, call.path.as_slice()) {
            ("GET", ["projects"]) => self.list(call),
            ("POST", ["projects"]) => self.create(&call.body["project"]).await,
            (_, ["projects", id, rest @ ..]) => {
                let Some(index) = self.projects.iter().position(|project| project.id == *id) else {
                    return error(404, "", "project not found");
                };
                self.in_project(index, call, rest).await
            }
            _ => error(404, "", "no such path"),
        }
    }

    fn list(&self, call: &Call<'_>) -> Answer {
        let search = call.query.get("search").map_or("", String::as_str);
        let start: usize = call.query.get("cursor").map_or(0, |cursor| cursor.parse().unwrap());
        let limit = call.query.get("limit").map_or(10, |limit| limit.parse().unwrap()).min(self.page);
        let matching: Vec<_> = self.projects.iter().filter(|project| project.name.contains(search)).collect();
        let page: Vec<_> = matching
            .iter()
            .skip(start)
            .take(limit)
            .map(|project| json!({ "id": project.id, "name": project.name }))
            .collect();
        let cursor = (start + page.len()).to_string();
        (200, json!({ "projects": page, "pagination": { "cursor": cursor } }))
    }

    async fn create(&mut self, wanted: &Value) -> Answer {
        let id = unique("quiet-night");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (role, database) =
            (text(&wanted["branch"]["role_name"]), text(&wanted["branch"]["database_name"]));
        let mut project = Project {
            id: id.clone(),
            name: text(&wanted["name"]),
            roles: BTreeMap::new(),
            databases: BTreeMap::new(),
            operations: Vec::new(),
        };
        project.roles.insert(role.clone(), self.make_role(&id).await);
        project.databases.insert(database.clone(), self.make_database(&project, &database, &role).await);
        let operations = project.start(self, &["create_timeline", "start_compute"]);
        self.projects.push(project);
        let branch = json!({ "id": branch_of(&id), "name": "main" });
        (201, json!({ "project": { "id": id }, "branch": branch, "operations": operations }))
    }

    async fn make_role(&mut self, project: &str) -> (String, String) {
        let (role, password) = (unique(&format!("{project}-role")), unique("npg_password"));
        self.postgres.create_role(&role, &password).await;
        self.secrets.push(password.clone());
        self.roles.push(role.clone());
        (role, password)
    }

    async fn make_database(&mut self, project: &Project, name: &str, owner: &str) -> String {
        let database = format!("{}-{name}", project.id);
        self.databases.push(database.clone());
        self.postgres.create_database(&database, &project.roles[owner].0).await;
        database
    }

    async fn in_project(&mut self, index: usize, call: &Call<'_>, rest: &[&str]) -> Answer {
        let branch = branch_of(&self.projects[index].id);
        match (call.method, rest) {
            ("GET", []) => (200, json!({ "project": { "id": self.projects[index].id } })),
            ("DELETE", []) => {
                let project = self.projects.remove(index);
                let databases: Vec<_> = project.databases.into_values().collect();
                self.postgres.drop(&databases, &[]).await;
                (200, json!({ "project": { "id": project.id } }))
            }
            ("GET", ["branches"]) => (200, json!({ "branches": [{ "id": branch, "default": true }] })),
            ("GET", ["operations"]) => {
                let operations = self.projects[index].operations.iter().map(Operation::json);
                (200, json!({ "operations": operations.collect::<Vec<_>>() }))
            }
            ("GET", ["operations", id]) => self.projects[index].poll(id),
            ("GET", ["connection_uri"]) => self.connection_uri(index, call),
            (method, ["branches", id, what, name @ ..]) if *id == branch => {
                self.in_branch(index, method, what, name.first().copied(), &call.body).await
            }
            _ => error(404, "", "not found"),
        }
    }

    fn connection_uri(&self, index: usize, call: &Call<'_>) -> Answer {
        let project = &self.projects[index];
        let (role, database) = (&call.query["role_name"], &call.query["database_name"]);
        let (Some((role, password)), Some(database)) =
            (project.roles.get(role), project.databases.get(database))
        else {
            return error(404, "", "no such role or database");
        };
        (200, json!({ "uri": self.postgres.uri(role, password, database, call.query["pooled"] == "true") }))
    }

    async fn in_branch(
        &mut self,
        index: usize,
        method: &str,
        what: &str,
        name: Option<&str>,
        body: &Value,
    ) -> Answer {
        let project = &self.projects[index];
        let has = |name: &str| match what {
            "roles" => project.roles.contains_key(name),
            _ => project.databases.contains_key(name),
        };
        if let ("GET", Some(name)) = (method, name) {
            return if has(name) { (200, json!({})) } else { error(404, "", "not found") };
        }
        let (singular, text) =
            (what.trim_end_matches('s'), |field: &Value| field.as_str().unwrap().to_owned());
        let name = text(&body[singular]["name"]);
        if has(&name) {
            return error(409, "ALREADY_EXISTS", "already exists");
        }
        if project.operations.iter().any(Operation::is_under_way) {
            return error(423, "", "project already has running operations");
        }
        if what == "roles" {
            let role = self.api_role(index).await;
            self.projects[index].roles.insert(name, role);
        } else {
            let owner = text(&body[singular]["owner_name"]);
            let mut project = self.projects.remove(index);
            let database = self.make_database(&project, &name, &owner).await;
            project.databases.insert(name, database);
            self.projects.insert(index, project);
        }
        let mut project = self.projects.remove(index);
        let operations = project.start(self, &["apply_config"]);
        self.projects.insert(index, project);
        (201, json!({ "operations": operations }))
    }

    /// A role made through the API replicates and sees every row, as the role of the tests does; only a superuser could
    /// make another of that kind.
    async fn api_role(&mut self, index: usize) -> (String, String) {
        if !self.powerful_roles {
            let project = self.projects[index].id.clone();
            return self.make_role(&project).await;
        }
        let (role, password) = self.postgres.role();
        let password = password.unwrap_or_else(|| "npg_password_of_the_tests".to_owned());
        self.secrets.push(password.clone());
        (role, password)
    }
}

impl Project {
    fn start(&mut self, neon: &Neon, actions: &[&'static str]) -> Vec<Value> {
        let operation = |action: &&'static str| Operation {
            id: unique("operation"),
            action,
            polls: neon.polls,
            outcome: neon.outcome,
        };
        let started: Vec<_> = actions.iter().map(operation).collect();
        let json = started.iter().map(Operation::json).collect();
        self.operations.extend(started);
        json
    }

    fn poll(&mut self, id: &str) -> Answer {
        let Some(operation) = self.operations.iter_mut().find(|operation| operation.id == id) else {
            return error(404, "", "no such operation");
        };
        let answer = operation.json();
        operation.polls = operation.polls.saturating_sub(1);
        (200, json!({ "operation": answer }))
    }
}

impl Operation {
    fn is_under_way(&self) -> bool {
        self.polls > 0
    }

    fn json(&self) -> Value {
        let status = match self.polls {
            0 => self.outcome,
            1 => "running",
            _ => "scheduling",
        };
        let mut json = json!({ "id": self.id, "action": self.action, "status": status });
        if status == "failed" {
            json["error"] = "no compute left in this region".into();
        }
        json
    }
}

fn branch_of(project: &str) -> String {
    format!("br-{project}")
}

/// Nobody else's, not even another test run's.
fn unique(what: &str) -> String {
    format!("{what}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    (status, json!({ "code": code, "message": message, "request_id": "request-1" }))
}
