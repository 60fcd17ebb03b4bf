//! Consul's checks as ours. Consul's are made on the node itself, ours from where srvctl runs.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::durations;
use crate::model::health::{CheckTls, GrpcCheck, HttpCheck, HttpMethod, LeaseCheck, TcpCheck, Template};
use crate::model::rules::Refusal;
use crate::model::{Check, CheckKind, Condition, Name};
use crate::reconcile::migration::terms::is_local;

/// A check, in Consul's words.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct CheckDefinition {
    http: Option<String>,
    method: Option<String>,
    header: Option<Value>,
    body: Option<String>,
    tcp: Option<String>,
    grpc: Option<String>,
    grpc_use_tls: bool,
    ttl: Option<String>,
    interval: Option<String>,
    timeout: Option<String>,
    tls_server_name: Option<String>,
    tls_skip_verify: bool,
    success_before_passing: Option<u32>,
    failures_before_critical: Option<u32>,
    status: Option<String>,
    deregister_critical_service_after: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

/// As service files allow.
const INTERVALS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_hours(24));
const TIMEOUTS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_mins(2));
const MAX_COUNT: u32 = 100;

/// What service files have when nothing is said.
const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(3);
const TTL: Duration = Duration::from_secs(30);

impl CheckDefinition {
    /// The check, and what was guessed about it. `address` is what the definition says of the service's.
    pub(super) fn mapped(&self, port: NonZeroU16, address: &str) -> Result<(Check, Vec<String>), Refusal> {
        let mut guesses = Vec::new();
        let here = |host: &str| is_local(host) || (!address.is_empty() && host == address);
        let kind = match self {
            Self { http: Some(url), .. } => CheckKind::Http(self.http(url, port, &here, &mut guesses)?),
            Self { tcp: Some(target), .. } => {
                CheckKind::Tcp(TcpCheck { port: other_port(target, port, &here, &mut guesses)? })
            }
            Self { grpc: Some(target), .. } => {
                let (target, service) = target.split_once('/').unwrap_or((target, ""));
                let port = other_port(target, port, &here, &mut guesses)?;
                let tls = self.grpc_use_tls.then(|| self.tls(&mut guesses));
                CheckKind::Grpc(GrpcCheck { service: service.to_owned(), port, tls })
            }
            Self { ttl: Some(_), .. } => {
                let how = "a TTL check became a check of type `lease`: the instance says how it is with `srvctl renew --status`";
                guesses.push(how.to_owned());
                CheckKind::Lease(LeaseCheck)
            }
            _ => return Err(self.unknown()),
        };
        if self.deregister_critical_service_after.is_some() {
            guesses.push(
                "`deregister_critical_service_after` was left out: nothing that is in a file is removed by a check"
                    .to_owned(),
            );
        }
        Ok((self.timed(kind, &mut guesses)?, guesses))
    }

    fn unknown(&self) -> Refusal {
        let known =
            ["args", "script", "docker_container_id", "alias_node", "alias_service", "h2ping", "udp", "os_service"];
        let found = known.into_iter().find(|key| self.rest.contains_key(*key));
        match found {
            Some(key @ ("args" | "script")) => Refusal::with_help(
                format!("`{key}` runs a program on the node, and srvctl runs elsewhere"),
                "let the node tell with a check of type `lease`, or write one of type `command` that works from there",
            ),
            Some(key) => Refusal::from(format!("`{key}` has no counterpart")),
            None => Refusal::from("neither http, tcp, grpc nor ttl".to_owned()),
        }
    }

    fn tls(&self, guesses: &mut Vec<String>) -> CheckTls {
        let is_name = |name: &&str| {
            let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
            name.bytes().all(letters) && name.parse::<Name>().is_ok()
        };
        let said = self.tls_server_name.as_deref().map(|name| name.trim_end_matches('.'));
        let said = said.filter(|name| !name.is_empty() && !self.tls_skip_verify);
        let server_name = said.filter(is_name).map(str::to_owned);
        if said.is_some() && server_name.is_none() {
            guesses.push("`tls_server_name` was left out: it is no host name".to_owned());
        }
        CheckTls { ca_file: None, server_name, insecure: self.tls_skip_verify }
    }

    fn http(
        &self,
        url: &str,
        port: NonZeroU16,
        here: &impl Fn(&str) -> bool,
        guesses: &mut Vec<String>,
    ) -> Result<HttpCheck, Refusal> {
        let url = template(url, port, here, guesses)?;
        let word = self.method.as_deref().filter(|word| !word.is_empty()).unwrap_or("GET").to_ascii_uppercase();
        let method = HttpMethod::ALL.into_iter().find(|method| method.as_str() == word);
        let method = method.ok_or_else(|| Refusal::from(format!("method {word} is not one that a check makes")))?;
        if self.body.as_deref().is_some_and(|body| !body.is_empty()) {
            return Err(Refusal::from("it sends a body, and our checks send none".to_owned()));
        }
        if self.header.as_ref().is_some_and(|header| header.as_object().is_none_or(|header| !header.is_empty())) {
            guesses
                .push("`header` was left out: put such lines into a file, and name that as `headers_file`".to_owned());
        }
        let is_https = url.as_str().starts_with("https://");
        let tls = if is_https { self.tls(guesses) } else { CheckTls::default() };
        Ok(HttpCheck { url, method, status: vec![200..=299], body: None, headers_file: None, tls })
    }

