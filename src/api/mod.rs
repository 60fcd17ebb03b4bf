//! The local API: HTTP over a unix socket, for `srvctl status` and whoever else asks.
//!
//! Knows the status and the socket, nothing of DNS, files or how the status came to be.

mod client;
mod server;

pub use client::{ApiError, status};
pub use server::{ListenError, Socket, serve};

/// Where the status is served.
const STATUS_PATH: &str = "/v1/status";
/// Where a liveness probe looks.
const HEALTH_PATH: &str = "/v1/health";
