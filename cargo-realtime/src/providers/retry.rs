//! Which calls are tried again, and when.

use std::time::{Duration, SystemTime};

use reqwest::{Method, StatusCode};

/// What a provider's documentation says is safe to repeat. Anything else is not: a request that got no answer, or a
/// bad one, may have been carried out.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Answers that say the request was not carried out, whatever its method.
    pub statuses: &'static [StatusCode],
    /// Whether a GET is sent again when no answer came.
    pub lost_gets: bool,
}

impl Retry {
    /// Nothing is tried again: who asks asks again by themselves.
    pub const NEVER: Self = Self { statuses: &[], lost_gets: false };
}

/// How often a call is made at most.
const ATTEMPTS: u32 = 8;
/// Before the second attempt; doubled from then on.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// A provider that asks for more is taken at its word by giving up.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How a call failed, as far as that decides whether it is made again.
pub enum Failed<'a> {
    /// An answer came, perhaps with a `Retry-After`.
    Answered(StatusCode, Option<&'a str>),
    /// None did.
    Lost,
}

impl Retry {
    /// How long to wait before the call is made again; `None` if it is not. `attempt` counts from 1.
    pub fn pause(&self, method: &Method, failed: &Failed<'_>, attempt: u32) -> Option<Duration> {
        let doubled = (FIRST_PAUSE * 2_u32.pow(attempt.saturating_sub(1).min(8))).min(LONGEST_PAUSE);
        let pause = match failed {
            _ if attempt >= ATTEMPTS => return None,
            Failed::Lost if self.lost_gets && method == Method::GET => doubled,
            Failed::Answered(status, retry_after) if self.statuses.contains(status) => {
                retry_after.and_then(parse).unwrap_or(doubled)
            }
            _ => return None,
        };
        (pause <= LONGEST_RETRY_AFTER).then_some(pause)
    }
}

/// `Retry-After`: seconds, or a date.
fn parse(retry_after: &str) -> Option<Duration> {
    let seconds = retry_after.trim().parse().map(Duration::from_secs).ok();
    let date = || httpdate::parse_http_date(retry_after.trim()).ok();
    let until = |date: SystemTime| date.duration_since(SystemTime::now()).unwrap_or_default();
    seconds.or_else(|| date().map(until))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Retry =
        Retry { statuses: &[StatusCode::LOCKED, StatusCode::TOO_MANY_REQUESTS], lost_gets: true };

    fn pause(method: Method, failed: &Failed<'_>, attempt: u32) -> Option<u128> {
        RULES.pause(&method, failed, attempt).map(|pause| pause.as_millis())
    }

    #[test]
    fn only_what_was_not_carried_out_is_repeated() {
        for status in [400, 401, 404, 409, 422, 500, 502, 504] {
            let answered = Failed::Answered(StatusCode::from_u16(status).unwrap(), Some("1"));
            assert_eq!(pause(Method::GET, &answered, 1), None, "{status}");
            assert_eq!(pause(Method::POST, &answered, 1), None, "{status}");
        }
        assert_eq!(pause(Method::POST, &Failed::Answered(StatusCode::LOCKED, None), 1), Some(500));
        assert_eq!(pause(Method::GET, &Failed::Lost, 1), Some(500));
        for method in [Method::POST, Method::PATCH, Method::DELETE] {
            assert_eq!(pause(method, &Failed::Lost, 1), None);
        }
    }

    #[test]
    fn pauses_grow_and_end() {
        let pauses: Vec<_> = (1..=9).map(|attempt| pause(Method::GET, &Failed::Lost, attempt)).collect();
        let expected = [500, 1000, 2000, 4000, 8000, 8000, 8000].map(Some).into_iter().chain([None, None]);
        assert_eq!(pauses, expected.collect::<Vec<_>>());
    }

    #[test]
    fn retry_after_is_honoured_while_it_is_bearable() {
        let locked = |after| pause(Method::POST, &Failed::Answered(StatusCode::LOCKED, Some(after)), 1);
        assert_eq!(locked("3"), Some(3000));
        assert_eq!(locked("0"), Some(0));
        assert_eq!(locked("3600"), None);
        assert_eq!(locked("soon"), Some(500));
        assert_eq!(locked("Wed, 21 Oct 2015 07:28:00 GMT"), Some(0));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30));
        assert!((28_000..=30_000).contains(&locked(&soon).unwrap()));
    }
}
