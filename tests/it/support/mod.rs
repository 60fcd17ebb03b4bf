//! What the tests stand on: real servers in private directories, and the binary under test.

mod api;
mod certificates;
mod daemon;
mod example;
mod harness;
mod hung_file;
mod key;
mod library;
mod lines;
mod named;
mod namespace;
mod ownership;
mod program;
mod prometheus;
mod proxy;
mod scene;
mod srvctl;
mod told;

pub(crate) use api::Api;
pub(crate) use certificates::{Authority, Certificate};
pub(crate) use daemon::{Daemon, Notify, outcome};
pub(crate) use example::{EXAMPLE, EXAMPLE_RECORDS, JENKINS, NODE_EXPORTER};
pub(crate) use harness::free_address;
pub(crate) use hung_file::HungFile;
pub(crate) use key::Key;
pub(crate) use library::{primary, runtime};
pub(crate) use lines::assert_lines;
pub(crate) use named::{Named, Saved};
pub(crate) use namespace::in_private_network;
pub(crate) use ownership::{State, owner_name, service, state_of};
pub(crate) use program::{Output, find, run};
pub(crate) use prometheus::Prometheus;
pub(crate) use proxy::{Fault, Proxy};
pub(crate) use scene::Scene;
pub(crate) use srvctl::{Settings, Workspace, bare, strings};
pub(crate) use told::{ALWAYS_STEPS, Told, notifies, notify_listen, transfers};
