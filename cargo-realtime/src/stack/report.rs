//! What `up` and `status` print: what the stack should run, beside what does run.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use super::home::Home;
use super::state::{Database, State};
use super::{postgres, sync_service};
use crate::providers::{DatabaseProvider, SyncProvider};

/// The stack as it is. Holds no secret.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The stack's folder.
    pub home: PathBuf,
    /// The cluster.
    pub postgres: PostgresReport,
    /// In the order in which they were made.
    pub databases: Vec<DatabaseReport>,
    /// In the order in which they were first connected.
    pub apps: Vec<AppReport>,
}

/// The cluster. Fields are null while there is none.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PostgresReport {
    /// Whether it runs.
    pub running: bool,
    /// Of its first process.
    pub pid: Option<u32>,
    /// On 127.0.0.1.
    pub port: Option<u16>,
    /// Where the role `realtime` can make databases and roles; without its password.
    pub database_url: Option<String>,
    /// Its log file.
    pub log: Option<PathBuf>,
}

/// A database.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseReport {
    /// What other commands refer to it by.
    pub id: String,
    /// Its name in Postgres.
    pub name: String,
    /// Who runs it.
    pub provider: DatabaseProvider,
    /// Where the role `realtime`, its owner, finds it; without its password, which is in the `.env` of its apps. Null
    /// while it is not finished.
    pub database_url: Option<String>,
    /// Null until sync is enabled.
    pub sync: Option<SyncReport>,
}

/// A database's sync service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncReport {
    /// Who runs it.
    pub provider: SyncProvider,
    /// Whether it runs; null for one elsewhere, which is not asked.
    pub running: Option<bool>,
    /// Of its process on this machine.
    pub pid: Option<u32>,
    /// For clients and the admin API.
    pub url: String,
    /// Its log file on this machine.
    pub log: Option<PathBuf>,
    /// Its app's name at Fly.
    pub fly_app: Option<String>,
}

/// A connected app.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppReport {
    /// What other commands refer to it by.
    pub id: String,
    /// Its root.
    pub path: PathBuf,
    /// The file with its variables.
    pub env_file: PathBuf,
    /// The database it uses.
    pub database_id: Option<String>,
}

impl Report {
    /// Looks at the stack in `home`, and changes nothing.
    pub fn of(home: &Home) -> Result<Self> {
        let state = State::read(home)?;
        Ok(Self {
            home: home.dir().to_owned(),
            postgres: postgres_report(&state),
            databases: databases(home, &state),
            apps: state
                .apps
                .into_iter()
                .map(|app| AppReport {
                    id: app.id,
                    path: app.path,
                    env_file: app.env_file,
                    database_id: app.database_id,
                })
                .collect(),
        })
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut rows = vec![self.postgres.row()];
        rows.extend(self.databases.iter().flat_map(DatabaseReport::rows));
        for app in self.apps.iter().filter(|app| app.path.is_dir()) {
            let database = app.database_id.as_deref().unwrap_or("no database yet");
            rows.push([app.id.clone(), "app".to_owned(), format!("{database}, {}", app.env_file.display())]);
        }
        let widths =
            [0, 1].map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
        let line = |[name, state, what]: &[String; 3]| {
            format!("{name:<first$}  {state:<second$}  {what}\n", first = widths[0], second = widths[1])
        };
        let mut text: String = rows.iter().map(line).collect();
        text.push_str(&format!("Logs and state: {}", self.home.display()));
        text
    }
}

impl PostgresReport {
    fn row(&self) -> [String; 3] {
        let what = match (self.pid, self.port) {
            (Some(pid), Some(port)) => format!("127.0.0.1:{port}, pid {pid}"),
            (_, Some(_)) => "`cargo realtime up` starts it".to_owned(),
            _ => "not made yet: `cargo realtime up` makes and starts it".to_owned(),
        };
        ["Postgres".to_owned(), word(self.running), what]
    }
}

impl DatabaseReport {
    fn rows(&self) -> Vec<[String; 3]> {
        let (state, what) = match &self.sync {
            Some(SyncReport { fly_app: Some(app), url, .. }) => {
                ("on Fly".to_owned(), format!("{url}, app {app}"))
            }
            Some(SyncReport { pid: Some(pid), url, .. }) => (word(true), format!("{url}, pid {pid}")),
            Some(_) => (word(false), "`cargo realtime up` starts its sync service".to_owned()),
            None => ("no sync".to_owned(), String::new()),
        };
        let sync = [format!("Sync of {}", self.id), state, what];
        let unfinished = || "not finished: run create-database again".to_owned();
        let elsewhere = (self.provider == DatabaseProvider::Neon).then(|| {
            let url = self.database_url.clone().unwrap_or_else(unfinished);
            [format!("Database {}", self.id), "at Neon".to_owned(), url]
        });
        elsewhere.into_iter().chain([sync]).collect()
    }
}

fn word(running: bool) -> String {
    if running { "running" } else { "stopped" }.to_owned()
}

fn postgres_report(state: &State) -> PostgresReport {
    let cluster = state.postgres.as_ref();
    let pid = cluster.and_then(postgres::pid);
    PostgresReport {
        running: pid.is_some(),
        pid,
        port: cluster.map(|cluster| cluster.port),
        database_url: cluster.map(|cluster| cluster.public_url("postgres")),
        log: cluster.map(|cluster| cluster.log()),
    }
}

fn databases(home: &Home, state: &State) -> Vec<DatabaseReport> {
    let report = |database: &Database| DatabaseReport {
        id: database.id.clone(),
        name: database.name.clone(),
        provider: match database.neon {
            Some(_) => DatabaseProvider::Neon,
            None => DatabaseProvider::Local,
        },
        database_url: match &database.neon {
            Some(project) => project.public_url(),
            None => state.postgres.as_ref().map(|cluster| cluster.public_url(&database.name)),
        },
        sync: sync_report(home, database),
    };
    state.databases.iter().map(report).collect()
}

fn sync_report(home: &Home, database: &Database) -> Option<SyncReport> {
    if let Some(service) = &database.fly {
        return Some(SyncReport {
            provider: SyncProvider::Fly,
            running: None,
            pid: None,
            url: service.url(),
            log: None,
            fly_app: Some(service.app.clone()),
        });
    }
    let sync = database.sync.as_ref()?;
    let pid = sync_service::pid(home, &database.id);
    Some(SyncReport {
        provider: SyncProvider::Local,
        running: Some(pid.is_some()),
        pid,
        url: sync.url(),
        log: Some(home.sync_log(&database.id)),
        fly_app: None,
    })
}