    fn timed(&self, kind: CheckKind, guesses: &mut Vec<String>) -> Result<Check, Refusal> {
        let read = |key: &str, text: &Option<String>| match text.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => {
                let wrong = || Refusal::from(format!("`{key}` is \"{text}\", which is not a length of time"));
                durations::read(text).map(Some).ok_or_else(wrong)
            }
        };
        let mut within = |key: &str, wanted: Duration, (least, most): (Duration, Duration)| {
            let fits = wanted.clamp(least, most);
            if fits != wanted {
                guesses.push(format!("`{key}` of the check became {fits:?}: it must be from {least:?} to {most:?}"));
            }
            fits
        };
        let is_lease = matches!(kind, CheckKind::Lease(_));
        let interval = if is_lease {
            read("ttl", &self.ttl)?.unwrap_or(TTL)
        } else {
            read("interval", &self.interval)?.unwrap_or(INTERVAL)
        };
        let interval = within("interval", interval, INTERVALS);
        let timeout = match read("timeout", &self.timeout)? {
            _ if is_lease => interval,
            None => TIMEOUT.min(interval),
            Some(timeout) => within("timeout", timeout, (TIMEOUTS.0, TIMEOUTS.1.min(interval))),
        };
        let (rise, fall) = if is_lease { (1, 1) } else { (2, 3) };
        let count = |wanted: Option<u32>, usual: u32| wanted.map_or(usual, |count| count.clamp(1, MAX_COUNT));
        let (rise, fall) = (count(self.success_before_passing, rise), count(self.failures_before_critical, fall));
        let initial = match self.status.as_deref() {
            Some("critical") => Condition::Failing,
            _ => Condition::Passing,
        };
        Ok(Check { kind, interval, timeout, rise, fall, initial })
    }
}

/// `host:port` that is the service's own machine: the port, when it is another than the service's.
fn other_port(
    target: &str,
    port: NonZeroU16,
    here: &impl Fn(&str) -> bool,
    guesses: &mut Vec<String>,
) -> Result<Option<NonZeroU16>, Refusal> {
    let not_one = || Refusal::from(format!("`{target}` is not host:port"));
    let (host, target_port) = target.rsplit_once(':').ok_or_else(not_one)?;
    let target_port: NonZeroU16 = target_port.parse().map_err(|_| not_one())?;
    ours(host, here, guesses)?;
    Ok((target_port != port).then_some(target_port))
}

/// Whether a check is about the instance's own host.
fn ours(host: &str, here: &impl Fn(&str) -> bool, guesses: &mut Vec<String>) -> Result<(), Refusal> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    if !here(bare) {
        return Err(Refusal::with_help(
            format!("it asks `{host}`, which is another host than the instance's"),
            "write it yourself, if all instances shall depend on that host",
        ));
    }
    guesses.push(format!("the check asks `{{host}}` instead of `{host}`: srvctl makes it from where it runs"));
    Ok(())
}

/// The URL with the instance's host and port to be filled in.
fn template(
    url: &str,
    port: NonZeroU16,
    here: &impl Fn(&str) -> bool,
    guesses: &mut Vec<String>,
) -> Result<Template, Refusal> {
    let not_one = || Refusal::from(format!("`{url}` is not a URL that can be checked"));
    let (scheme, rest) = url.split_once("://").ok_or_else(not_one)?;
    let scheme = scheme.to_ascii_lowercase();
    if !["http", "https"].contains(&&*scheme)
        || !rest.bytes().all(|byte| byte.is_ascii_graphic())
        || rest.contains(['"', '<', '>', '\\', '^', '`', '|', '#'])
    {
        return Err(not_one());
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(Refusal::with_help(
            "its URL has a password in it",
            "put an `Authorization:` line into a `headers_file`",
        ));
    }
    let (host, url_port) = match authority.rsplit_once(':') {
        Some((host, digits)) if !digits.ends_with(']') => {
            (host, Some(digits.parse::<NonZeroU16>().map_err(|_| not_one())?))
        }
        _ => (authority, None),
    };
    ours(host, here, guesses)?;
    let shown_port = match url_port {
        Some(same) if same == port => ":{port}".to_owned(),
        Some(other) => format!(":{other}"),
        None => String::new(),
    };
    let path = path.replace('{', "{{").replace('}', "}}");
    let separator = if path.starts_with('/') { "" } else { "/" };
    format!("{scheme}://{{host}}{shown_port}{separator}{path}").parse()
}
