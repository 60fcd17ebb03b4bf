//! The tables and keys of `srvctl.toml`.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use crate::dns::{Sha1, Transport, TsigKey};
use crate::model::rules;
use crate::model::{DNS_PORT, Diagnostic, Name, OwnerId, Place, Server};
use crate::sources::toml_fields::{self, Fields};
use crate::sources::{Pattern, parse_duration};

use super::{
    ApiConfig, Config, DaemonConfig, MetricsConfig, VerifyThrough, ZoneConfig, defaults, discovery, listen, principals,
    transport,
};

/// More SRV records than a DNS message can hold (65,535 bytes, at least 21 each) need no setting.
const MAX_RECORDS_LIMIT: u32 = 3_000;

/// Shorter intervals are load without use, longer ones are a daemon that sleeps.
const INTERVAL_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);

/// More is no grace, but a lease of another length.
const GRACE_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);

/// Per second: more is a load test.
const VERIFY_RATE_RANGE: RangeInclusive<u32> = 1..=10_000;

/// Less is impatience with a disk, more is a daemon that hangs.
const TIMEOUT_RANGE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_mins(10);

pub(super) fn config(path: &Path, text: &Arc<str>) -> Result<Config, Vec<Diagnostic>> {
    let file: Arc<str> = path.to_string_lossy().into();
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut keys =
        Keys { directory, owner: None, believes_certificates: false, errors: Vec::new(), warnings: Vec::new() };
    let config = toml_fields::read(&file, text, |root| root_table(root, path, &mut keys));
    let Keys { errors: key_errors, warnings, .. } = keys;
    match config {
        Ok(config) if key_errors.is_empty() => Ok(Config { warnings, ..config }),
        Ok(_) => Err(key_errors),
        Err(errors) => Err(errors.into_iter().chain(key_errors).collect()),
    }
}

/// Loads key files on the way, and keeps what they complain about: their errors are about other files.
pub(super) struct Keys<'p> {
    pub(super) directory: &'p Path,
    /// Who we are in zones that name nobody else.
    owner: Option<OwnerId>,
    /// Whether clients can show certificates.
    pub(super) believes_certificates: bool,
    errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<String>,
}

fn root_table(root: &mut Fields<'_, '_>, path: &Path, keys: &mut Keys<'_>) -> Option<Config> {
    root.require(&[("owner", "owner = \"dns1\""), ("services", "services = [\"services.d/*.toml\"]")]);
    let directory = keys.directory;
    keys.owner = owner(root);
    let services = patterns(root, directory);
    let daemon = root.table("daemon", |fields| Some(daemon(fields, directory)));
    let api = root.table("api", |fields| Some(api(fields, keys)));
    let metrics = root.table("metrics", |fields| Some(metrics(fields, api.as_ref())));
    let has_zones = root.has("zone");
    let mut seen = BTreeMap::new();
    let zones = root.each("zone", "zone", |fields| zone(fields, keys, &mut seen));
    if !has_zones || zones.as_ref().is_some_and(Vec::is_empty) {
        root.report_missing("no zone is configured", "add a `[[zone]]` with `name`, `primary` and `key_file`");
    }
    let managed: Vec<_> = seen.into_keys().collect();
    let principals = principals::principals(root, keys, &managed);
    let taken = discovery::Taken {
        zones: &managed,
        api: api.as_ref().and_then(|api| api.listen.as_ref()).map(|listen| listen.address),
        metrics: metrics.as_ref().and_then(|metrics| metrics.listen),
        state_dir: daemon.as_ref().map_or(Path::new(defaults::STATE_DIR), |daemon| &daemon.state_dir),
    };
    let discovery = root.table("discovery", |fields| Some(discovery::discovery(fields, directory, &taken)));
    Some(Config {
        path: path.to_owned(),
        owner: keys.owner.clone()?,
        services: services?,
        daemon: daemon.unwrap_or_else(default_daemon),
        api: api.unwrap_or_else(default_api),
        metrics: metrics.unwrap_or_default(),
        discovery,
        principals: principals?,
        zones: zones?.into_iter().collect::<Option<_>>()?,
        warnings: Vec::new(),
    })
}

fn owner(fields: &mut Fields<'_, '_>) -> Option<OwnerId> {
    fields.parsed("owner", |text| text.parse().map_err(|error| format!("{error}"))).map(Spanned::into_inner)
}

