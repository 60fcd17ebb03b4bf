//! What each type of check says about what it does.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::Spanned;

use crate::model::health::{
    BodyPattern, CheckTls, CommandCheck, DnsCheck, Filling, GrpcCheck, HttpCheck, HttpMethod, Template,
};
use crate::model::rules::Refusal;
use crate::model::{DNS_PORT, Name, RecordType, Server};
use crate::sources::toml_fields::Fields;

/// What is requested when nothing is said.
pub(in crate::sources::service_file) const URL: &str = "http://{host}:{port}/";

/// What passes when nothing is said.
pub(in crate::sources::service_file) const SUCCESS: RangeInclusive<u16> = 200..=299;

/// Types that ask for no record: OPT (RFC 6891), and the Q and meta types from TKEY to ANY (RFC 6895 section 3.1).
const META_TYPES: [RangeInclusive<u16>; 2] = [41..=41, 249..=255];

pub(super) fn http(fields: &mut Fields<'_, '_>) -> Option<HttpCheck> {
    let has_url = fields.has("url");
    let url = fields.parsed("url", url).map(Spanned::into_inner);
    let url = if has_url { url } else { URL.parse().ok() };
    let method = fields.parsed("method", method);
    let status = status(fields);
    let body = fields.parsed("body", BodyPattern::new);
    if let (Some(method), Some(body)) = (&method, &body)
        && *method.get_ref() == HttpMethod::Head
    {
        fields.report_with_help(body.span(), "the answer to HEAD has no body", "use GET, or remove `body`");
    }
    let headers_file = path(fields, "headers_file");
    let is_plain = url.as_ref().is_some_and(|url| url.as_str().starts_with("http://"));
    let tls = tls(fields, is_plain.then_some("the URL is not `https://`"));
    Some(HttpCheck {
        url: url?,
        method: method.map(Spanned::into_inner).unwrap_or_default(),
        status,
        body: body.map(Spanned::into_inner),
        headers_file,
        tls,
    })
}

fn url(text: &str) -> Result<Template, Refusal> {
    let template: Template = text.parse()?;
    if !["http://", "https://"].iter().any(|scheme| text.starts_with(scheme)) {
        let message = format!("`{text}` is no URL that can be checked: it must start with http:// or https://");
        return Err(Refusal::with_help(message, "write it as \"https://{host}:{port}/healthz\""));
    }
    let sample = Filling { host: "host.example", port: 80, address: Some(IpAddr::V6(Ipv6Addr::LOCALHOST)) };
    let filled = template.fill_url(sample).unwrap_or_default();
    let parsed: hyper::Uri =
        filled.parse().map_err(|error| Refusal::from(format!("`{text}` is not a URL: {error}")))?;
    if parsed.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        let message = "a URL with a user in it shows the password to everybody who may read this file";
        return Err(Refusal::with_help(message, "put an `Authorization:` line into a `headers_file`"));
    }
    if filled.contains('#') {
        return Err(Refusal::from("what comes after `#` in a URL is never sent to a server".to_owned()));
    }
    Ok(template)
}

fn method(text: &str) -> Result<HttpMethod, String> {
    let found = HttpMethod::ALL.into_iter().find(|method| method.as_str() == text);
    found.ok_or_else(|| format!("`method` must be \"GET\", \"HEAD\", \"OPTIONS\" or \"POST\", not \"{text}\""))
}

/// `status = [200, "300-399"]`.
fn status(fields: &mut Fields<'_, '_>) -> Vec<RangeInclusive<u16>> {
    let Some(words) = fields.word_list("status") else { return vec![SUCCESS] };
    if words.get_ref().is_empty() {
        fields.report_with_help(words.span(), "no status passes", "name one, or remove this: 200 to 299 pass then");
    }
    let ranges = words.get_ref().iter().filter_map(|word| fields.parse(word, status_range));
    ranges.map(Spanned::into_inner).collect()
}

fn status_range(text: &str) -> Result<RangeInclusive<u16>, String> {
    let code = |text: &str| text.parse().ok().filter(|code| (100..=599).contains(code));
    let range = match text.split_once('-') {
        Some((low, high)) => code(low).zip(code(high)),
        None => code(text).map(|code| (code, code)),
    };
    let range = range.filter(|(low, high)| low <= high).map(|(low, high)| low..=high);
    range.ok_or_else(|| format!("a `status` must be from 100 to 599, or a range like \"200-399\", not {text}"))
}

