//! How often somebody may try what costs something or could be guessed.
//!
//! The counts are in this process: several servers behind one proxy allow as many times as much.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use governor::{
    DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
};

use crate::{
    client_ip::ClientIp,
    error::{Error, Result},
};

/// The limits, each with its counts.
pub(crate) struct RateLimits {
    changes: DefaultKeyedRateLimiter<String>,
    exports: DefaultKeyedRateLimiter<IpAddr>,
    guests: DefaultKeyedRateLimiter<IpAddr>,
    passwords: DefaultKeyedRateLimiter<IpAddr>,
    sign_ins: DefaultKeyedRateLimiter<String>,
    tokens: DefaultKeyedRateLimiter<String>,
    invitations: DefaultKeyedRateLimiter<String>,
    invitations_from: DefaultKeyedRateLimiter<IpAddr>,
}

impl RateLimits {
    pub(crate) fn new() -> RateLimits {
        RateLimits {
            // Twice as many as a user may have rows, at once, and then as many as a team that types all day. What is known of
            // each transaction stays for a week.
            changes: limiter(200_000, Quota::per_minute(count(2_000))),
            // It reads everything that a user has.
            exports: limiter(5, Quota::per_minute(count(1))),
            // A school behind one address comes in at once; a thousand guests a minute are no school.
            guests: limiter(200, Quota::per_minute(count(10))),
            passwords: limiter(60, Quota::per_minute(count(12))),
            sign_ins: limiter(10, Quota::per_minute(count(2))),
            // A browser asks every few minutes, and once more for every time that its connection was lost.
            tokens: limiter(60, Quota::per_minute(count(60))),
            invitations: limiter(30, Quota::per_minute(count(10))),
            // A school follows a link at once, and each of them looks and joins.
            invitations_from: limiter(400, Quota::per_minute(count(60))),
        }
    }

    /// So many changes of a user's.
    pub(crate) fn changes(&self, user_id: &str, changes: usize) -> Result<()> {
        let Some(changes) = u32::try_from(changes).ok().and_then(NonZeroU32::new) else { return Ok(()) };
        match self.changes.check_key_n(&user_id.to_owned(), changes) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(too_many(&until)),
            // More than there may ever be at once, which a request does not have.
            Err(_) => Err(Error::Busy),
        }
    }

    /// A copy of everything that a user has.
    pub(crate) fn export(&self, client: ClientIp) -> Result<()> {
        check(&self.exports, &client.network())
    }

    /// A guest who writes for the first time: a row that stays.
    pub(crate) fn guest(&self, client: ClientIp) -> Result<()> {
        check(&self.guests, &client.network())
    }

    /// Anything that a password is hashed for.
    pub(crate) fn password(&self, client: ClientIp) -> Result<()> {
        check(&self.passwords, &client.network())
    }

    /// A guess at the password of one user, from wherever. `who` is the user's id, or a name that nobody has.
    pub(crate) fn sign_in(&self, who: &str) -> Result<()> {
        check(&self.sign_ins, &who.chars().take(60).collect())
    }

    /// A sync token.
    pub(crate) fn token(&self, user_id: &str) -> Result<()> {
        check(&self.tokens, &user_id.to_owned())
    }

    /// A look at an invitation, or a try to join by one. A guest costs nothing, so addresses are counted, too.
    pub(crate) fn invitation(&self, user_id: &str, client: ClientIp) -> Result<()> {
        check(&self.invitations_from, &client.network())?;
        check(&self.invitations, &user_id.to_owned())
    }

    /// Forgets whom no limit is near to.
    pub(crate) fn forget(&self) {
        self.changes.retain_recent();
        self.exports.retain_recent();
        self.guests.retain_recent();
        self.passwords.retain_recent();
        self.sign_ins.retain_recent();
        self.tokens.retain_recent();
        self.invitations.retain_recent();
        self.invitations_from.retain_recent();
    }
}

fn limiter<K: Clone + Eq + std::hash::Hash>(burst: u32, quota: Quota) -> DefaultKeyedRateLimiter<K> {
    RateLimiter::keyed(quota.allow_burst(count(burst)))
}

fn count(count: u32) -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(count.saturating_sub(1))
}

fn check<K: Clone + Eq + std::hash::Hash>(limiter: &DefaultKeyedRateLimiter<K>, key: &K) -> Result<()> {
    limiter.check_key(key).map_err(|until| too_many(&until))
}

fn too_many(until: &NotUntil<Instant>) -> Error {
    let wait = until.wait_time_from(MonotonicClock.now());
    Error::TooMany(wait.max(Duration::from_secs(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_one_clients_or_one_names() {
        let limits = RateLimits::new();
        for _ in 0..10 {
            assert!(limits.sign_in("Ann").is_ok());
        }
        assert!(matches!(limits.sign_in("Ann"), Err(Error::TooMany(wait)) if wait.as_secs() <= 30));
        assert!(limits.sign_in("Bob").is_ok());

        let one = ClientIp(IpAddr::from([1, 1, 1, 1]));
        while limits.guest(one).is_ok() {}
        assert!(limits.guest(ClientIp(IpAddr::from([1, 1, 1, 2]))).is_ok());
        limits.forget();
        assert!(limits.guest(one).is_err());

        assert!(limits.changes("Ann", 0).is_ok() && limits.changes("Ann", 199_999).is_ok());
        assert!(limits.changes("Ann", 1000).is_err());
        assert!(limits.changes("Bob", 1000).is_ok());

        let guests = (0..).find(|guest| limits.invitation(&guest.to_string(), one).is_err());
        assert!(
            guests.is_some_and(|guests| guests >= 400),
            "as many guests as they like look for an invitation"
        );
        assert!(limits.invitation("another", ClientIp(IpAddr::from([1, 1, 1, 2]))).is_ok());
    }
}
