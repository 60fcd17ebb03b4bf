//! Which addresses are this machine's own: what is reached there says nothing of the network.

use std::collections::HashMap;
use std::net::{IpAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long what was found is taken for true: a machine may get other addresses.
const FRESH: Duration = Duration::from_secs(30);

/// What is known of addresses, and since when.
#[derive(Debug, Default)]
pub(super) struct Here(Mutex<HashMap<IpAddr, (Instant, bool)>>);

impl Here {
    /// Whether whoever connects there stays on this machine.
    pub(super) fn is(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if address.is_loopback() {
            return true;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, is_here)) = known.get(&address).filter(|(since, _)| since.elapsed() < FRESH) {
            return *is_here;
        }
        if known.len() == known.capacity() {
            known.retain(|_, (since, _)| since.elapsed() < FRESH);
        }
        let is_here = is_ours(address);
        known.insert(address, (Instant::now(), is_here));
        is_here
    }
}

/// The system sends from the address itself to an address of its own. Nothing is sent.
fn is_ours(address: IpAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind((any, 0));
    let local = socket.and_then(|socket| socket.connect((address, 9)).and_then(|()| socket.local_addr()));
    local.is_ok_and(|local| local.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_own_addresses_are_here() {
        let here = Here::default();
        for address in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            assert!(here.is(address.parse().unwrap()), "{address}");
        }
        // Whatever address this machine has towards others, if any.
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        if socket.connect("192.0.2.1:9").is_ok() {
            assert!(here.is(socket.local_addr().unwrap().ip()));
        }
        for _ in 0..2 {
            assert!(!here.is("192.0.2.1".parse().unwrap()));
        }
        assert!(!here.is("2001:db8::1".parse().unwrap()));
    }
}
