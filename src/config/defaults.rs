//! What holds when the configuration does not say; `config/srvctl.toml` documents the same values.

use std::num::NonZeroU32;
use std::time::Duration;

/// Where the configuration is when neither `--config` nor `$SRVCTL_CONFIG` says.
pub const CONFIG: &str = "/etc/srvctl/srvctl.toml";

/// What `StateDirectory=srvctl` of systemd gives.
pub const STATE_DIR: &str = "/var/lib/srvctl";

/// How long drift can live unseen when no NOTIFY comes; a check of an unchanged zone costs one SOA query.
pub const INTERVAL: Duration = Duration::from_secs(30);

/// What `RuntimeDirectory=srvctl` of systemd gives.
pub const SOCKET: &str = "/run/srvctl/srvctl.sock";

/// A host that reboots, or a network that is mended, renews in time.
pub const LEASE_GRACE: Duration = Duration::from_secs(30);

/// Requests per second of one principal: each of a rack's hosts may renew its lease at once, and nobody else is held up.
pub const RATE: NonZeroU32 = NonZeroU32::new(100).expect("not 0");

/// Seconds. Prometheus looks up every 30 s, and its resolver asks the server for changes this often at most.
pub const TTL: u32 = 300;

/// BIND's `max-records-per-type` (from 9.18.28 on): it refuses the 101st record of a set.
pub const MAX_RECORDS_PER_RRSET: u32 = 100;

/// BIND writes its journal to the disk before it answers an update, and a busy disk takes its time.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Percent. An ordinary change takes a few records away; a third of everything is a broken source.
pub const MAX_DELETE_PERCENT: u8 = 30;

/// Everything is looked up once in the time that Prometheus' own alerts mostly wait (`for: 5m`).
pub const VERIFY_INTERVAL: Option<Duration> = Some(Duration::from_mins(5));

/// Per second and server: 60,000 RRsets in the interval, and one percent of what a small BIND answers.
pub const VERIFY_RATE: NonZeroU32 = NonZeroU32::new(200).expect("not 0");
