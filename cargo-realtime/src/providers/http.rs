//! Calls to a provider's JSON API.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use reqwest::{Client, Method, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::retry::{Failed, Retry};

/// What stands for a secret wherever one would be seen.
const HIDDEN: &str = "<hidden>";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where calls go to.
#[derive(Clone)]
pub enum Wire {
    /// To the provider.
    Live(Client),
    /// Into a list. Answers are made up, with placeholders such as `<project id>` in them.
    DryRun(Plan),
}

impl Wire {
    /// The real one.
    pub fn live() -> Result<Self> {
        let client = Client::builder()
            .timeout(PATIENCE)
            .user_agent(concat!("cargo-realtime/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("The HTTP client cannot be made")?;
        Ok(Self::Live(client))
    }

    /// The list, if this is a dry run.
    pub fn plan(&self) -> Option<&Plan> {
        match self {
            Self::Live(_) => None,
            Self::DryRun(plan) => Some(plan),
        }
    }
}

/// The requests that a command would send, in order.
#[derive(Clone, Default)]
pub struct Plan(Arc<Mutex<Vec<Planned>>>);

/// A request that would be sent. Holds no secrets.
#[derive(Clone, Debug, Serialize)]
pub struct Planned {
    /// Of HTTP; `SQL` for a statement.
    pub method: String,
    /// Where to; for a statement, the database and the role.
    pub url: String,
    /// JSON; for a statement, its text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

impl Plan {
    /// Adds a request.
    pub fn note(&self, planned: Planned) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(planned);
    }

    /// What has been added so far.
    pub fn requests(&self) -> Vec<Planned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url)?;
        match &self.body {
            Some(Value::String(statement)) => write!(f, "\n{statement}"),
            Some(body) => write!(f, "\n{body:#}"),
            None => Ok(()),
        }
    }
}

/// A provider's API.
pub struct Api {
    /// What people call it.
    pub name: &'static str,
    /// What paths are appended to; no trailing slash.
    pub base: String,
    /// The value of the header `Authorization`.
    pub authorization: String,
    /// What to do when the provider does not accept it.
    pub when_refused: &'static str,
    /// What is tried again.
    pub retry: Retry,
    /// Where calls go to.
    pub wire: Wire,
}

/// One call.
pub struct Request {
    method: Method,
    path: String,
    query: Vec<(&'static str, String)>,
    body: Option<Value>,
    /// An object in the body whose values a dry run does not show: a JSON pointer.
    hidden: Option<&'static str>,
}

impl Request {
    /// Reads.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), query: Vec::new(), body: None, hidden: None }
    }

