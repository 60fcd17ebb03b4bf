//! Whom a check is about: its host, port and addresses, and what is written for them in a check.

use std::net::IpAddr;
use std::sync::Arc;

use super::ProbeTarget;
use super::connect::Resolver;
use super::outcome::Stop;
use super::progress::Progress;
use crate::model::health::Filling;

/// An instance, with what is put in place of `{host}`, `{port}` and `{address}`.
#[derive(Debug)]
pub(super) struct Filled<'a> {
    /// Without the final dot, as everything but DNS spells it.
    pub(super) host: String,
    pub(super) port: u16,
    address: Option<IpAddr>,
    given: &'a [IpAddr],
}

impl<'a> Filled<'a> {
    /// An address is only asked for when it is needed and not published.
    pub(super) async fn new(
        target: &'a ProbeTarget,
        needs_address: bool,
        resolver: &Resolver,
        progress: &Progress,
    ) -> Result<Self, Stop> {
        let host = target.host.without_final_dot();
        let address = match target.addresses.first() {
            Some(address) => Some(*address),
            None if needs_address => resolver.addresses(&host, progress).await?.first().copied(),
            None => None,
        };
        Ok(Self { host, port: target.port, address, given: &target.addresses })
    }

    /// What a template of the check is filled in with.
    pub(super) fn filling(&self) -> Filling<'_> {
        Filling { host: &self.host, port: self.port, address: self.address }
    }

    /// Where a host is. The instance's own addresses are those that are published for it.
    pub(super) async fn addresses(
        &self,
        host: &str,
        resolver: &Resolver,
        progress: &Progress,
    ) -> Result<Arc<Vec<IpAddr>>, Stop> {
        if !self.given.is_empty() && host.eq_ignore_ascii_case(&self.host) {
            return Ok(Arc::new(self.given.to_vec()));
        }
        resolver.addresses(host, progress).await
    }
}
