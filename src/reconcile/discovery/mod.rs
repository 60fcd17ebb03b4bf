//! What Prometheus is told of instances over HTTP and in files, past what DNS can say: labels, filters, and who stays
//! listed while it is not certain that they went on purpose.
//!
//! ```text
//!   Service, health, registrations ─ described ─▶ Target ─▶ Roster ─▶ Listing ─ Selection ─▶ the JSON of http_sd
//! ```

mod json;
mod label;
mod leave;
mod roster;
mod selection;
mod target;

pub use json::read;
pub use label::{Labels, safe_name};
pub use leave::{Seen, Stays, Terms, leaving};
pub use roster::{Listing, Roster};
pub use selection::{Reach, Selection, Wanted};
pub use target::{Circumstances, Target, described};

#[cfg(test)]
mod tests;