    /// Makes or does something.
    pub fn post(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::POST, body: Some(body), ..Self::get(path) }
    }

    /// Deletes.
    pub fn delete(path: impl Into<String>) -> Self {
        Self { method: Method::DELETE, ..Self::get(path) }
    }

    /// With a query parameter more.
    pub fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// With secrets for values in the object to which this JSON pointer leads in the body.
    pub fn hiding(mut self, pointer: &'static str) -> Self {
        self.hidden = Some(pointer);
        self
    }

    fn planned(&self, base: &str) -> Planned {
        let mut body = self.body.clone();
        let secrets = self.hidden.and_then(|pointer| body.as_mut()?.pointer_mut(pointer)?.as_object_mut());
        for value in secrets.into_iter().flat_map(|secrets| secrets.values_mut()) {
            *value = HIDDEN.into();
        }
        let query: Vec<_> = self.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let url = format!("{base}{}{mark}{}", self.path, query.join("&"));
        Planned { method: self.method.to_string(), url, body }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// An answer other than 2xx.
#[derive(Debug)]
pub struct Refusal {
    /// Of the answer.
    pub status: StatusCode,
    retry_after: Option<String>,
    sentence: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Refusal {}

/// The status of the answer that this error is about, if there was one.
pub fn status(error: &Error) -> Option<StatusCode> {
    Some(error.downcast_ref::<Refusal>()?.status)
}

/// The error with what to do, where that is to try again: where nobody can know what came of the last request.
pub fn resumable(error: Error) -> Error {
    let is_passing = match status(&error) {
        Some(status) => status.is_server_error() || [423, 429].contains(&status.as_u16()),
        None => error.downcast_ref::<reqwest::Error>().is_some(),
    };
    match is_passing {
        true => error.context("Not finished yet. Run the same command again: it goes on where it stopped"),
        false => error,
    }
}

/// What was looked for, or `None` where the provider says that there is none.
pub fn found<T>(answer: Result<T>) -> Result<Option<T>> {
    match answer {
        Err(error) if status(&error) == Some(StatusCode::NOT_FOUND) => Ok(None),
        answer => answer.map(Some),
    }
}

impl Api {
    /// Makes the call, and again where that is safe. In a dry run, `placeholder` is the answer.
    pub async fn call<T: DeserializeOwned>(&self, request: Request, placeholder: Value) -> Result<T> {
        let client = match &self.wire {
            Wire::Live(client) => client,
            Wire::DryRun(plan) => {
                plan.note(request.planned(&self.base));
                return Ok(serde_json::from_value(placeholder)?);
            }
        };
        let answer = self.persist(client, &request).await?;
        let json = if answer.is_empty() { b"null" } else { answer.as_slice() };
        // Not what serde says of it: that may quote the answer, and answers hold passwords.
        serde_json::from_slice(json).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            anyhow!(
                "{}'s answer to {request} is not the documented one (line {line}, column {column}).",
                self.name
            )
        })
    }

    /// Asks for something that may not be there. In a dry run, it is not.
    pub async fn look<T: DeserializeOwned>(&self, request: Request) -> Result<Option<T>> {
        Ok(found(self.call::<Option<T>>(request, Value::Null).await)?.flatten())
    }

    async fn persist(&self, client: &Client, request: &Request) -> Result<Vec<u8>> {
        let mut attempt = 1;
        loop {
            let error = match self.attempt(client, request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let failed = match error.downcast_ref::<Refusal>() {
                Some(refusal) => Failed::Answered(refusal.status, refusal.retry_after.as_deref()),
                None => Failed::Lost,
            };
            let Some(pause) = self.retry.pause(&request.method, &failed, attempt) else { return Err(error) };
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, client: &Client, request: &Request) -> Result<Vec<u8>> {
        let mut call = client
            .request(request.method.clone(), format!("{}{}", self.base, request.path))
            .query(&request.query)
            .header(header::AUTHORIZATION, &self.authorization);
        if let Some(body) = &request.body {
            call = call.json(body);
        }
        let lost = |error: reqwest::Error| {
            // The address is in our own words; what is wrong with it is in the causes.
            Error::from(error.without_url()).context(format!("{} does not answer {request}", self.name))
        };
        let answer = call.send().await.map_err(lost)?;
        match answer.status().is_success() {
            true => Ok(answer.bytes().await.map_err(lost)?.to_vec()),
            false => Err(self.refusal(request, answer).await.into()),
        }
    }

    async fn refusal(&self, request: &Request, answer: Response) -> Refusal {
        let status = answer.status();
        let head = |name: &str| Some(answer.headers().get(name)?.to_str().ok()?.to_owned());
        let retry_after = head("retry-after");
        let id = head("x-request-id").or_else(|| head("fly-request-id"));
        let body: Value = answer.json().await.unwrap_or_default();
        let mut sentence = format!("{} answers {request} with {status}", self.name);
        sentence.push_str(&said(&body, id));
        if status == StatusCode::UNAUTHORIZED {
            sentence.push_str(&format!(". {}", self.when_refused));
        }
        Refusal { status, retry_after, sentence }
    }
}

/// What an error's body says, in the forms of Neon, Fly and PowerSync.
fn said(body: &Value, request_id: Option<String>) -> String {
    let text = |pointers: &[&str]| {
        pointers.iter().find_map(|pointer| body.pointer(pointer)?.as_str()).map(str::to_owned)
    };
    let message = text(&["/message", "/error/description", "/error"]).map(|message| format!(": {message}"));
    let code = text(&["/code", "/error/code", "/status"]).filter(|code| !code.is_empty());
    let details: Vec<_> = [
        code.map(|code| format!("code {code}")),
        text(&["/request_id"]).or(request_id).map(|id| format!("request {id}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let details = if details.is_empty() { String::new() } else { format!(" ({})", details.join(", ")) };
    message.unwrap_or_default() + &details
}
