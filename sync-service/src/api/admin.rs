//! The admin API: deploying and looking at the sync config.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::Failure;
use crate::auth::check_api_token;
use crate::shared::{Shared, State as SequencerState};
use crate::store::catalog;
use crate::store::versions::{self, Version};
use crate::streams::{self, Refusal, Streams, TableName};

type Answer = Result<Json<Value>, Failure>;

/// `POST /api/sync-rules/v1/deploy`: YAML, or JSON `{"content": "<yaml>"}`.
pub(super) async fn deploy(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Answer {
    check_api_token(&headers, &shared.config.api_tokens)?;
    let content = content(&headers, &body)?;
    streams::compile(&content).map_err(|refusals| {
        Failure::new(422, "PSYNC_R0001", "ServiceError", "Sync config parsing failed")
            .details(lines(&refusals))
    })?;
    let slot_name = put(&shared, &content).await?;
    Ok(Json(json!({ "data": { "slot_name": slot_name } })))
}

/// `POST /api/sync-rules/v1/reprocess`: deploys the active config again, so that everything is read again.
pub(super) async fn reprocess(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Answer {
    check_api_token(&headers, &shared.config.api_tokens)?;
    let (active, next) = stored(&shared).await?;
    if next.is_some() {
        return Err(Failure::new(
            409,
            "PSYNC_S4106",
            "ServiceError",
            "Busy processing sync config - cannot reprocess",
        ));
    }
    let slot_name = put(&shared, &active.ok_or_else(no_active)?.content).await?;
    Ok(Json(json!({ "data": { "slot_name": slot_name } })))
}

/// `POST /api/sync-rules/v1/validate`: reads the text alone.
pub(super) async fn validate_text(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    check_api_token(&headers, &shared.config.api_tokens)?;
    Ok(Json(match streams::compile(&content(&headers, &body)?) {
        Ok(streams) => with_tables(json!({ "valid": true }), &streams),
        Err(refusals) => {
            json!({ "valid": false, "errors": refusals.iter().map(ToString::to_string).collect::<Vec<_>>() })
        }
    }))
}

/// `POST /api/admin/v1/validate`: reads the text and compares it with the tables.
pub(super) async fn validate(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Answer {
    check_api_token(&headers, &shared.config.api_tokens)?;
    let request: ValidateRequest = serde_json::from_slice(&body).map_err(Failure::validation)?;
    let streams = match streams::compile(&request.sync_rules) {
        Ok(streams) => streams,
        Err(refusals) => {
            let fatal =
                refusals.iter().map(|r| json!({ "level": "fatal", "message": r.to_string(), "ts": now() }));
            return Ok(Json(json!({ "data": { "connections": [], "errors": fatal.collect::<Vec<_>>() } })));
        }
    };
    let tables = catalog::tables(&mut *shared.pool.acquire().await?).await?;
    let mut errors = problems_as_errors(&crate::sequencer::problems(&streams, &tables));
    errors.extend(
        streams.warnings.iter().map(|w| json!({ "level": "warning", "message": w.to_string(), "ts": now() })),
    );
    let connection = json!({ "id": "default", "tag": "default", "slot_name": "", "initial_replication_done": false,
        "tables": tables_of(&streams, &tables) });
    Ok(Json(json!({ "data": { "connections": [connection], "errors": errors } })))
}

/// `GET /api/sync-rules/v1/current`
pub(super) async fn current(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Answer {
    check_api_token(&headers, &shared.config.api_tokens)?;
    let (active, next) = stored(&shared).await?;
    let describe = |version: &Version| {
        let start = json!({ "slot_name": version.slot_name(), "content": version.content, "valid": true });
        match streams::compile(&version.content) {
            Ok(streams) => with_tables(start, &streams),
            Err(refusals) => {
                json!({ "slot_name": version.slot_name(), "content": version.content, "valid": false,
                "errors": refusals.iter().map(ToString::to_string).collect::<Vec<_>>() })
            }
        }
    };
    let active = active.ok_or_else(no_active)?;
    Ok(Json(json!({ "data": { "current": describe(&active), "next": next.as_ref().map(describe) } })))
}

/// `POST /api/admin/v1/diagnostics`
pub(super) async fn diagnostics(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    check_api_token(&headers, &shared.config.api_tokens)?;
    let request: DiagnosticsRequest = if body.is_empty() {
        DiagnosticsRequest::default()
    } else {
        serde_json::from_slice(&body).map_err(Failure::validation)?
    };
    let mut data = json!({ "connections": [connection(&shared)] });
    if !shared.is_leading() {
        return Ok(Json(json!({ "data": data })));
    }
    let (_, next) = stored(&shared).await?;
    let last_error = versions::last_error(&mut *shared.pool.acquire().await?).await?;
    let active = shared.active().borrow().clone();
    if let Some(active) = active {
        let report = shared.report();
        let mut errors = problems_as_errors(&report.problems);
        errors.extend(report.aside.iter().map(|problem| {
            let message = format!("Table {} is not synced: {}", problem.table, problem.error);
            json!({ "level": "fatal", "message": message, "ts": now() })
        }));
        errors.extend(last_error.map(|message| json!({ "level": "fatal", "message": message, "ts": now() })));
        let lag = shared.replication_lag().await?;
        let mut active = rules(&active.version, true, errors, request.sync_rules_content);
        active["connections"][0]["replication_lag_seconds"] = json!(lag.as_secs_f64());
        data["active_sync_rules"] = active;
    }
    if let Some(next) = next {
        data["deploying_sync_rules"] = rules(&next, false, Vec::new(), request.sync_rules_content);
    }
    Ok(Json(json!({ "data": data })))
}

#[derive(Deserialize)]
struct ValidateRequest {
    sync_rules: String,
}

#[derive(Default, Deserialize)]
struct DiagnosticsRequest {
    #[serde(default)]
    sync_rules_content: bool,
}

fn content(headers: &HeaderMap, body: &[u8]) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Wrapped {
        content: Option<String>,
    }
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match media_type.split(';').next().unwrap_or_default().trim() {
        "application/yaml" => String::from_utf8(body.to_vec()).map_err(Failure::validation),
        "application/json" => {
            let wrapped: Wrapped = serde_json::from_slice(body).map_err(Failure::validation)?;
            wrapped.content.ok_or_else(|| Failure::validation(" must have required property 'content'"))
        }
        other => Err(Failure::new(
            415,
            "FST_ERR_CTP_INVALID_MEDIA_TYPE",
            "FastifyError",
            format!("Unsupported Media Type: {other}; send application/yaml or application/json"),
        )),
    }
}

async fn put(shared: &Shared, content: &str) -> Result<String, Failure> {
    if !shared.is_leading() {
        return Err(super::not_leading(shared));
    }
    let version = versions::deploy(&mut *shared.pool.acquire().await?, content).await?;
    shared.deployed();
    Ok(versions::slot_name(version))
}

/// The active and the waiting config.
async fn stored(shared: &Shared) -> Result<(Option<Version>, Option<Version>), Failure> {
    if !shared.is_leading() {
        return Err(super::not_leading(shared));
    }
    let mut connection = shared.pool.acquire().await?;
    let active = versions::in_state(&mut connection, "active").await?;
    let next = versions::in_state(&mut connection, "deploying").await?;
    Ok((active, next))
}

fn no_active() -> Failure {
    Failure::new(422, "PSYNC_S4104", "ServiceError", "No active sync config")
}

fn lines(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn problems_as_errors(problems: &[String]) -> Vec<Value> {
    problems.iter().map(|message| json!({ "level": "warning", "message": message, "ts": now() })).collect()
}

/// The tables that a config reads, each once.
fn source_tables(streams: &Streams) -> Vec<&TableName> {
    let sources = streams.sources.iter().map(|source| &source.table);
    let mut tables: Vec<_> = sources.chain(streams.lookups.iter().map(|lookup| &lookup.table)).collect();
    tables.sort();
    tables.dedup();
    tables
}

fn with_tables(mut value: Value, streams: &Streams) -> Value {
    let table = |t: &&TableName| json!({ "schema": t.schema, "pattern": t.name, "wildcard": false });
    value["bucket_definitions"] =
        streams.streams.iter().map(|stream| format!("stream {}", stream.name)).collect();
    value["source_tables"] = source_tables(streams).iter().map(table).collect();
    value["data_tables"] = streams
        .sources
        .iter()
        .map(|source| (source.object_type.clone(), json!({})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    value
}

fn tables_of(streams: &Streams, tables: &[catalog::Table]) -> Vec<Value> {
    let describe = |name: &TableName| {
        let table = tables.iter().find(|table| table.name == *name);
        let key: Vec<_> =
            table.map(|table| table.key().map(|column| column.name.as_str()).collect()).unwrap_or_default();
        json!({ "schema": name.schema, "name": name.name, "replication_id": key,
            "data_queries": streams.sources.iter().any(|source| source.table == *name),
            "parameter_queries": streams.lookups.iter().any(|lookup| lookup.table == *name), "errors": [] })
    };
    source_tables(streams).into_iter().map(describe).collect()
}

fn rules(version: &Version, done: bool, errors: Vec<Value>, with_content: bool) -> Value {
    let connection = json!({ "id": "default", "tag": "default", "slot_name": version.slot_name(),
        "initial_replication_done": done });
    let mut rules = json!({ "connections": [connection], "errors": errors });
    if with_content {
        rules["content"] = json!(version.content);
    }
    rules
}

fn connection(shared: &Shared) -> Value {
    let errors: Vec<Value> = match shared.state() {
        SequencerState::Leading => Vec::new(),
        SequencerState::StandBy => {
            vec![json!({ "level": "warning", "message": "another process is the sequencer" })]
        }
        SequencerState::Disconnected(error) => {
            vec![
                json!({ "level": "fatal", "message": error.unwrap_or_else(|| "not connected yet".to_owned()) }),
            ]
        }
    };
    let options = shared.pool.connect_options();
    let uri = format!(
        "postgresql://{}:{}/{}",
        options.get_host(),
        options.get_port(),
        options.get_database().unwrap_or_default()
    );
    json!({ "id": "default", "postgres_uri": uri, "connected": errors.is_empty(), "errors": errors })
}
