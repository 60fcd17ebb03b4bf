//! A primary with secondaries, of which one lags: it answers, from the version of the zone that it once transferred.

use std::fmt::Write as _;
use std::iter;
use std::net::SocketAddr;
use std::time::Duration;

use super::harness::free_address;
use super::name_server::{Blueprint, Kind, NameServer};
use super::named::Named;
use super::program::poll;

/// How long a secondary may take; PowerDNS looks into its queue every second or so.
const TRANSFER_LIMIT: Duration = Duration::from_secs(30);

/// All of them, gone together.
pub(crate) struct Replicas {
    pub(crate) primary: Named,
    pub(crate) following: Vec<Box<dyn NameServer>>,
    /// Nobody tells it of changes, and it does not ask for an hour.
    pub(crate) lagging: Box<dyn NameServer>,
}

impl Replicas {
    /// On free ports, which NS records cannot name.
    pub(crate) fn start(following: &[Kind], lagging: Kind) -> Self {
        let addresses: Vec<_> = iter::repeat_with(free_address).take(following.len() + 2).collect();
        Self::at(&addresses, "", following, lagging)
    }

    /// On port 53, see [`super::in_private_network`], and with an NS set that names them: ns1 is the primary at
    /// 127.0.0.1, ns2 and so on are the secondaries in order at 127.0.0.2 and so on, the lagging one last.
    pub(crate) fn start_named_by_the_zone(following: &[Kind], lagging: Kind) -> Self {
        let hosts = 1..=u8::try_from(following.len() + 2).unwrap();
        let addresses: Vec<_> = hosts.map(|host| SocketAddr::from(([127, 0, 0, host], 53))).collect();
        let mut records = String::new();
        for (index, address) in addresses.iter().enumerate().skip(1) {
            let _ = writeln!(records, "@ NS ns{0}\nns{0} A {1}", index + 1, address.ip());
        }
        Self::at(&addresses, &records, following, lagging)
    }

    fn at(addresses: &[SocketAddr], records: &str, following: &[Kind], lagging: Kind) -> Self {
        let (told, last) = (&addresses[1..addresses.len() - 1], addresses[addresses.len() - 1]);
        let mut notified = String::new();
        for address in told {
            let _ = write!(notified, "{} port {}; ", address.ip(), address.port());
        }
        let builder = Named::builder().listen(addresses[0]).records(records);
        let key = builder.key_name().to_owned();
        let primary = builder
            .zone_options(&format!(
                "allow-update {{ key \"{key}\"; }}; allow-transfer {{ key \"{key}\"; }}; notify explicit; \
                 notify-delay 0; also-notify {{ {notified}}};"
            ))
            .start();
        let secondary = |address: SocketAddr, kind: Kind| {
            kind.start(&Blueprint { address, ..Blueprint::secondary_of(primary.address(), primary.key()) })
        };
        let following = told.iter().zip(following).map(|(address, kind)| secondary(*address, *kind)).collect();
        let lagging = secondary(last, lagging);
        Self { primary, following, lagging }
    }

    /// Waits until those that follow have the primary's zone.
    pub(crate) fn wait_for_transfers(&self) {
        let (wanted, serial) = (self.primary.zone_text(), self.primary.serial());
        for server in &self.following {
            let has_it = || (server.serial() == serial && server.zone_text() == wanted).then_some(());
            let found = poll(TRANSFER_LIMIT, has_it);
            assert!(found.is_some(), "{} has not transferred serial {serial}:\n{}", server.address(), server.log());
        }
    }
}
