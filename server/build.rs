//! Cargo does not see which files a macro reads. Without this, a new migration would wait for the next change in Rust.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
