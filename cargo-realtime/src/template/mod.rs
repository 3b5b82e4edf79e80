//! The template that apps are made from: this repository's own tree, without the tools.
//!
//! [`pack`] says what of it is part of an app, and packs that; [`unpack`](mod@unpack) makes an app's files of it;
//! [`repository`] gives them a git repository. An installed program carries the packed template. A debug build in a
//! checkout packs the checkout each time, so that it makes apps of what is there now.

mod pack;
mod repository;
mod unpack;

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::name;
use crate::progress::Progress;

/// The name of the one template.
pub const REALTIME: &str = "realtime";

/// Packed by `build.rs`; empty where [`CHECKOUT`] is not.
static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/template.tar.gz"));

/// The checkout to pack when the program runs, if there is one.
const CHECKOUT: &str = env!("TEMPLATE_CHECKOUT");

/// An app that was made.
#[derive(Debug)]
pub struct Scaffold {
    /// Its root, canonical.
    pub dir: PathBuf,
    /// How many files it has.
    pub files: usize,
}

/// Makes an app called `name` in the folder `dir`, which must not exist yet.
///
/// The app is made in a folder beside `dir` and moved there when it is whole. So a failure leaves nothing behind, and
/// neither does dropping the future.
pub async fn scaffold(name: &str, template: &str, dir: &Path, progress: &Progress) -> Result<Scaffold> {
    name::check(name, "an app")?;
    if template != REALTIME {
        bail!("There is no template {template:?}. There is one: {REALTIME:?}.");
    }
    if dir.symlink_metadata().is_ok() {
        bail!("{} is there already. Choose another name, or move it away.", dir.display());
    }
    let parent = dir.parent().with_context(|| format!("{} cannot be an app's folder", dir.display()))?;
    let workshop = tempfile::Builder::new()
        .prefix(&format!(".{name}."))
        .tempdir_in(parent)
        .with_context(|| format!("Cannot make a folder in {}", parent.display()))?;
    let app = workshop.path().join(name);
    let step = progress.step(format!("Making {name}"));
    let files = unpack::unpack(&packed()?, &app, name)?;
    repository::init(&app, dir, progress).await?;
    fs::rename(&app, dir).with_context(|| format!("Cannot move the new app to {}", dir.display()))?;
    step.done(format!("Made {name}: {files} files in {}", dir.display()));
    Ok(Scaffold { dir: dir.canonicalize()?, files })
}

/// Packs the template of the checkout that this program was built in; gives the file, which `cargo package` takes.
pub fn write_packed() -> Result<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("template.tar.gz");
    fs::write(&file, packed()?).with_context(|| format!("Cannot write {}", file.display()))?;
    Ok(file)
}

fn packed() -> Result<Cow<'static, [u8]>> {
    if CHECKOUT.is_empty() {
        return Ok(PACKED.into());
    }
    let packed = pack::pack(Path::new(CHECKOUT)).context(
        "This is a debug build, which reads the template from the checkout that it was built in. To have one that \
         carries it, install without --debug",
    )?;
    Ok(packed.into())
}
