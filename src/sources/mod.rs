//! Where the desired services come from: files that people write.
//!
//! Reads and watches files and says what is wrong in them. Knows neither DNS servers nor the plan.

mod duration;
mod service_file;
pub mod toml_fields;

pub use duration::parse_duration;
pub use service_file::{TTL_RANGE, parse};
