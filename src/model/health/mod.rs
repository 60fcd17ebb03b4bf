//! The nouns of health: what is checked, what a check saw, and what follows from it for what is published.
//!
//! How conditions follow from results is [`crate::reconcile::health`]'s; how checks are made is not known here.

mod check;
mod policy;
mod status;
mod template;

pub use check::{
    BodyPattern, Check, CheckKind, CheckTls, Checks, CommandCheck, DnsCheck, GrpcCheck, HttpCheck, HttpMethod,
    LeaseCheck, TcpCheck,
};
pub use policy::{HealthPolicy, MinHealthy};
pub use status::{
    CheckHealth, Condition, HealthStatus, InstanceHealth, MAX_TEXT, Maintained, Maintenance, ProbeResult, Publication,
    RememberedHealth, Transition, Verdict,
};
pub use template::{Filling, Template};
