//! What a refusal of the sync service's means for people.

use serde_json::Value;

/// Why the sync service serves this browser nothing, and what to do about it, where `error` is what the SDK says of a refusal: the
/// service's answer, with a code that begins with `PSYNC_`. `None` for any other error, such as that there is no network.
pub fn sync_refusal(error: &str) -> Option<String> {
    let from_code = &error[error.find("PSYNC_")?..];
    let end = from_code.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let code = &from_code[..end.unwrap_or(from_code.len())];
    Some(match code {
        "PSYNC_S2305" => {
            "You are on more lists than can be synced, so nothing new arrives here. Delete lists that you do \
                          not need, or leave some; what you change is still sent."
                .to_owned()
        }
        code if code.starts_with("PSYNC_S21") => format!(
            "The sync service does not accept who this browser says it is, so nothing new arrives here. Ask the people who \
             run this app: the clocks of its server and of its sync service differ, or their keys do ({code})."
        ),
        code => format!("{} ({code})", description(error).unwrap_or_else(|| error.to_owned())),
    })
}

/// The sentence in the service's answer.
fn description(error: &str) -> Option<String> {
    let answer: Value = serde_json::from_str(&error[error.find('{')?..]).ok()?;
    answer["error"]["description"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the SDK words it.
    fn refusal(status: &str, code: &str, description: &str) -> Option<String> {
        let answer =
            serde_json::json!({ "error": { "code": code, "status": 500, "description": description } });
        sync_refusal(&format!("HTTP {status}: {answer}"))
    }

    #[test]
    fn too_many_buckets_are_lists_to_leave() {
        let said = refusal("Internal Server Error", "PSYNC_S2305", "Too many buckets: 1001 (limit of 1000)");
        assert!(said.is_some_and(|said| said.contains("Delete lists that you do not need, or leave some")));
    }

    #[test]
    fn a_refused_token_is_for_the_people_who_run_the_app() {
        for code in ["PSYNC_S2101", "PSYNC_S2103", "PSYNC_S2105"] {
            let said = refusal("Unauthorized", code, "JWT has expired").unwrap();
            assert!(said.contains("Ask the people who run this app") && said.contains(code), "{said}");
        }
    }

    #[test]
    fn any_other_refusal_is_told_as_it_is() {
        assert_eq!(
            refusal("Service Unavailable", "PSYNC_S2003", "The service cannot serve at the moment")
                .as_deref(),
            Some("The service cannot serve at the moment (PSYNC_S2003)")
        );
        assert_eq!(
            sync_refusal("cut off: PSYNC_S2999").as_deref(),
            Some("cut off: PSYNC_S2999 (PSYNC_S2999)")
        );
    }

    #[test]
    fn no_network_is_no_refusal() {
        assert_eq!(sync_refusal("TypeError: Failed to fetch"), None);
        assert_eq!(sync_refusal(r#"HTTP Bad Gateway: {"error":"no answer"}"#), None);
    }
}
