//! Our policy, pure: what shall be published, what must change, and whether it is there.
//!
//! Knows services and zones, but no server, file or clock.

mod aside;
mod desired;
mod guard;
mod obstacle;
mod ownership;
mod plan;
mod shards;
mod takeover;
mod verdict;
mod wanted;

pub use aside::SetAside;
pub use desired::{Desired, Refusal, ZonePolicy, desired, records_of};
pub use guard::{Guarded, Held, HoldReason, MIN_OWNED_RECORDS, PlanId, guard, losing_names};
pub use obstacle::{Conflict, Obstacle};
pub use ownership::{OwnedName, owned};
pub use plan::{Plan, plan};
pub use shards::{Sharded, names_of};
pub use takeover::{AdoptMode, TakeoverError, adopt, release};
pub use verdict::{Check, Comparison, Standing, compare};
