//! Neon, Fly and the PowerSync Services on Fly, as far as `cargo realtime` knows them: one server in the test's process,
//! with the state that theirs have. It notes every request, refuses what their documentation does not allow, and fails
//! where a test wants it to.

pub mod contract;
mod fly;
mod neon;
mod postgres;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Output;
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use contract::Contract;
pub use fly::Fly;
pub use neon::Neon;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::machine::{Machine, text};

const NEON_KEY: &str = "napi_the_key_of_the_test";
const FLY_TOKEN: &str = "fm2_the_token_of_the_test";

/// The server; gone, with the databases it has made, when dropped.
pub struct Fake {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

/// Made once, because the full documents are long.
static NEON_CONTRACT: LazyLock<Contract> =
    LazyLock::new(|| Contract::new(include_str!("../schemas/neon.json"), "neon.strict.json"));
static FLY_CONTRACT: LazyLock<Contract> =
    LazyLock::new(|| Contract::new(include_str!("../schemas/fly.json"), "fly-machines.strict.json"));

struct Shared {
    notes: Mutex<Notes>,
    providers: tokio::sync::Mutex<(Neon, Fly)>,
}

#[derive(Default)]
struct Notes {
    requests: Vec<Recorded>,
    faults: BTreeMap<usize, Fault>,
    /// What no request should have been.
    refused: Vec<String>,
}

/// A request that came.
#[derive(Clone)]
pub struct Recorded {
    /// Such as `POST /neon/projects`.
    pub call: String,
    /// JSON, or null.
    pub body: Value,
}

/// How one request fails.
#[derive(Clone)]
pub enum Fault {
    /// It is answered with this status, and not carried out.
    Refused(u16),
    /// The same, with a header `Retry-After` of so many seconds.
    RetryAfter(u16, u64),
    /// It is carried out, and its answer is lost.
    Lost,
}

/// What a provider answers.
pub type Answer = (u16, Value);

/// A request to one provider.
pub struct Call<'a> {
    method: &'a str,
    path: Vec<&'a str>,
    query: BTreeMap<String, String>,
    body: Value,
    authorization: &'a str,
}

impl Fake {
    /// Providers that have done everything at once.
    pub fn fast() -> Self {
        let fake = Self::new();
        fake.look(|neon, fly| {
            neon.polls = 0;
            fly.polls = 0;
        });
        fake
    }

