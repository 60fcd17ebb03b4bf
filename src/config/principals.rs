//! `[[principal]]`: who may do what.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use data_encoding::HEXLOWER_PERMISSIVE;
use nix::unistd::User;
use toml::Spanned;

use super::defaults;
use super::read::Keys;
use crate::api::{Known, TokenHash};
use crate::model::rules::{self, Refusal};
use crate::model::{Access, Grant, Name, Pattern, Place, Principal};
use crate::sources::toml_fields::Fields;

/// More than the daemon can answer needs no setting.
const MAX_RATE: u32 = 1_000_000;
/// The longest name of a principal; the log and the journal show it.
const MAX_NAME: usize = 64;

/// What nobody but one principal may have: by what each of them is known, and where that was said.
#[derive(Default)]
struct Taken {
    names: BTreeMap<String, Place>,
    tokens: BTreeMap<TokenHash, Place>,
    certificates: BTreeMap<String, Place>,
    users: BTreeMap<u32, Place>,
}

/// Everybody who is known; none when something is wrong.
pub(super) fn principals(root: &mut Fields<'_, '_>, keys: &Keys<'_>, zones: &[Name]) -> Option<Vec<Known>> {
    if !root.has("principal") {
        return Some(Vec::new());
    }
    let mut taken = Taken::default();
    let read = root.each("principal", "principal", |fields| principal(fields, keys, zones, &mut taken))?;
    read.into_iter().collect()
}

fn principal(fields: &mut Fields<'_, '_>, keys: &Keys<'_>, zones: &[Name], taken: &mut Taken) -> Option<Known> {
    fields.require(&[("name", "name = \"team-a\"")]);
    let name = fields.parsed("name", name);
    if let Some(name) = &name {
        let again = |first: &_| format!("the principal `{}` is there twice; first at {first}", name.get_ref());
        take(fields, name, &mut taken.names, again);
    }
    let proofs = ["token_sha256", "certificates", "users"];
    if !proofs.iter().any(|key| fields.has(key)) {
        let message = "nobody can be this principal: it has neither a token, nor a certificate, nor a user";
        fields.report_missing(message, "add `token_sha256 = [\"…\"]`, as `srvctl token` prints it");
    }
    let tokens = tokens(fields, taken);
    let certificates = certificates(fields, keys, taken);
    let users = users(fields, taken);
    let rate = fields.integer("rate", 1..=MAX_RATE).and_then(NonZeroU32::new).unwrap_or(defaults::RATE);
    let header = fields.header();
    let admin = fields.boolean("admin").unwrap_or(false);
    let has_grants = fields.has("grant");
    let grants = fields.each("grant", "principal.grant", |fields| grant(fields, zones));
    if admin && has_grants {
        let message = "who has `admin = true` may do everything: the grants have no effect";
        fields.report_with_help(header, message, "remove `admin`, or every `[[principal.grant]]`");
    }
    let grants: Vec<Grant> = if has_grants { grants?.into_iter().collect::<Option<_>>()? } else { Vec::new() };
    let principal = Principal { name: name?.into_inner().into(), grants: (!admin).then(|| grants.into()) };
    Some(Known { principal, tokens: tokens?, certificates: certificates?, users: users?, rate: Some(rate) })
}

fn name(text: &str) -> Result<String, String> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.@".contains(letter);
    if (1..=MAX_NAME).contains(&text.len()) && text.chars().all(allowed) {
        return Ok(text.to_owned());
    }
    Err(format!("the name of a principal has 1 to {MAX_NAME} letters, digits, `-`, `_`, `.` or `@`, unlike `{text}`"))
}

/// Notes who has something, and reports it when somebody else has it.
fn take<T: Ord + Clone>(
    fields: &Fields<'_, '_>,
    what: &Spanned<T>,
    taken: &mut BTreeMap<T, Place>,
    again: impl FnOnce(&Place) -> String,
) {
    match taken.get(what.get_ref()) {
        Some(first) => fields.report_with_help(what.span(), again(first), "keep one of the two"),
        None => {
            taken.insert(what.get_ref().clone(), fields.place());
        }
    }
}

/// Nothing of what stands there is shown when it is no hash: it may be the token itself.
fn tokens(fields: &mut Fields<'_, '_>, taken: &mut Taken) -> Option<Vec<TokenHash>> {
    if !fields.has("token_sha256") {
        return Some(Vec::new());
    }
    let mut hashes = Vec::new();
    for text in fields.strings("token_sha256")?.into_inner() {
        let decoded = HEXLOWER_PERMISSIVE.decode(text.get_ref().as_bytes()).ok();
        let hash = decoded.and_then(|bytes| TokenHash::try_from(bytes).ok());
        let Some(hash) = hash else {
            let message = "an entry of `token_sha256` is not the SHA-256 of a token: 64 hexadecimal digits";
            fields.report_with_help(fields.header(), message, "`srvctl token` prints the line; the token is secret");
            return None;
        };
        let again = |first: &_| format!("this token belongs to a principal already, at {first}");
        take(fields, &Spanned::new(text.span(), hash), &mut taken.tokens, again);
        hashes.push(hash);
    }
    some(fields, "token_sha256", hashes)
}

