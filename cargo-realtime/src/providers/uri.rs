//! Connection URIs of databases elsewhere.

use anyhow::{Context, Result};
use reqwest::Url;

/// The URI with the server's certificate checked: Neon says `sslmode=require`, which encrypts, but to anybody.
pub fn verifying(uri: &str) -> String {
    let Ok(mut url) = Url::parse(uri) else {
        // A dry run's, with placeholders in it.
        return uri.to_owned();
    };
    let without_tls = sslmode(uri) == "disable";
    // Nothing else: `channel_binding` is not known to every client.
    url.set_query(Some(if without_tls { "sslmode=disable" } else { "sslmode=verify-full" }));
    url.to_string()
}

/// `verify-full` or, where the URI says so, `disable`: the PowerSync Service does not read it from the URI.
pub fn sslmode(uri: &str) -> &'static str {
    let is_off = |url: Url| url.query_pairs().any(|(name, value)| name == "sslmode" && value == "disable");
    match Url::parse(uri).is_ok_and(is_off) {
        true => "disable",
        false => "verify-full",
    }
}

/// The URI without its password, for people to read.
pub fn public(uri: &str) -> Option<String> {
    let mut url = Url::parse(uri).ok()?;
    url.set_password(None).ok()?;
    Some(url.to_string())
}

/// Who connects.
pub fn role(uri: &str) -> Result<String> {
    // Not the parser's own words: they would be about a URI with a password in it.
    let url = Url::parse(uri).ok().context("That is no connection URI.")?;
    Ok(url.username().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neons_certificate_is_checked() {
        let given =
            "postgresql://realtime:npg_a%2Fb@ep-x.aws.neon.tech/shop?sslmode=require&channel_binding=require";
        let used = verifying(given);
        assert_eq!(used, "postgresql://realtime:npg_a%2Fb@ep-x.aws.neon.tech/shop?sslmode=verify-full");
        assert_eq!(sslmode(&used), "verify-full");
        assert_eq!(role(&used).unwrap(), "realtime");
        assert_eq!(
            public(&used).unwrap(),
            "postgresql://realtime@ep-x.aws.neon.tech/shop?sslmode=verify-full"
        );
        assert_eq!(verifying("postgresql://a:b@ep-x/shop"), "postgresql://a:b@ep-x/shop?sslmode=verify-full");
    }

    #[test]
    fn a_server_without_tls_says_so() {
        let local = "postgresql://a:b@127.0.0.1:5432/shop?sslmode=disable";
        assert_eq!(verifying(local), local);
        assert_eq!(sslmode(local), "disable");
    }
}
