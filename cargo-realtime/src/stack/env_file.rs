//! `.env` files: ours are the lines of the seven variables, everything else in them is the user's.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};

use super::private_file;

/// Sets the variables in the file and leaves everything else in it as it is. Gives whether that changed anything.
/// The values must need no quotes.
pub fn set(path: &Path, variables: &[(&str, String)]) -> Result<bool> {
    let old = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("Cannot read {}", path.display())),
    };
    let new = merge(&old, variables);
    if new == old {
        return Ok(false);
    }
    private_file::write(path, &new)?;
    Ok(true)
}

fn merge(old: &str, variables: &[(&str, String)]) -> String {
    let mut missing: Vec<_> = variables.iter().collect();
    let mut new = String::new();
    for line in old.lines() {
        match variables.iter().find(|(name, _)| assigns(line, name)) {
            Some((name, value)) => {
                missing.retain(|(other, _)| other != name);
                let export = if line.trim_start().starts_with("export ") { "export " } else { "" };
                new.push_str(&format!("{export}{name}={value}\n"));
            }
            None => {
                new.push_str(line);
                new.push('\n');
            }
        }
    }
    if !missing.is_empty() {
        if !new.is_empty() {
            new.push('\n');
        }
        new.push_str("# Written by `cargo realtime`: this app's database and its sync service.\n");
        for (name, value) in missing {
            new.push_str(&format!("{name}={value}\n"));
        }
    }
    new
}

fn assigns(line: &str, name: &str) -> bool {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(port: u16) -> Vec<(&'static str, String)> {
        vec![("URL", format!("http://127.0.0.1:{port}")), ("TOKEN", "abc==".to_owned())]
    }

    #[test]
    fn a_new_file_says_who_wrote_it() {
        insta::assert_snapshot!(merge("", &variables(1)), @r"
        # Written by `cargo realtime`: this app's database and its sync service.
        URL=http://127.0.0.1:1
        TOKEN=abc==
        ");
    }

    #[test]
    fn what_else_is_in_the_file_stays() {
        let old = "# mine\nRUST_LOG=debug\nexport URL = 'old'\n\n#TOKEN=no\nURL_2=other\nLAST=1";
        insta::assert_snapshot!(merge(old, &variables(2)), @r"
        # mine
        RUST_LOG=debug
        export URL=http://127.0.0.1:2

        #TOKEN=no
        URL_2=other
        LAST=1

        # Written by `cargo realtime`: this app's database and its sync service.
        TOKEN=abc==
        ");
    }

    #[test]
    fn a_second_time_changes_nothing() {
        let once = merge("A=1\r\n# ü\n", &variables(3));
        assert_eq!(merge(&once, &variables(3)), once);
    }
}