    /// Providers that take their time, as the real ones do.
    pub fn new() -> Self {
        let shared = Arc::new(Shared {
            notes: Mutex::default(),
            providers: tokio::sync::Mutex::new((Neon::new(), Fly::new())),
        });
        let (stop, stopped) = oneshot::channel();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().fallback(handle).with_state(shared.clone());
        let state = shared.clone();
        let server = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let server = axum::serve(listener, app).into_future();
                tokio::select! { _ = server => {}, _ = stopped => {} }
                state.providers.lock().await.0.clean_up().await;
            });
        });
        Self { address, shared, stop: Some(stop), server: Some(server) }
    }

    /// Lets the request with this number fail; the first is 0.
    pub fn fail(&self, number: usize, fault: Fault) {
        self.shared.notes.lock().unwrap().faults.insert(number, fault);
    }

    /// How many requests came.
    pub fn count(&self) -> usize {
        self.shared.notes.lock().unwrap().requests.len()
    }

    /// The requests that came, from this number on.
    pub fn requests(&self, from: usize) -> Vec<Recorded> {
        self.shared.notes.lock().unwrap().requests[from..].to_vec()
    }

    /// Looks at the providers.
    pub fn look<T>(&self, look: impl FnOnce(&mut Neon, &mut Fly) -> T) -> T {
        let mut providers = self.shared.providers.blocking_lock();
        let (neon, fly) = &mut *providers;
        look(neon, fly)
    }

    /// Runs `cargo realtime ARGUMENTS` against the fake, and sees to it that no secret is shown and that every request was
    /// one that the providers document.
    pub fn run(&self, machine: &Machine, arguments: &[&str]) -> Output {
        let output = machine
            .command(arguments)
            .env("NEON_API_HOST", format!("http://{}/neon", self.address))
            .env("NEON_API_KEY", NEON_KEY)
            .env("FLY_FLAPS_BASE_URL", format!("http://{}/fly", self.address))
            .env("FLY_API_TOKEN", FLY_TOKEN)
            .env("REALTIME_FLY_APP_URL", format!("http://{}/app/{{app}}", self.address))
            .output()
            .unwrap();
        let shown = text(&output.stdout) + &text(&output.stderr);
        for secret in self.secrets(machine) {
            assert!(!shown.contains(&secret), "{arguments:?} shows {secret}:\n{shown}");
        }
        let refused = self.shared.notes.lock().unwrap().refused.clone();
        assert!(refused.is_empty(), "{refused:#?}");
        output
    }

    /// The same, and expects it to work; gives the JSON that it prints.
    pub fn json(&self, machine: &Machine, arguments: &[&str]) -> Value {
        let output = self.run(machine, &[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?} failed:\n{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The same, and expects it to fail; gives what it says.
    pub fn error(&self, machine: &Machine, arguments: &[&str]) -> String {
        let output = self.run(machine, arguments);
        assert!(!output.status.success(), "{arguments:?} works:\n{}", text(&output.stdout));
        let address = self.address.to_string();
        machine.neutral(&text(&output.stderr)).replace(&address, "PROVIDER")
    }

    /// Every secret that a command could show: what the providers gave out, and what the state holds.
    fn secrets(&self, machine: &Machine) -> Vec<String> {
        let mut secrets = vec![NEON_KEY.to_owned(), FLY_TOKEN.to_owned()];
        secrets.extend(
            self.look(|neon, fly| neon.secrets().into_iter().chain(fly.secrets()).collect::<Vec<_>>()),
        );
        let state = std::fs::read_to_string(machine.home().join("state.json")).unwrap_or("{}".to_owned());
        let state: Value = serde_json::from_str(&state).unwrap();
        for database in state["databases"].as_array().into_iter().flatten() {
            for sync in [&database["fly"], &database["sync"]] {
                let texts = [sync["signing_key"].as_str(), sync["api_token"].as_str()];
                secrets.extend(texts.into_iter().flatten().map(str::to_owned));
            }
        }
        secrets
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        drop(self.stop.take());
        let ended = self.server.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "the fake has failed");
    }
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = format!("{method} {}", uri.path());
    let json = serde_json::from_slice(&body).unwrap_or_default();
    let fault = {
        let mut notes = shared.notes.lock().unwrap();
        let fault = notes.faults.get(&notes.requests.len()).cloned();
        notes.requests.push(Recorded { call, body: json });
        fault
    };
    if let Some(Fault::Refused(status)) = fault {
        return answer(status, &json!({ "code": "", "message": "not this time", "request_id": "request-7" }));
    }
    if let Some(Fault::RetryAfter(status, seconds)) = fault {
        let refusal = answer(status, &json!({ "code": "", "message": "later" }));
        return ([("retry-after", seconds.to_string())], refusal).into_response();
    }
    let (status, json) = shared.perform(&method, &uri, &headers, &body).await;
    if let Some(Fault::Lost) = fault {
        // Ends the connection, and says nothing.
        std::panic::resume_unwind(Box::new(()));
    }
    answer(status, &json)
}

fn answer(status: u16, json: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    if json.is_null() { status.into_response() } else { (status, axum::Json(json)).into_response() }
}

impl Shared {
    async fn perform(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Answer {
        let authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or("");
        let (provider, path) = uri.path().trim_start_matches('/').split_once('/').unwrap();
        let path = path.strip_prefix("v1/").filter(|_| provider == "fly").unwrap_or(path);
        let query = uri.query().unwrap_or("");
        let fault = match provider {
            "neon" => NEON_CONTRACT.fault(method.as_str(), path, query, body),
            "fly" => FLY_CONTRACT.fault(method.as_str(), path, query, body),
            _ => None,
        };
        if let Some(fault) = fault {
            self.notes.lock().unwrap().refused.push(fault.clone());
            return (400, json!({ "code": "BAD_REQUEST", "message": fault }));
        }
        let pairs = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
        let call = Call {
            method: method.as_str(),
            path: path.split('/').collect(),
            query: pairs.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
            body: serde_json::from_slice(body).unwrap_or_default(),
            authorization,
        };
        let mut providers = self.providers.lock().await;
        let (neon, fly) = &mut *providers;
        match provider {
            "neon" => neon.answer(&call).await,
            "fly" => fly.answer(&call),
            _ => fly.powersync(&call).await,
        }
    }
}