fn patterns(root: &mut Fields<'_, '_>, directory: &Path) -> Option<Vec<Pattern>> {
    let texts = root.strings("services")?.into_inner();
    let patterns =
        texts.iter().filter_map(|text| root.parse(text, |text| Pattern::new(directory, text))).map(Spanned::into_inner);
    Some(patterns.collect())
}

fn default_daemon() -> DaemonConfig {
    DaemonConfig { state_dir: defaults::STATE_DIR.into(), interval: defaults::INTERVAL, commands: false }
}

fn daemon(fields: &mut Fields<'_, '_>, directory: &Path) -> DaemonConfig {
    let state_dir = path(fields, "state_dir", directory);
    let interval = fields.duration("interval", INTERVAL_RANGE, "from 1s to 24h");
    let commands = fields.boolean("commands");
    let default = default_daemon();
    DaemonConfig {
        state_dir: state_dir.unwrap_or(default.state_dir),
        interval: interval.unwrap_or(default.interval),
        commands: commands.unwrap_or(default.commands),
    }
}

fn api(fields: &mut Fields<'_, '_>, keys: &mut Keys<'_>) -> ApiConfig {
    let socket = path(fields, "socket", keys.directory);
    let lease_grace = fields.duration("lease_grace", GRACE_RANGE, "from 1s to 24h");
    let listen = listen::listen(fields, keys);
    let default = default_api();
    ApiConfig {
        socket: socket.unwrap_or(default.socket),
        lease_grace: lease_grace.unwrap_or(default.lease_grace),
        listen,
    }
}

fn metrics(fields: &mut Fields<'_, '_>, api: Option<&ApiConfig>) -> MetricsConfig {
    let listen = fields.parsed("listen", listen::address);
    let taken = api.and_then(|api| api.listen.as_ref()).map(|listen| listen.address);
    if let Some(listen) = listen.as_ref().filter(|listen| Some(*listen.get_ref()) == taken) {
        let message = format!("{} is taken already, by `[api] listen`", listen.get_ref());
        fields.report_with_help(
            listen.span(),
            message,
            "choose another port, or remove this: the API has /metrics too",
        );
    }
    MetricsConfig { listen: listen.map(Spanned::into_inner) }
}

fn default_api() -> ApiConfig {
    ApiConfig { socket: defaults::SOCKET.into(), lease_grace: defaults::LEASE_GRACE, listen: None }
}

fn path(fields: &mut Fields<'_, '_>, key: &'static str, directory: &Path) -> Option<PathBuf> {
    let parse = |text: &str| match text {
        "" => Err(format!("`{key}` is empty")),
        path => Ok(directory.join(path)),
    };
    fields.parsed(key, parse).map(Spanned::into_inner)
}

