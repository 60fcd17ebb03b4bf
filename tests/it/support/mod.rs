//! What the tests stand on: real servers in private directories, and the binary under test.

mod daemon;
mod example;
mod harness;
mod key;
mod lines;
mod named;
mod namespace;
mod program;
mod prometheus;
mod srvctl;

pub(crate) use daemon::{Daemon, Notify, outcome};
pub(crate) use example::{EXAMPLE, EXAMPLE_RECORDS, JENKINS, NODE_EXPORTER};
pub(crate) use harness::free_address;
pub(crate) use key::Key;
pub(crate) use lines::assert_lines;
pub(crate) use named::Named;
pub(crate) use namespace::in_private_network;
pub(crate) use prometheus::Prometheus;
pub(crate) use srvctl::{Settings, Workspace, bare, strings};
