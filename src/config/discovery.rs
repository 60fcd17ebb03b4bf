//! `[discovery]` and its files.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

use toml::Spanned;

use super::listen::address;
use super::{DiscoveryConfig, TargetFile};
use crate::model::rules::{self, Refusal};
use crate::model::{Name, Place};
use crate::reconcile::discovery::{Reach, Selection, Wanted};
use crate::sources::toml_fields::Fields;

/// What the rest of the configuration says.
pub(super) struct Taken<'c> {
    /// The managed zones.
    pub(super) zones: &'c [Name],
    /// `[api] listen`
    pub(super) api: Option<SocketAddr>,
    /// `[metrics] listen`
    pub(super) metrics: Option<SocketAddr>,
    /// `[daemon] state_dir`
    pub(super) state_dir: &'c Path,
}

/// What was listed last, in the state directory.
pub const STATE_FILE: &str = "targets.json";

/// The table. What is wrong with it is reported.
pub(super) fn discovery(fields: &mut Fields<'_, '_>, directory: &Path, taken: &Taken<'_>) -> DiscoveryConfig {
    let listen = fields.parsed("listen", address);
    if let Some(listen) = &listen {
        let others = [(taken.api, "[api] listen"), (taken.metrics, "[metrics] listen")];
        if let Some((_, setting)) = others.iter().find(|(other, _)| *other == Some(*listen.get_ref())) {
            let message = format!("{} is taken already, by `{setting}`", listen.get_ref());
            fields.report_with_help(listen.span(), message, "choose another port");
        }
    }
    let mut seen = BTreeMap::new();
    let files = fields.each("file", "discovery.file", |fields| file(fields, directory, taken, &mut seen));
    DiscoveryConfig {
        listen: listen.map(Spanned::into_inner),
        files: files.unwrap_or_default().into_iter().flatten().collect(),
    }
}

fn file(
    fields: &mut Fields<'_, '_>,
    directory: &Path,
    taken: &Taken<'_>,
    seen: &mut BTreeMap<PathBuf, Place>,
) -> Option<TargetFile> {
    fields.require(&[("path", "path = \"/var/lib/srvctl/targets/jenkins.json\"")]);
    let path = fields.parsed("path", |text| path(directory, text));
    let selection = selection(fields, taken.zones);
    let path = path?;
    let file = own_path(path.get_ref());
    if file == own_path(&taken.state_dir.join(STATE_FILE)) {
        let message = format!("`{}` is where the daemon keeps what was listed last", path.get_ref().display());
        fields.report_with_help(path.span(), message, "give it another path");
    } else if let Some(first) = seen.get(&file) {
        let message = format!("`{}` is written twice; first at {first}", path.get_ref().display());
        fields.report_with_help(path.span(), message, "keep one of the two, or give it another path");
    }
    seen.insert(file, fields.place());
    Some(TargetFile { path: path.into_inner(), selection: selection? })
}

/// One path for however the same file is named: links are followed as far as there is something, and the rest is read as it
/// is written.
fn own_path(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    match (path.parent(), path.components().next_back()) {
        (Some(parent), Some(Component::Normal(name))) => own_path(parent).join(name),
        (Some(parent), Some(Component::ParentDir)) => {
            own_path(parent).parent().map_or_else(PathBuf::new, Path::to_owned)
        }
        (Some(parent), Some(Component::CurDir)) => own_path(parent),
        _ => path.to_owned(),
    }
}

/// Prometheus reads no other than `.json`, `.yml` and `.yaml`, and a `*` would be part of the name.
fn path(directory: &Path, text: &str) -> Result<PathBuf, Refusal> {
    let is_json = Path::new(text).extension().is_some_and(|extension| extension == "json");
    if !is_json || text.contains('*') {
        let message = format!("`{text}` is not the name of one JSON file");
        return Err(Refusal::with_help(message, "end it in `.json`: Prometheus tells the format by that"));
    }
    Ok(directory.join(text))
}

fn selection(fields: &mut Fields<'_, '_>, zones: &[Name]) -> Option<Selection> {
    let services = each(fields, "services", |text| Wanted::new(text, zones));
    let named = each(fields, "zones", |text| rules::zone(text, zones));
    let protos = each(fields, "protos", rules::proto);
    let mut selection = Selection::default();
    let hosts = each(fields, "hosts", |text| selection.add_host(text, zones));
    let health = each(fields, "health", |text| selection.add_health(text));
    let published = fields.boolean("published");
    selection.reach =
        published.map(|published| if published { Reach::Published } else { Reach::Withdrawn }).into_iter().collect();
    let metadata = metadata(fields, &mut selection);
    if hosts.is_none() || health.is_none() || metadata.is_none() {
        return None;
    }
    selection.services = services?.into_iter().collect();
    selection.zones = named?;
    selection.protos = protos?.into_iter().collect();
    Some(selection)
}

/// A list of what is wanted, in which something has to stand; nothing when the key is not there, and none when something
/// is wrong.
fn each<T>(
    fields: &mut Fields<'_, '_>,
    key: &'static str,
    mut parse: impl FnMut(&str) -> Result<T, Refusal>,
) -> Option<Vec<T>> {
    let is_said = fields.has(key);
    let texts = match fields.string_or_strings(key) {
        None if !is_said => return Some(Vec::new()),
        texts => texts?,
    };
    if texts.get_ref().is_empty() {
        let help = "remove the line to write everything";
        fields.report_with_help(texts.span(), format!("`{key}` names nothing, and nothing would be written"), help);
    }
    let values = texts.get_ref().iter().map(|text| fields.parse(text, &mut parse).map(Spanned::into_inner));
    values.collect::<Vec<_>>().into_iter().collect()
}

fn metadata(fields: &mut Fields<'_, '_>, selection: &mut Selection) -> Option<()> {
    let (is_said, header) = (fields.has("metadata"), fields.header());
    let lists = match fields.lists("metadata") {
        None if !is_said => return Some(()),
        lists => lists?,
    };
    for (key, values) in lists {
        if values.is_empty() {
            let help = "remove it, or say which values are wanted";
            fields.report_with_help(header.clone(), format!("`metadata.{key}` names nothing"), help);
        }
        for value in values {
            if let Err(refusal) = selection.add_metadata(&key, &value) {
                fields.refuse(header.clone(), refusal);
                return None;
            }
        }
    }
    Some(())
}
