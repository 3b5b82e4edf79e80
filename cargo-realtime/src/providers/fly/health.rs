//! Whether a PowerSync Service works, asked where browsers will find it.

use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::output::error_text;
use crate::progress::Step;
use crate::providers::http::{Api, Request, Wire};
use crate::providers::retry::Retry;

/// How long a new service may take until browsers reach it: the image is fetched, the machine boots, and its name and
/// certificate spread.
const START_PATIENCE: Duration = Duration::from_secs(300);
/// How long a first copy of the database may take while somebody waits.
const REPLICATION_PATIENCE: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_secs(1);

/// A running service.
pub struct Service {
    api: Api,
    /// Its app's name at Fly.
    app: String,
}

/// What `diagnostics` says.
#[derive(Debug, Deserialize)]
struct Diagnostics {
    data: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    connections: Vec<Connection>,
    active_sync_rules: Option<SyncConfig>,
    deploying_sync_rules: Option<SyncConfig>,
}

#[derive(Debug, Deserialize)]
struct Connection {
    connected: bool,
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Debug, Deserialize)]
struct SyncConfig {
    #[serde(default)]
    connections: Vec<Replicated>,
    #[serde(default)]
    errors: Vec<Problem>,
}

#[derive(Debug, Deserialize)]
struct Replicated {
    initial_replication_done: bool,
}

#[derive(Debug, Deserialize)]
struct Problem {
    level: String,
    message: String,
}

/// What holds of a service that is up.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A sync config is active, everything was copied, changes are followed.
    Replicates,
    /// The database is reached as replication needs it. There is no sync config yet: an app deploys it when it first
    /// starts, and replication begins then.
    AwaitsApp,
    /// Not yet, because of this.
    NotYet(String),
}

impl Service {
    /// At `url`, with the token of its admin API.
    pub fn new(wire: &Wire, app: &str, url: &str, api_token: &str) -> Self {
        let api = Api {
            name: "The PowerSync Service",
            base: url.to_owned(),
            authorization: format!("Bearer {api_token}"),
            when_refused: "It was started with another token.",
            retry: Retry::NEVER,
            wire: wire.clone(),
        };
        Self { api, app: app.to_owned() }
    }

