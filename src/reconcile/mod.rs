//! Our policy, pure: what shall be published, what must change, and whether it is there.
//!
//! Knows services and zones, but no server, file or clock.

mod aside;
mod browse;
mod desired;
pub mod discovery;
pub mod doctor;
mod evidence;
mod guard;
pub mod health;
mod holdings;
pub mod migration;
mod moved;
mod obstacle;
mod ownership;
pub mod parity;
mod plan;
mod reconciler;
mod refusal;
pub mod registry;
pub mod render;
mod shards;
mod takeover;
pub mod targets;
mod verdict;

pub use aside::SetAside;
pub use desired::{Desired, ZonePolicy, desired, published, records_of};
pub use evidence::{Expectation, Serials, Sight, Track};
pub use guard::{Guarded, Held, HoldReason, MIN_OWNED_RECORDS, MissingSource, PlanId, guard, losing_names};
pub use moved::Moved;
pub use obstacle::{Conflict, Obstacle};
pub use ownership::{OwnedName, owned};
pub use plan::{Plan, plan};
pub use reconciler::{Effort, Reconciler};
pub use refusal::Refusal;
pub use shards::{Sharded, names_of};
pub use takeover::{AdoptMode, Shortfall, TakeoverError, adopt, release, shortfall};
pub use verdict::{Check, Comparison, Standing, compare};
