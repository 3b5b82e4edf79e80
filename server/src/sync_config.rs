//! The sync-config updater: makes the sync service use the `sync-config.yaml` that this server was built with.
//!
//! Only a difference is deployed, because a deploy makes every browser download its rows again. A config that the
//! service refuses stops the start: the app would not sync what its pages expect. A service that cannot be reached does
//! not; the app works without it, and the updater keeps trying.

use std::{fmt, time::Duration};

use anyhow::{Context, bail};
use reqwest::{Client, RequestBuilder, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;
use tokio::time::timeout;

const SYNC_CONFIG: &str = include_str!("../../sync-config.yaml");

/// How long the start waits for the config to become active; then the updater goes on in the background.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Deploys the config where it differs, and returns when it is active or, if that takes long, is being seen to.
pub(crate) async fn keep_deployed(service: SyncService) -> anyhow::Result<()> {
    match service.deploy_difference().await {
        Ok(None) => {}
        Ok(Some(slot_name)) => {
            if timeout(PATIENCE, service.active(&slot_name)).await.is_err() {
                tracing::info!("the sync service is still replicating; browsers will sync when it is done");
                tokio::spawn(async move { service.active(&slot_name).await });
            }
        }
        Err(Failure::Away(reason)) => {
            tracing::warn!("the sync service is away, so the sync config is deployed later: {reason}");
            tokio::spawn(deploy_later(service));
        }
        Err(refusal) => bail!("{refusal}"),
    }
    Ok(())
}

async fn deploy_later(service: SyncService) {
    let mut pause = Duration::from_millis(500);
    loop {
        tokio::time::sleep(pause).await;
        match service.deploy_difference().await {
            Ok(None) => return tracing::info!("the sync service is back and has the sync config already"),
            Ok(Some(slot_name)) => return service.active(&slot_name).await,
            Err(Failure::Away(reason)) => tracing::debug!("the sync service is still away: {reason}"),
            Err(refusal) => return tracing::error!("{refusal}"),
        }
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// The sync service's admin API.
pub(crate) struct SyncService {
    client: Client,
    url: String,
    api_token: String,
}

impl SyncService {
    /// `url` without a trailing slash.
    pub(crate) fn new(url: &str, api_token: &str) -> anyhow::Result<SyncService> {
        let client = Client::builder()
            .timeout(Duration::from_secs(10))
            .build()
            .context("The client for the sync service cannot be made")?;
        Ok(SyncService { client, url: url.to_owned(), api_token: api_token.to_owned() })
    }

    /// Deploys the config unless it is active already; returns the name of the slot that is going to be active.
    async fn deploy_difference(&self) -> Result<Option<String>, Failure> {
        let deployed = self.deployed().await?;
        match (deployed.next, deployed.current) {
            (Some(next), _) if next.content == SYNC_CONFIG => Ok(Some(next.slot_name)),
            (None, Some(current)) if current.content == SYNC_CONFIG => Ok(None),
            _ => {
                let slot = self.deploy().await?;
                tracing::info!("the sync config differs from the deployed one; deployed it");
                Ok(Some(slot.slot_name))
            }
        }
    }

    /// Resolves when that slot serves browsers, also when the service goes away and comes back meanwhile.
    async fn active(&self, slot_name: &str) {
        loop {
            match self.diagnostics().await {
                Ok(diagnostics) if diagnostics.is_active(slot_name) => {
                    return tracing::info!("the sync config is active");
                }
                Ok(_) => {}
                Err(failure) => tracing::debug!("{failure}"),
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn deployed(&self) -> Result<Deployed, Failure> {
        match self.call(self.client.get(format!("{}/api/sync-rules/v1/current", self.url))).await {
            Err(Failure::Refused { code, .. }) if code == NONE_DEPLOYED => Ok(Deployed::default()),
            answer => answer,
        }
    }

    async fn deploy(&self) -> Result<Slot, Failure> {
        let request = self.client.post(format!("{}/api/sync-rules/v1/deploy", self.url));
        self.call(request.header(header::CONTENT_TYPE, "application/yaml").body(SYNC_CONFIG)).await
    }

    async fn diagnostics(&self) -> Result<Diagnostics, Failure> {
        self.call(self.client.post(format!("{}/api/admin/v1/diagnostics", self.url)).json(&json!({}))).await
    }

    async fn call<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let away =
            |error: reqwest::Error| Failure::Away(format!("{:#}", anyhow::Error::from(error.without_url())));
        let response = request.bearer_auth(&self.api_token).send().await.map_err(away)?;
        let status = response.status();
        let body = response.bytes().await.map_err(away)?;
        if status.is_success() {
            return serde_json::from_slice(&body).map(|answer: Answer<T>| answer.data).map_err(|error| {
                Failure::Refused {
                    status,
                    code: String::new(),
                    reason: format!("its answer cannot be read, {error}"),
                }
            });
        }
        let Problem { code, description, details } =
            serde_json::from_slice(&body).map(|body: ProblemBody| body.error).unwrap_or_default();
        let reason = [description, details].into_iter().flatten().collect::<Vec<_>>().join(" ");
        if status.is_server_error() {
            return Err(Failure::Away(format!("it answers {status} {code} {reason}")));
        }
        Err(Failure::Refused { status, code, reason })
    }
}

const NONE_DEPLOYED: &str = "PSYNC_S4104";
const FILE_MODE: &str = "PSYNC_S4105";

#[derive(Debug)]
enum Failure {
    /// The service cannot be reached or is not well; trying again may help.
    Away(String),
    /// The service does not want it; trying again does not help.
    Refused { status: StatusCode, code: String, reason: String },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Away(reason) => write!(f, "The sync service is away: {reason}"),
            Failure::Refused { code, .. } if code == FILE_MODE => write!(
                f,
                "The sync service reads its sync config from a file of its own ({FILE_MODE}), and that differs from \
                 sync-config.yaml. Put this one there and restart it, or take `sync_config` out of its configuration."
            ),
            Failure::Refused { status: StatusCode::UNAUTHORIZED, .. } => write!(
                f,
                "The sync service does not accept POWERSYNC_API_TOKEN. Run `cargo realtime up`, or set one of the \
                 tokens in its configuration under `api`."
            ),
            Failure::Refused { status, code, reason } => write!(
                f,
                "The sync service refuses sync-config.yaml: {reason} ({status}, {code}). Correct the file, or \
                 POWERSYNC_URL where that is no sync service."
            ),
        }
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct ProblemBody {
    error: Problem,
}

#[derive(Default, Deserialize)]
struct Problem {
    code: String,
    description: Option<String>,
    details: Option<String>,
}

#[derive(Default, Deserialize)]
struct Deployed {
    current: Option<DeployedConfig>,
    next: Option<DeployedConfig>,
}

#[derive(Deserialize)]
struct DeployedConfig {
    slot_name: String,
    content: String,
}

#[derive(Deserialize)]
struct Slot {
    slot_name: String,
}

#[derive(Deserialize)]
struct Diagnostics {
    active_sync_rules: Option<ActiveConfig>,
}

impl Diagnostics {
    fn is_active(&self, slot_name: &str) -> bool {
        let mut connections = self.active_sync_rules.iter().flat_map(|active| &active.connections);
        connections.any(|connection| connection.slot_name == slot_name && connection.initial_replication_done)
    }
}

#[derive(Deserialize)]
struct ActiveConfig {
    connections: Vec<Connection>,
}

#[derive(Deserialize)]
struct Connection {
    slot_name: String,
    initial_replication_done: bool,
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use insta::assert_snapshot;
    use schema::{TABLES, Table};

    use super::*;

    #[derive(Deserialize)]
    struct SyncConfig {
        streams: BTreeMap<String, Stream>,
    }

    #[derive(Deserialize)]
    struct Stream {
        query: Option<String>,
        #[serde(default)]
        queries: Vec<String>,
    }

    /// The names after each `FROM` and `JOIN`; the first is the table whose rows the query delivers.
    fn tables(query: &str) -> Vec<String> {
        let words: Vec<_> =
            query.split([' ', '\n', '(', ')', ',', ';']).filter(|word| !word.is_empty()).collect();
        let after_from = words
            .windows(2)
            .filter(|pair| pair[0].eq_ignore_ascii_case("from") || pair[0].eq_ignore_ascii_case("join"));
        after_from.map(|pair| pair[1].to_owned()).collect()
    }

    #[test]
    fn the_sync_config_names_synced_tables_and_delivers_each() {
        let config: SyncConfig = serde_saphyr::from_str(SYNC_CONFIG).unwrap();
        let queries = config.streams.values().flat_map(|stream| stream.query.iter().chain(&stream.queries));
        let named: Vec<_> = queries.map(|query| tables(query)).collect();
        for name in named.iter().flatten() {
            assert!(
                Table::named(name).is_some(),
                "sync-config.yaml names {name}, which schema/src/tables.rs lacks"
            );
        }
        let delivered: BTreeSet<_> =
            named.iter().filter_map(|names| names.first()).map(String::as_str).collect();
        let synced: BTreeSet<_> = TABLES.iter().map(|table| table.name).collect();
        assert_eq!(delivered, synced, "sync-config.yaml must deliver every table in schema/src/tables.rs");
    }

    #[test]
    fn the_answers_of_the_official_service_are_understood() {
        let deploying = r#"{"data":{"current":null,"next":{"slot_name":"powersync_1_5e19","content":"streams: {}","valid":true}}}"#;
        let deployed: Answer<Deployed> = serde_json::from_str(deploying).unwrap();
        assert_eq!(deployed.data.next.unwrap().slot_name, "powersync_1_5e19");

        let nothing = r#"{"data":{"connections":[{"id":"default","connected":true,"errors":[]}]}}"#;
        let diagnostics: Answer<Diagnostics> = serde_json::from_str(nothing).unwrap();
        assert!(!diagnostics.data.is_active("powersync_1_5e19"));

        let active = r#"{"data":{"connections":[],"active_sync_rules":{"connections":[{"id":"default","tag":"default","slot_name":"powersync_1_5e19","initial_replication_done":true,"tables":[]}],"errors":[]}}}"#;
        let diagnostics: Answer<Diagnostics> = serde_json::from_str(active).unwrap();
        assert!(diagnostics.data.is_active("powersync_1_5e19"));
        assert!(!diagnostics.data.is_active("powersync_2_0000"));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let refused = |status, code: &str, reason: &str| {
            Failure::Refused { status, code: code.to_owned(), reason: reason.to_owned() }.to_string()
        };
        assert_snapshot!(
            refused(StatusCode::UNPROCESSABLE_ENTITY, "PSYNC_R0001", "Sync config parsing failed"),
            @"The sync service refuses sync-config.yaml: Sync config parsing failed (422 Unprocessable Entity, PSYNC_R0001). Correct the file, or POWERSYNC_URL where that is no sync service."
        );
        assert_snapshot!(
            refused(StatusCode::UNPROCESSABLE_ENTITY, FILE_MODE, "Sync config API disabled"),
            @"The sync service reads its sync config from a file of its own (PSYNC_S4105), and that differs from sync-config.yaml. Put this one there and restart it, or take `sync_config` out of its configuration."
        );
        assert_snapshot!(
            refused(StatusCode::UNAUTHORIZED, "PSYNC_S2101", "Authorization failed"),
            @"The sync service does not accept POWERSYNC_API_TOKEN. Run `cargo realtime up`, or set one of the tokens in its configuration under `api`."
        );
    }
}