fn zone(fields: &mut Fields<'_, '_>, keys: &mut Keys<'_>, seen: &mut BTreeMap<Name, Place>) -> Option<ZoneConfig> {
    fields.require(&[
        ("name", "name = \"internal.local\""),
        ("primary", "primary = \"127.0.0.1:53\""),
        ("key_file", "key_file = \"internal.local.key\""),
    ]);
    let name = fields.parsed("name", |text| text.parse::<Name>().map_err(|error| format!("zone `{text}` {error}")));
    let has_owner = fields.has("owner");
    let owner = owner(fields).or_else(|| keys.owner.clone().filter(|_| !has_owner));
    let primary = transport::primary(fields, keys.directory);
    let sha1 = if fields.boolean("allow_hmac_sha1") == Some(true) { Sha1::Allowed } else { Sha1::Refused };
    let key = key(fields, "key_file", sha1, keys);
    let has_transfer_key = fields.has("transfer_key_file");
    let transfer_key = self::key(fields, "transfer_key_file", sha1, keys).map(|(_, key)| key);
    let ttl = fields.integer("ttl", rules::TTL_RANGE).unwrap_or(defaults::TTL);
    let max_records = fields.integer("max_records_per_rrset", 1..=MAX_RECORDS_LIMIT);
    let timeout = fields.duration("timeout", TIMEOUT_RANGE, "from 1s to 10m");
    let max_delete = fields.integer("max_delete_percent", 0..=100).and_then(|percent| u8::try_from(percent).ok());
    let notify_listen = fields.parsed("notify_listen", listen::address);
    let verify = verify(fields);
    let verify_interval = verify_interval(fields);
    let verify_rate = fields.integer("verify_rate", VERIFY_RATE_RANGE).and_then(NonZeroU32::new);
    if let Some(name) = &name {
        if let Some(first) = seen.get(name.get_ref()) {
            let message = format!("zone `{}` is configured twice; first at {first}", name.get_ref());
            fields.report_with_help(name.span(), message, "keep one of the two");
        } else {
            seen.insert(name.get_ref().clone(), fields.place());
        }
    }
    let (primary, transport) = primary?;
    let (key_file, key) = key?;
    if has_transfer_key && transfer_key.is_none() {
        return None;
    }
    Some(ZoneConfig {
        name: name?.into_inner(),
        owner: owner?,
        verify: verify.unwrap_or_else(|| vec![VerifyThrough::Server(plain(&primary, &transport))]),
        primary,
        transport,
        key_file,
        key,
        transfer_key,
        ttl,
        max_records_per_rrset: max_records.unwrap_or(defaults::MAX_RECORDS_PER_RRSET),
        timeout: timeout.unwrap_or(defaults::TIMEOUT),
        max_delete_percent: max_delete.unwrap_or(defaults::MAX_DELETE_PERCENT),
        notify_listen: notify_listen.map(Spanned::into_inner),
        verify_interval,
        verify_rate: verify_rate.unwrap_or(defaults::VERIFY_RATE),
    })
}

/// None at all (`never`), or long enough that a round does not follow upon the other.
fn verify_interval(fields: &mut Fields<'_, '_>) -> Option<Duration> {
    let parse = |text: &str| match text {
        "never" => Ok(None),
        _ => match parse_duration(text) {
            Ok(interval) if INTERVAL_RANGE.contains(&interval) => Ok(Some(interval)),
            Ok(_) => Err(format!("`verify_interval` must be from 1s to 24h, or \"never\", not {text}")),
            Err(error) => Err(format!("{error}; or \"never\", to look up only what has changed")),
        },
    };
    let said = fields.parsed("verify_interval", parse).map(Spanned::into_inner);
    said.unwrap_or(defaults::VERIFY_INTERVAL)
}

/// Where Prometheus would ask this server, which is never over TLS.
pub(super) fn plain(primary: &Server, transport: &Transport) -> Server {
    match transport {
        Transport::Tcp => primary.clone(),
        Transport::Tls(_) => Server::new(primary.host.clone(), DNS_PORT),
    }
}

fn server(text: &str) -> Result<Server, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn key(
    fields: &mut Fields<'_, '_>,
    named: &'static str,
    sha1: Sha1,
    keys: &mut Keys<'_>,
) -> Option<(PathBuf, TsigKey)> {
    let file = fields.string(named)?;
    let path = keys.directory.join(file.get_ref());
    match TsigKey::load(&path, sha1) {
        Ok(key) => {
            // Zones can share a key file; one warning is enough.
            let warning = TsigKey::warning_for_permissions(&path);
            keys.warnings.extend(warning.filter(|warning| !keys.warnings.contains(warning)));
            Some((path, key))
        }
        Err(errors) => {
            for error in errors {
                // A file that is not there is an error of the line that names it.
                match error.excerpt {
                    None => fields.report(file.span(), format!("{}: {}", error.file, error.message)),
                    Some(_) if keys.errors.contains(&error) => {}
                    Some(_) => keys.errors.push(error),
                }
            }
            None
        }
    }
}

fn verify(fields: &mut Fields<'_, '_>) -> Option<Vec<VerifyThrough>> {
    let texts = fields.string_or_strings("verify")?;
    if texts.get_ref().is_empty() {
        fields.report_with_help(texts.span(), "`verify` names no server", "remove the line to check at the primary");
    }
    let through = |text: &str| match text {
        "system" => Ok(VerifyThrough::System),
        "secondaries" => Ok(VerifyThrough::Secondaries),
        other => server(other).map(VerifyThrough::Server),
    };
    let checked = texts.get_ref().iter().filter_map(|text| fields.parse(text, through)).map(Spanned::into_inner);
    Some(checked.collect())
}