fn certificates(fields: &mut Fields<'_, '_>, keys: &Keys<'_>, taken: &mut Taken) -> Option<Vec<String>> {
    if !fields.has("certificates") {
        return Some(Vec::new());
    }
    let texts = fields.strings("certificates")?;
    if !keys.believes_certificates {
        let message = "no client certificate is believed without `listen` and `client_ca_file` in `[api]`";
        let help = "add `client_ca_file = \"clients.pem\"`, the certificate of the CA that signs them";
        fields.report_with_help(texts.span(), message, help);
    }
    let mut names = Vec::new();
    for text in texts.into_inner() {
        let name = fields.parse(&text, certificate_name)?;
        let again = |first: &_| format!("`{}` belongs to a principal already, at {first}", name.get_ref());
        take(fields, &name, &mut taken.certificates, again);
        names.push(name.into_inner());
    }
    some(fields, "certificates", names)
}

fn certificate_name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if !name.is_empty() && name.chars().all(allowed) {
        return Ok(name);
    }
    Err(format!("`{text}` is not a DNS name that a client certificate can be for, and no pattern is taken here"))
}

fn users(fields: &mut Fields<'_, '_>, taken: &mut Taken) -> Option<Vec<u32>> {
    if !fields.has("users") {
        return Some(Vec::new());
    }
    let mut ids = Vec::new();
    for text in fields.word_list("users")?.into_inner() {
        let id = fields.parse(&text, user)?;
        let again = |first: &_| format!("the user `{}` belongs to a principal already, at {first}", text.get_ref());
        take(fields, &id, &mut taken.users, again);
        ids.push(id.into_inner());
    }
    some(fields, "users", ids)
}

fn user(text: &str) -> Result<u32, Refusal> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    match User::from_name(text) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err(Refusal::with_help(
            format!("this machine has no user `{text}`"),
            "write its number if it is known elsewhere only",
        )),
        Err(error) => Err(Refusal::from(format!("the user `{text}` could not be looked up: {error}"))),
    }
}

fn grant(fields: &mut Fields<'_, '_>, zones: &[Name]) -> Option<Grant> {
    fields.require(&[("services", "services = [\"jenkins\", \"ci-*\"]")]);
    let has_access = fields.has("access");
    let access = fields.parsed("access", |text| match text {
        "read" => Ok(Access::Read),
        "write" => Ok(Access::Write),
        other => Err(format!("`access` must be \"read\" or \"write\", not \"{other}\"")),
    });
    let access = if has_access { access.map(Spanned::into_inner) } else { Some(Access::Write) };
    if access == Some(Access::Write) && !fields.has("hosts") {
        let help = "add `hosts = [\"*.devops.internal.local\"]`, the hosts that are theirs, or `access = \"read\"`";
        fields.report_missing("who may change services needs the key `hosts`", help);
    }
    let services = patterns(fields, "services", service_pattern);
    let hosts = patterns(fields, "hosts", host_pattern);
    let zones = granted_zones(fields, zones);
    Some(Grant { services: services?, hosts: hosts?, zones: zones?, access: access? })
}

fn patterns(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    parse: impl Fn(&str) -> Result<Pattern, Refusal>,
) -> Option<Vec<Pattern>> {
    if !fields.has(key) {
        return Some(Vec::new());
    }
    let texts = fields.strings(key)?.into_inner();
    let patterns = texts.iter().map(|text| fields.parse(text, &parse).map(Spanned::into_inner));
    let patterns = patterns.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?;
    some(fields, key, patterns)
}

fn service_pattern(text: &str) -> Result<Pattern, Refusal> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-*".contains(letter);
    if !text.is_empty() && text.chars().all(allowed) {
        return Ok(Pattern::new(text));
    }
    let message = format!("`{text}` is not a service's name, nor a pattern of them");
    Err(Refusal::with_help(message, "write it as `jenkins` or `ci-*`; zones have a key of their own, `zones`"))
}

fn host_pattern(text: &str) -> Result<Pattern, Refusal> {
    let host = text.strip_suffix('.').unwrap_or(text);
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_.*".contains(letter);
    if host.is_empty() || !host.chars().all(allowed) {
        return Err(Refusal::from(format!("`{text}` is not a host's name, nor a pattern of them")));
    }
    if !host.contains(['.', '*']) {
        let help = format!("write it with its zone, `{host}.internal.local`");
        return Err(Refusal::with_help(format!("the host `{text}` has to be written in full"), help));
    }
    Ok(Pattern::new(host))
}

fn granted_zones(fields: &mut Fields<'_, '_>, zones: &[Name]) -> Option<Vec<Name>> {
    if !fields.has("zones") {
        return Some(Vec::new());
    }
    let texts = fields.strings("zones")?.into_inner();
    let found = texts.iter().map(|text| fields.parse(text, |text| rules::zone(text, zones)).map(Spanned::into_inner));
    let found = found.collect::<Vec<_>>().into_iter().collect::<Option<_>>()?;
    some(fields, "zones", found)
}

/// A list that has to name somebody: an empty one would be read as everybody or nobody.
fn some<T>(fields: &Fields<'_, '_>, key: &str, list: Vec<T>) -> Option<Vec<T>> {
    if list.is_empty() {
        fields.report_with_help(fields.header(), format!("`{key}` is empty"), "remove it, or name something");
        return None;
    }
    Some(list)
}
