//! srvctl's own library against a test's server: the daemon's functions without the daemon, many times over.

use std::net::SocketAddr;
use std::sync::Arc;

use srvctl::dns::{Primary, Sha1, TsigKey};
use srvctl::model::Server;
use tokio::runtime::{Builder, Runtime};

use super::name_server::NameServer;
use super::named::ZONE;

/// The test zone as that server's client sees it, at another address when a proxy is between.
pub(crate) fn primary(server: &(impl NameServer + ?Sized), address: SocketAddr) -> Primary {
    let key = TsigKey::parse(&Arc::from("test.key"), &server.key().text(), Sha1::Refused).unwrap();
    Primary::new(ZONE.parse().unwrap(), Server::from(address), &key)
}

/// A runtime for one test, on the test's own thread.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}
