//! srvctl from the outside, and look-ups against servers that misbehave: real sockets, a real `named`, a real
//! Prometheus.
//!
//! Every test has its own server, directory and port, so that they run side by side; what a test started
//! dies with it. A program that is not installed fails the test with the line that installs it: a
//! skipped test would look like a passed one.

#![allow(clippy::unwrap_used, reason = "a helper that cannot go on has found the failure")]

mod access;
mod ansible;
mod api;
mod bad_data;
mod browse;
mod changes;
mod cli;
mod compare;
mod converge;
mod daemon;
mod dig;
mod doctor;
mod errors;
mod foreign;
mod guards;
mod health;
mod health_isolation;
mod health_kinds;
mod http_sd;
mod import;
mod isolation;
mod keys;
mod kills;
mod listening;
mod lookup_go;
mod lookup_together;
mod lookup_wire;
mod maintenance;
mod meanwhile;
mod metrics;
mod migration;
mod mirror;
mod notify;
mod originals;
mod primaries;
mod probes;
mod prometheus;
mod promises;
mod pushes;
mod races;
mod refreshes;
mod registration;
mod registration_catalogue;
mod registration_remote;
mod registration_run;
mod render;
mod scripted;
mod secondaries;
mod secrets;
mod servers;
mod shards;
mod silence;
mod state;
mod support;
mod takeover;
mod tls;
mod transfers;
mod verification;
mod verify;
mod walls;
mod zones;
