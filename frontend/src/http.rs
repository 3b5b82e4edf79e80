//! Requests to the app's server, whose refusals are sentences for people.

use gloo_net::http::{Request, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Asks for something; an error is that there was no answer.
pub async fn get(path: &str) -> Result<Response, String> {
    Request::get(path).send().await.map_err(unreachable)
}

/// Sends something; an error is that there was no answer.
pub async fn post(path: &str, body: &impl Serialize) -> Result<Response, String> {
    let request = Request::post(path).json(body).map_err(|error| error.to_string())?;
    request.send().await.map_err(unreachable)
}

/// The answer's content, unless it is a refusal.
pub async fn json<T: DeserializeOwned>(response: Response) -> Result<T, String> {
    accepted(response).await?.json().await.map_err(unreachable)
}

/// The answer, unless it is a refusal, which becomes its sentence.
pub async fn accepted(response: Response) -> Result<Response, String> {
    if response.ok() {
        return Ok(response);
    }
    let status = response.status();
    let refusal = response.json::<Refusal>().await;
    Err(refusal.map_or_else(|_| format!("The server answers with status {status}."), |refusal| refusal.error))
}

/// The body of every answer that is a refusal.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

fn unreachable(_: gloo_net::Error) -> String {
    "The server cannot be reached. Try again when there is a network.".to_owned()
}