/// The TLS keys. `unused` tells why there is no TLS.
fn tls(fields: &mut Fields<'_, '_>, unused: Option<&str>) -> CheckTls {
    let given = ["tls_ca_file", "tls_server_name", "tls_insecure"].into_iter().find(|key| fields.has(key));
    if let Some((unused, key)) = unused.zip(given) {
        fields.report_with_help(fields.header(), format!("`{key}` means nothing: {unused}"), "remove it");
    }
    let ca_file = path(fields, "tls_ca_file");
    let server_name = fields.parsed("tls_server_name", |text| match text.parse::<Name>() {
        Ok(_) => Ok(text.trim_end_matches('.').to_owned()),
        Err(_) if text.parse::<IpAddr>().is_ok() => Ok(text.to_owned()),
        Err(error) => Err(format!("`tls_server_name` {error}")),
    });
    let insecure = fields.boolean("tls_insecure").unwrap_or(false);
    if insecure && ca_file.is_some() {
        let message = "`tls_ca_file` means nothing with `tls_insecure`: any certificate is good enough";
        fields.report_with_help(fields.header(), message, "remove one of the two");
    }
    CheckTls { ca_file, server_name: server_name.map(Spanned::into_inner), insecure }
}

pub(super) fn port(fields: &mut Fields<'_, '_>) -> Option<NonZeroU16> {
    fields.integer("port", 1..=u32::from(u16::MAX)).and_then(|port| NonZeroU16::new(u16::try_from(port).ok()?))
}

pub(super) fn dns(fields: &mut Fields<'_, '_>) -> Option<DnsCheck> {
    fields.require(&[("name", "name = \"internal.local\"")]);
    let name = fields.parsed("name", |text| text.parse::<Name>().map_err(|error| format!("name `{text}` {error}")));
    let record = fields.parsed("record", record).map_or(RecordType::A, Spanned::into_inner);
    let server = fields.parsed("server", |text| Server::parse(text, DNS_PORT).map_err(|error| error.to_string()));
    Some(DnsCheck { name: name?.into_inner(), record, server: server.map(Spanned::into_inner) })
}

fn record(text: &str) -> Result<RecordType, String> {
    let record: RecordType = text.parse().map_err(|error| format!("{error}"))?;
    if META_TYPES.iter().any(|range| range.contains(&record.0)) {
        return Err(format!("`{text}` is no type that a record can have"));
    }
    Ok(record)
}

pub(super) fn grpc(fields: &mut Fields<'_, '_>) -> GrpcCheck {
    let service = fields.string("service").map(Spanned::into_inner).unwrap_or_default();
    let port = port(fields);
    let has_tls = fields.boolean("tls").unwrap_or(false);
    let tls = tls(fields, (!has_tls).then_some("`tls = true` is not there"));
    GrpcCheck { service, port, tls: has_tls.then_some(tls) }
}

pub(super) fn command(fields: &mut Fields<'_, '_>) -> Option<CommandCheck> {
    fields.require(&[("command", "command = [\"/usr/lib/nagios/plugins/check_ping\", \"-H\", \"{host}\"]")]);
    let words = fields.word_list("command");
    let environment = environment(fields);
    let words = words?;
    let Some(program) = words.get_ref().first() else {
        fields.report_with_help(words.span(), "`command` is empty", "name the program, and then its arguments");
        return None;
    };
    if !program.get_ref().starts_with('/') {
        let message = format!("`{}` is not an absolute path, and nobody looks for it in a PATH", program.get_ref());
        fields.report_with_help(program.span(), message, "write where the program is, from `/` on");
    }
    let parsed = words.get_ref().iter().map(|word| fields.parse(word, argument).map(Spanned::into_inner));
    let command: Vec<_> = parsed.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?;
    if command.first().is_some_and(|program: &Template| !program.is_fixed()) {
        let message = "nothing is filled in where the program is named: who registers a host would choose the program";
        fields.report(program.span(), message);
    }
    Some(CommandCheck { command, environment })
}

fn argument(text: &str) -> Result<Template, Refusal> {
    if text.contains('\0') {
        return Err(Refusal::from("no program can be given a NUL byte".to_owned()));
    }
    text.parse()
}

fn environment(fields: &mut Fields<'_, '_>) -> BTreeMap<String, Template> {
    let mut environment = BTreeMap::new();
    for (name, value) in fields.words("environment").map(Spanned::into_inner).into_iter().flatten() {
        if name.get_ref().is_empty() || name.get_ref().contains(['=', '\0']) {
            let message = format!("`{}` is not the name of an environment variable", name.get_ref().escape_debug());
            fields.report(name.span(), message);
        }
        if let Some(value) = fields.parse(&value, argument) {
            environment.insert(name.into_inner(), value.into_inner());
        }
    }
    environment
}

/// A path, relative to the service file.
fn path(fields: &mut Fields<'_, '_>, key: &'static str) -> Option<PathBuf> {
    let file = fields.place().file;
    let directory = Path::new(&*file).parent().unwrap_or(Path::new(""));
    let parse = |text: &str| match text {
        "" => Err(format!("`{key}` is empty")),
        text => Ok(directory.join(text)),
    };
    fields.parsed(key, parse).map(Spanned::into_inner)
}
