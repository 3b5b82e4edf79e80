//! What browsers are told about our answers: which code a page may run, where it may connect to, who may frame it.

use app::Session;
use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request::Parts},
    middleware::Next,
    response::Response,
};
use tower_http::set_header::SetResponseHeaderLayer;

/// The Content-Security-Policy of a page: scripts are ours or carry the page's nonce, and nothing is loaded from elsewhere.
///
/// WebAssembly is allowed, because it is what the app is made of; `eval` is not. The page connects to its own origin and to
/// the sync service. While cargo-leptos watches, it also connects to the port that tells it to reload, which `reload_port` is.
pub(crate) fn content_security_policy(
    nonce: &str,
    parts: &Parts,
    session: Option<&Session>,
    reload_port: Option<u32>,
) -> Option<HeaderValue> {
    let sync_service = session.and_then(|session| origin(&session.powersync_url));
    let reload = reload_port.and_then(|port| Some(format!("ws://{}:{port}", host(&parts.headers)?)));
    let connect: Vec<String> = sync_service.into_iter().chain(reload).collect();
    let policy = format!(
        "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; connect-src 'self' {}; \
         img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        connect.join(" ")
    );
    HeaderValue::from_str(&policy).ok()
}

/// Headers that every answer has unless it sets them itself.
pub(crate) fn defaults() -> [SetResponseHeaderLayer<HeaderValue>; 6] {
    [
        unless_set(header::CACHE_CONTROL, "no-cache"),
        unless_set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        unless_set(header::REFERRER_POLICY, "same-origin"),
        unless_set(header::X_FRAME_OPTIONS, "DENY"),
        unless_set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        unless_set(
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=(), payment=()",
        ),
    ]
}

/// Sets a header where the answer does not have it.
pub(crate) fn unless_set(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

/// Where the site is served over https: cookies are `Secure`, and the browser is not to try http again.
///
/// This server does not speak TLS itself. The proxy that does tells by `x-forwarded-proto`, request by request, so
/// nothing needs to be configured. A client that forges the header only spoils its own cookie.
pub(crate) async fn behind_tls(headers: HeaderMap, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if headers.get("x-forwarded-proto").is_some_and(|protocol| protocol.as_bytes().starts_with(b"https")) {
        let headers = response.headers_mut();
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
        if let header::Entry::Occupied(mut cookies) = headers.entry(header::SET_COOKIE) {
            for cookie in cookies.iter_mut() {
                if let Ok(secure) = HeaderValue::from_bytes(&[cookie.as_bytes(), b"; Secure"].concat()) {
                    *cookie = secure;
                }
            }
        }
    }
    response
}

/// Scheme, host and port of a URL; a policy's source would take its path to the letter.
fn origin(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    Some(format!("{}://{}", url.scheme_str()?, url.authority()?))
}

/// The name by which the browser knows this server, without the port.
fn host(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().ok()?;
    Some(host.rsplit_once(':').map_or(host, |(name, _port)| name))
}