    /// Returns when the service answers.
    pub async fn until_alive(&self, step: &Step) -> Result<()> {
        let started = Instant::now();
        loop {
            let probe = self.api.call::<IgnoredAny>(Request::get("/probes/liveness"), json!({})).await;
            let Err(error) = probe else { return Ok(()) };
            self.give_up_after(START_PATIENCE, started, || error_text(&error))?;
            step.detail("waiting until it answers");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Returns when the service replicates or, where no app has deployed a sync config yet, could. `has_publication`
    /// says whether an app's migrations have made what is replicated.
    pub async fn until_replicating(&self, has_publication: bool, step: &Step) -> Result<Verdict> {
        let started = Instant::now();
        loop {
            let reason = match self.verdict(has_publication).await {
                Ok(Verdict::NotYet(reason)) => reason,
                Ok(verdict) => return Ok(verdict),
                Err(error) => error_text(&error),
            };
            step.detail(&reason);
            self.give_up_after(REPLICATION_PATIENCE, started, || reason)?;
            tokio::time::sleep(POLL).await;
        }
    }

    async fn verdict(&self, has_publication: bool) -> Result<Verdict, Error> {
        let placeholder = json!({ "data": { "connections": [{ "connected": true }] } });
        let request = Request::post("/api/admin/v1/diagnostics", json!({}));
        let diagnostics: Diagnostics = self.api.call(request, placeholder).await?;
        Ok(judge(&diagnostics.data, has_publication))
    }

    fn give_up_after(
        &self,
        patience: Duration,
        started: Instant,
        reason: impl FnOnce() -> String,
    ) -> Result<()> {
        if started.elapsed() < patience {
            return Ok(());
        }
        bail!(
            "The PowerSync Service at {} is not ready after {} s: {}. `fly logs -a {}` shows what it says. Run the same \
             command again to go on waiting.",
            self.api.base,
            patience.as_secs(),
            reason(),
            self.app
        )
    }
}

fn judge(status: &Status, has_publication: bool) -> Verdict {
    let Some(connection) = status.connections.first() else {
        return Verdict::NotYet("it has no connection to the database".to_owned());
    };
    // Without the publication, the service calls the connection faulty for that alone; it is not until an app starts.
    let is_expected = |problem: &Problem| !has_publication && problem.message.contains("ublication");
    let problems = connection.errors.iter().filter(|problem| !is_expected(problem));
    let sync_configs = status.active_sync_rules.iter().chain(&status.deploying_sync_rules);
    let mut faults =
        problems.chain(sync_configs.flat_map(|config| &config.errors)).filter(|problem| problem.is_fault());
    if let Some(fault) = faults.next() {
        return Verdict::NotYet(format!("it says: {}", fault.message));
    }
    if !connection.connected {
        return Verdict::NotYet("it does not reach the database".to_owned());
    }
    match (&status.active_sync_rules, &status.deploying_sync_rules) {
        (None, None) => Verdict::AwaitsApp,
        (Some(active), None) if active.connections.iter().all(|it| it.initial_replication_done) => {
            Verdict::Replicates
        }
        _ => Verdict::NotYet("it is copying the database".to_owned()),
    }
}

impl Problem {
    fn is_fault(&self) -> bool {
        self.level != "warning"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn verdict(status: Value, has_publication: bool) -> Verdict {
        judge(&serde_json::from_value(status).unwrap(), has_publication)
    }

    fn connected() -> Value {
        json!([{ "id": "default", "postgres_uri": "postgresql://h:5432/app", "connected": true, "errors": [] }])
    }

    #[test]
    fn before_the_app_has_started_a_missing_publication_is_no_fault() {
        let no_publication = json!({ "connections": [{
            "connected": true,
            "errors": [{ "level": "fatal", "message": "Publication 'powersync' does not exist." }],
        }]});
        assert_eq!(verdict(no_publication.clone(), false), Verdict::AwaitsApp);
        assert!(
            matches!(verdict(no_publication, true), Verdict::NotYet(reason) if reason.contains("does not exist"))
        );
        assert_eq!(verdict(json!({ "connections": connected() }), true), Verdict::AwaitsApp);
    }

    #[test]
    fn a_connection_that_fails_is_waited_for() {
        let fault = json!([{ "level": "fatal", "message": "wal_level must be 'logical'" }]);
        let faulty = json!({ "connections": [{ "connected": true, "errors": fault }] });
        assert!(matches!(verdict(faulty, false), Verdict::NotYet(reason) if reason.contains("wal_level")));
        let away = json!({ "connections": [{ "connected": false, "errors": [] }] });
        assert!(matches!(verdict(away, true), Verdict::NotYet(_)));
        assert!(matches!(verdict(json!({ "connections": [] }), true), Verdict::NotYet(_)));
    }

    #[test]
    fn an_active_sync_config_must_be_copied_and_free_of_errors() {
        let active = |done: bool, errors: Value| {
            let rules = json!({ "connections": [{ "initial_replication_done": done }], "errors": errors });
            json!({ "connections": connected(), "active_sync_rules": rules })
        };
        assert_eq!(verdict(active(true, json!([])), true), Verdict::Replicates);
        assert!(matches!(verdict(active(false, json!([])), true), Verdict::NotYet(_)));
        let warning = json!([{ "level": "warning", "message": "Table not found." }]);
        assert_eq!(verdict(active(true, warning), true), Verdict::Replicates);
        let fatal = json!([{ "level": "fatal", "message": "Slot is gone." }]);
        assert!(
            matches!(verdict(active(true, fatal), true), Verdict::NotYet(reason) if reason.contains("Slot"))
        );
        let deploying = json!({ "connections": connected(), "deploying_sync_rules": { "connections": [], "errors": [] } });
        assert!(matches!(verdict(deploying, true), Verdict::NotYet(_)));
    }
}
