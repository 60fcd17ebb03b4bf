//! Our policy, pure: what shall be published, what must change, and whether it is there.
//!
//! Knows services and zones, but no server, file or clock.

mod aside;
mod desired;
mod plan;
mod verdict;

pub use aside::SetAside;
pub use desired::{Desired, Refusal, ZonePolicy, desired, records_of};
pub use plan::{Conflict, Obstacle, Plan, plan};
pub use verdict::{Check, Comparison, Standing, compare};
