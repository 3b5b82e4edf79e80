//! Is the process up, and can it serve?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::shared::{Shared, State as SequencerState};

type Answer = (StatusCode, Json<Value>);

/// `GET /probes/startup`: the process has started.
pub(super) async fn startup(State(shared): State<Arc<Shared>>) -> Answer {
    answer(&shared, true)
}

/// `GET /probes/liveness`: the process works, also while it waits for Postgres; starting it again would not help.
pub(super) async fn liveness(State(shared): State<Arc<Shared>>) -> Answer {
    answer(&shared, true)
}

/// `GET /probes/readiness`: it is connected to Postgres and is the one to serve. A sync config need not be deployed.
pub(super) async fn readiness(State(shared): State<Arc<Shared>>) -> Answer {
    answer(&shared, shared.is_leading())
}

fn answer(shared: &Shared, good: bool) -> Answer {
    let started = shared.state() != SequencerState::Disconnected(None);
    let status = if good { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let now = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let aside = shared.report().aside;
    let aside = aside.iter().map(|problem| json!({ "table": problem.table, "reason": problem.error }));
    let aside: Vec<Value> = aside.collect();
    (
        status,
        Json(
            json!({ "ready": shared.is_leading(), "started": started, "touched_at": now, "not_synced": aside }),
        ),
    )
}
