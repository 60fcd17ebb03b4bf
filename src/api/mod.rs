//! The API: HTTP over the unix socket, and over TCP with TLS, for `srvctl register` and whoever else asks.
//!
//! Knows who asks and how they are answered. What becomes of a request, a [`Backend`] says; the daemon is one.
//!
//! Paths begin with the version, `/v1`. What a later version adds to an answer does not change the path; what would
//! break a client does. `/metrics` and `/sd/prometheus` are for Prometheus, and have no version.
//!
//! A Prometheus is asked over the same HTTP.

mod access;
mod backend;
mod client;
mod discovery;
mod metrics;
mod plain;
mod problem;
mod prometheus;
mod query;
mod routes;
mod serve;
mod socket;
mod tls;
mod types;

pub use access::{Access, Known, Peer, TokenHash, hash};
pub use backend::{Accepted, Answer, Backend, Goal, Proof, View};
pub use client::{ApiError, Ask, Client, Credentials, status};
pub use discovery::{Listed, Unlisted, serve_targets};
pub use metrics::{Exposition, serve_metrics};
pub use problem::Problem;
pub use prometheus::{LiveTarget, Prometheus, Secret};
pub use routes::openapi;
pub use serve::serve;
pub use socket::{ListenError, Socket};
pub use tls::{Port, ServerTls, serve_tls};
pub use types::{
    Changed, Events, HealthOfService, HealthOfServices, Imported, InstanceView, Instances, MaintenanceView,
    Maintenances, NumberedTransition, Plan, Plans, ServiceView, Services, Source, TargetGroup, Transitions, Verified,
    Word, Work, Works,
};

/// Where a liveness probe looks.
const HEALTH_PATH: &str = "/v1/health";
