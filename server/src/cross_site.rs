//! Requests that another site's page makes in the name of whoever visits it.

use axum::{
    extract::Request,
    http::{HeaderMap, Uri, header},
    middleware::Next,
    response::Response,
};

use crate::error::{Error, Result};

/// Refuses whatever may change something and was not sent by a page of this site.
///
/// Browsers say so in `Sec-Fetch-Site`; those that do not, and those that came by plain http, send an `Origin`. A client
/// that sends neither is no browser, and has no cookies but its own.
pub(crate) async fn refuse(request: Request, next: Next) -> Result<Response> {
    if request.method().is_safe() || is_ours(request.headers()) {
        return Ok(next.run(request).await);
    }
    Err(Error::CrossSite)
}

fn is_ours(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    match headers.get(header::ORIGIN) {
        None => true,
        Some(origin) => {
            let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
            origin.as_ref().and_then(Uri::authority).map(|authority| authority.as_str()) == host
                && host.is_some()
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_request_is_ours_or_another_sites() {
        for (site, origin, ours) in [
            (Some("same-origin"), None, true),
            (Some("none"), None, true),
            (Some("same-site"), Some("http://app.example"), false),
            (Some("cross-site"), None, false),
            (None, Some("https://app.example"), true),
            (None, Some("https://app.example:8443"), false),
            (None, Some("https://evil.example"), false),
            (None, Some("null"), false),
            (None, Some("no url"), false),
            (None, None, true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("app.example"));
            let fetch = [(HeaderName::from_static("sec-fetch-site"), site), (header::ORIGIN, origin)];
            headers.extend(
                fetch.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_static(value?)))),
            );
            assert_eq!(is_ours(&headers), ours, "{site:?} {origin:?}");
        }
    }
}
