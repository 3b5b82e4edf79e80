//! x
mod streams;
pub use streams::compile;
