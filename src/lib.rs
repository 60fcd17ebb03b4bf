//! srvctl
pub mod config;
pub mod dns;
pub mod model;
pub mod protocol;
pub mod reconcile;
pub mod sources;
