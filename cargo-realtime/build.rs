//! Puts the template into the program.

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context, Result};

#[path = "src/template/pack.rs"]
mod pack;

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let checkout = here.parent().filter(|dir| dir.join("cargo-generate.toml").is_file());
    let is_for_working_on_it = env::var("PROFILE")? == "debug";
    let (archive, read_when_run) = match checkout {
        // A change to the app then costs no build of the tool.
        Some(checkout) if is_for_working_on_it => {
            (Vec::new(), checkout.to_str().context("The path is not UTF-8")?)
        }
        Some(checkout) => {
            // There is no such file, so the template is packed anew at each build: no list of what it was packed from
            // would name files that are yet to come.
            println!("cargo::rerun-if-changed=always");
            (pack::pack(checkout)?, "")
        }
        None => (packed(&here.join("template.tar.gz"))?, ""),
    };
    println!("cargo::rustc-env=TEMPLATE_CHECKOUT={read_when_run}");
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("template.tar.gz"), archive)?;
    Ok(())
}

/// What `cargo realtime pack-template` has put into the crate before it was packaged.
fn packed(path: &PathBuf) -> Result<Vec<u8>> {
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read(path).with_context(|| {
        format!("{} is missing: run `cargo realtime pack-template` before `cargo package`", path.display())
    })
}
