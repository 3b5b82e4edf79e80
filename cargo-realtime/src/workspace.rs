//! The app that a command is run in.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::Table;

/// A Cargo workspace with `[[workspace.metadata.leptos]]`.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// Its folder.
    pub root: PathBuf,
    /// What the files that a browser loads are called.
    pub output_name: String,
    /// The package that runs in the browser.
    pub frontend: String,
    site_addr: Option<String>,
    reload_port: Option<i64>,
}

impl Workspace {
    /// The workspace around the current folder, which is needed.
    pub fn require() -> Result<Self> {
        let here = std::env::current_dir().context("The current folder is gone")?;
        Self::around(&here)?.with_context(|| {
            format!(
                "{} is not inside an app: no folder from here upwards has a Cargo.toml with \
                 [[workspace.metadata.leptos]]. Go to your app's folder and run the command again.",
                here.display()
            )
        })
    }

    /// The workspace around the current folder, if there is one.
    pub fn find() -> Result<Option<Self>> {
        Self::around(&std::env::current_dir().context("The current folder is gone")?)
    }

    /// The workspace around `dir`, if there is one.
    pub fn around(dir: &Path) -> Result<Option<Self>> {
        for root in dir.ancestors() {
            let manifest = root.join("Cargo.toml");
            let Ok(text) = fs::read_to_string(&manifest) else { continue };
            let table: Table =
                text.parse().with_context(|| format!("{} is not valid TOML", manifest.display()))?;
            if let Some(workspace) = Self::read(root, &table) {
                return Ok(Some(workspace));
            }
        }
        Ok(None)
    }

    fn read(root: &Path, manifest: &Table) -> Option<Self> {
        let leptos = manifest.get("workspace")?.get("metadata")?.get("leptos")?.get(0)?;
        let text = |key: &str| leptos.get(key).and_then(|value| value.as_str()).map(str::to_owned);
        Some(Self {
            root: root.canonicalize().ok()?,
            output_name: text("output-name").or_else(|| text("name")).unwrap_or_else(|| "app".to_owned()),
            frontend: text("lib-package").unwrap_or_else(|| "frontend".to_owned()),
            site_addr: text("site-addr"),
            reload_port: leptos.get("reload-port").and_then(toml::Value::as_integer),
        })
    }

    /// Where the app's server listens: `LEPTOS_SITE_ADDR`, else what the manifest says, else cargo-leptos' default.
    pub fn site_addr(&self) -> Result<SocketAddr> {
        let addr = std::env::var("LEPTOS_SITE_ADDR").ok().or_else(|| self.site_addr.clone());
        let addr = addr.as_deref().unwrap_or("127.0.0.1:3000");
        addr.parse().with_context(|| {
            format!("The site's address {addr:?} (LEPTOS_SITE_ADDR or site-addr in Cargo.toml) is not like 127.0.0.1:3000")
        })
    }

    /// Where cargo-leptos tells pages to reload: `LEPTOS_RELOAD_PORT`, else what the manifest says, else its default.
    pub fn reload_port(&self) -> Result<u16> {
        let port = match std::env::var("LEPTOS_RELOAD_PORT") {
            Ok(port) => port,
            Err(_) => self.reload_port.unwrap_or(3001).to_string(),
        };
        port.parse().with_context(|| {
            format!("The reload port {port:?} (LEPTOS_RELOAD_PORT or reload-port in Cargo.toml) is no port")
        })
    }
}
