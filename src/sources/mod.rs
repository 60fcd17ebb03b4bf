//! Where the desired services come from: files that people write; and where targets are written today.
//!
//! Reads and watches files and says what is wrong in them. Knows neither DNS servers nor the plan.

mod duration;
mod files;
mod keep_last_good;
pub mod migration;
mod pattern;
pub mod prometheus;
mod service_file;
pub mod toml_fields;
mod watch;

pub use duration::parse_duration;
pub use files::{FileRead, Snapshot, catalogue, read, read_again};
pub use keep_last_good::{KeepLastGood, Loaded};
pub use pattern::Pattern;
pub use service_file::{parse, write};
pub use watch::{WatchError, Watcher};

#[cfg(test)]
mod tests;
