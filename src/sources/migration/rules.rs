//! The rules by which an Ansible inventory is mapped: `[[rule]]` tables in TOML.

use std::num::NonZeroU16;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;

use crate::model::Diagnostic;
use crate::model::rules;
use crate::reconcile::migration::Source;
use crate::reconcile::migration::inventory::{Port, Rule, metadata_word};
use crate::sources::toml_fields::{self, Fields};

/// Reads a file.
///
/// # Errors
/// When it cannot be read, and everything that is wrong in it.
pub fn read(path: &Path) -> Result<Vec<Rule>, Vec<Diagnostic>> {
    let text = super::text(path).map_err(|problem| vec![problem])?;
    parse(&path.to_string_lossy(), &text)
}

/// Takes a text for one.
///
/// # Errors
/// Everything that is wrong in it.
pub fn parse(file: &str, text: &str) -> Result<Vec<Rule>, Vec<Diagnostic>> {
    toml_fields::read(&file.into(), &Arc::from(text), |root| {
        root.require(&[("rule", "[[rule]]")]);
        root.each("rule", "rule", rule)?.into_iter().collect()
    })
}

fn rule(fields: &mut Fields<'_, '_>) -> Option<Rule> {
    fields.require(&[("group", "group = \"jenkins_masters\""), ("service", "service = \"jenkins\"")]);
    let place = fields.place();
    let group = fields.string("group").map(Spanned::into_inner);
    let service = fields.parsed("service", rules::service_name).map(Spanned::into_inner);
    let (has_port, has_variable) = (fields.has("port"), fields.has("port_variable"));
    let port = fields.integer("port", 1..=u32::from(u16::MAX));
    let port = port.and_then(|port| NonZeroU16::new(u16::try_from(port).ok()?)).map(Port::Number);
    let variable = fields.string("port_variable").map(|name| Port::Variable(name.into_inner()));
    if has_port == has_variable {
        fields.report_missing("a rule has either `port` or `port_variable`", "add `port = 8080`");
    }
    let host_variable = fields.string("host_variable").map(Spanned::into_inner);
    let address_variable = fields.string("address_variable").map(Spanned::into_inner);
    let words = fields.strings("metadata").map(Spanned::into_inner).unwrap_or_default();
    let metadata = words.iter().map(|word| metadata_word(word.get_ref())).collect();
    let source = Source::line(&place.file, place.line);
    Some(Rule {
        group: group?,
        service: service?,
        port: port.or(variable)?,
        host_variable,
        address_variable,
        metadata,
        source,
    })
}
