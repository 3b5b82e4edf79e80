//! Names that people give to databases and apps. One rule for all of them, so that an app and its database can share one.

use anyhow::{Result, bail};

/// Names longer than this are cut by Postgres; ours stay well below, for the roles and slots named after them.
const LONGEST: usize = 48;

/// Refuses what cannot name `what` (such as "a database"), with a name that can.
pub fn check(name: &str, what: &str) -> Result<()> {
    let letters = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
    if !letters || name.len() > LONGEST || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        bail!(
            "{name:?} cannot name {what}. Use at most {LONGEST} lower-case letters, digits, `-` and `_`, and begin \
             with a letter: for example {:?}.",
            like(name)
        );
    }
    Ok(())
}

/// A name that is accepted and reads like `text`: its letters and digits, with dashes between.
pub fn like(text: &str) -> String {
    let mut name = String::new();
    for letter in text.to_lowercase().chars() {
        match letter {
            'a'..='z' | '0'..='9' | '_' => name.push(letter),
            _ if name.is_empty() || name.ends_with('-') => {}
            _ => name.push('-'),
        }
    }
    name.truncate(LONGEST - 4);
    match name.trim_end_matches('-') {
        "" => "app".to_owned(),
        name if name.starts_with(|first: char| first.is_ascii_lowercase()) => name.to_owned(),
        name => format!("app-{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_like_a_name_that_is_accepted() {
        for (text, name) in [
            ("my-app", "my-app"),
            ("My App (2)", "my-app-2"),
            ("über", "ber"),
            ("42", "app-42"),
            ("", "app"),
            ("--x--", "x"),
            ("日本", "app"),
        ] {
            assert_eq!(like(text), name, "{text}");
            check(name, "a database").unwrap();
        }
        check(&like(&"x".repeat(300)), "a database").unwrap();
        check(&like(&"9".repeat(300)), "a database").unwrap();
    }

    #[test]
    fn other_names_are_refused_with_one_that_works() {
        let refused = |name| check(name, "a database").unwrap_err().to_string();
        insta::assert_snapshot!(refused("My DB"), @r#"
        "My DB" cannot name a database. Use at most 48 lower-case letters, digits, `-` and `_`, and begin with a letter: for example "my-db".
        "#);
    }
}
