//! `[service.browse]`: that a service can be browsed (RFC 6763), and what its instances are called there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use toml::Spanned;

use crate::model::browse::{META_SERVICE, SUBTYPE_LABEL, instance_name, subtype_name};
use crate::model::rules;
use crate::model::{Browse, Marker, Name, NameError, Place, Service, Shards};
use crate::sources::toml_fields::Fields;

/// Reads the table; nothing when there is none.
pub(super) fn read(fields: &mut Fields<'_, '_>, shards: Shards) -> Option<Arc<Browse>> {
    fields.table_at("browse", "service.browse", |fields| {
        if shards != Shards::Off {
            let message =
                "a service that is spread by `shards` cannot be browsed: its instances move from name to name";
            fields.report_with_help(fields.header(), message, "remove `[service.browse]`, or `shards`");
        }
        let health = fields.boolean("health").unwrap_or(false);
        Some(Arc::new(Browse { subtypes: subtypes(fields), health }))
    })
}

fn subtypes(fields: &mut Fields<'_, '_>) -> BTreeSet<String> {
    let mut subtypes: BTreeMap<String, String> = BTreeMap::new();
    for text in fields.strings("subtypes").map(Spanned::into_inner).unwrap_or_default() {
        let Some(subtype) = fields.parse(&text, rules::subtype).map(Spanned::into_inner) else { continue };
        if subtypes.insert(subtype.to_ascii_lowercase(), subtype.clone()).is_some() {
            fields.report(text.span(), format!("subtype `{subtype}` is listed twice"));
        }
    }
    subtypes.into_values().collect()
}

/// What was read of one instance.
#[derive(Default)]
pub(super) struct Named {
    pub(super) name: Option<String>,
    pub(super) subtypes: BTreeSet<String>,
}

/// Reads what the instances of one service are called: no two alike.
pub(super) struct InstanceNames {
    is_browsed: bool,
    seen: BTreeMap<String, Place>,
}

impl InstanceNames {
    pub(super) fn new(is_browsed: bool) -> Self {
        Self { is_browsed, seen: BTreeMap::new() }
    }

    /// Takes `name` and `subtypes` of one instance.
    pub(super) fn read(&mut self, fields: &mut Fields<'_, '_>) -> Named {
        let has = ["name", "subtypes"].into_iter().find(|key| fields.has(key));
        if let Some(key) = has.filter(|_| !self.is_browsed) {
            let message = format!("`{key}` of an instance means nothing where the service cannot be browsed");
            fields.report_with_help(fields.header(), message, format!("add `[service.browse]`, or remove `{key}`"));
        }
        let (place, header) = (fields.place(), fields.header());
        let name = fields.parsed("name", rules::instance_name).map(Spanned::into_inner);
        if let Some(name) = &name
            && let Some(first) = self.seen.insert(name.to_ascii_lowercase(), place)
        {
            let message = format!("two instances are called `{name}`; the first is at {first}");
            fields.report_with_help(header, message, "call one of them something else");
        }
        Named { name, subtypes: subtypes(fields) }
    }
}

/// Reports what can only be seen of the service as a whole.
pub(super) fn check(fields: &Fields<'_, '_>, service: &Service) {
    if !service.is_browsed() {
        return;
    }
    if service.key.name.eq_ignore_ascii_case(META_SERVICE) {
        let message = "`_dns-sd` is the name under which DNS-SD lists types and domains: it cannot be browsed itself";
        fields.report_with_help(fields.header(), message, "remove `[service.browse]`, or choose another name");
    }
    if service.key.name.eq_ignore_ascii_case(&SUBTYPE_LABEL[1..]) {
        let message = "`_sub` stands between a subtype and its service (RFC 6763): such a service cannot be browsed";
        fields.report_with_help(fields.header(), message, "remove `[service.browse]`, or choose another name");
    }
    let Ok(own_name) = service.key.owner_name() else { return };
    for (instance, name) in service.instances.iter().zip(service.instance_names()) {
        let Some(name) = name else {
            let message =
                format!("{} port {} cannot be told from another instance by its name", instance.host, instance.port);
            fields.report_with_help(fields.header(), message, "give it a `name` of its own");
            continue;
        };
        let subtypes = service.subtypes_of(instance);
        let names = subtypes.iter().map(|subtype| subtype_name(&own_name, subtype));
        if let Some(error) = [instance_name(&own_name, &name)].into_iter().chain(names).find_map(too_long) {
            let message =
                format!("instance `{name}` of {}, or a subtype of it, with the ownership marker {error}", service.key);
            fields.report_with_help(fields.header(), message, "shorten the names");
        }
        let size = service.instance_text(instance).iter().map(|string| 1 + string.len()).sum();
        if let Err(refusal) = rules::metadata_size(size) {
            fields.refuse(fields.header(), refusal);
        }
    }
}

fn too_long(name: Result<Name, NameError>) -> Option<NameError> {
    name.and_then(|name| Marker::name_for(&name)).err()
}
