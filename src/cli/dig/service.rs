//! A word that is a service of the configuration, and what it stands for.

use std::path::PathBuf;

use super::question::Question;
use crate::cli::load::{self, Loaded};
use crate::cli::output;
use crate::config;
use crate::daemon::names;
use crate::daemon::through::verifiers;
use crate::dns::Resolver;
use crate::model::{Diagnostic, Name, RecordType, Service};

/// What a word stands for.
pub(super) struct Expanded {
    /// As it was given.
    pub(super) word: String,
    /// The configuration that knows the service.
    pub(super) config: PathBuf,
    /// Every name, of every service that is called so.
    pub(super) names: Vec<Name>,
    /// Every name with whom to ask for it.
    pub(super) lookups: Vec<(Name, Resolver)>,
}

/// The names of a service, when the question is about one: `jenkins`, or `_jenkins._tcp`. Only SRV, TXT and ANY are to
/// be found there; whoever asks for another type means a host.
///
/// What cannot be read only means that nothing is known of services. That is said, unless nobody would expect it:
/// without a configuration there is nothing to say.
pub(super) async fn expand(flag: Option<PathBuf>, question: &Question) -> Option<Expanded> {
    let of_services = [RecordType::SRV, RecordType::TXT, RecordType::ANY];
    if !question.may_be_service || !of_services.contains(&question.record_type) || !may_be_one(&question.name) {
        return None;
    }
    let usual_place = flag.is_none() && std::env::var_os("SRVCTL_CONFIG").is_none();
    let path = config::locate(flag);
    if usual_place && !path.exists() {
        return None;
    }
    let loaded = known(path, &question.name)?;
    let services: Vec<&Service> =
        loaded.catalogue().values().map(AsRef::as_ref).filter(|service| is(service, &question.name)).collect();
    let mut expanded = Expanded {
        word: question.name.clone(),
        config: loaded.config.path.clone(),
        names: Vec::new(),
        lookups: Vec::new(),
    };
    let lists = names::list(&loaded.config, &loaded.desired, &services).await;
    for (service, list) in services.into_iter().zip(lists) {
        let names = list.unwrap_or_else(|error| {
            let known = service.key.owner_name().into_iter().collect();
            output::warning(format_args!(
                "how many shards {} has is not known, only its first is looked up: {error}",
                service.key
            ));
            known
        });
        let whom = whom(&loaded, question, service).await;
        expanded
            .lookups
            .extend(whom.iter().flat_map(|resolver| names.iter().map(|name| (name.clone(), resolver.clone()))));
        expanded.names.extend(names);
    }
    (!expanded.lookups.is_empty()).then_some(expanded)
}

/// One label, or a service with its protocol; a final dot says that it is a name.
fn may_be_one(word: &str) -> bool {
    match word.split_once('.') {
        None => !word.is_empty(),
        Some((service, proto)) => service.starts_with('_') && proto.starts_with('_') && !proto.contains('.'),
    }
}

fn is(service: &Service, word: &str) -> bool {
    let key = &service.key;
    key.name.eq_ignore_ascii_case(word) || format!("_{}._{}", key.name, key.proto).eq_ignore_ascii_case(word)
}

/// Everything that can be read: without what is registered, at least what the files say.
fn known(path: PathBuf, word: &str) -> Option<Loaded> {
    load::all(Some(path.clone())).map_or_else(
        |errors| {
            tell(word, &errors);
            load::files(Some(path)).ok()
        },
        Some,
    )
}

fn tell(word: &str, errors: &[Diagnostic]) {
    let first = errors.first().map_or_else(String::new, |first| format!(": {}: {}", first.file, first.message));
    output::warning(format_args!("whether `{word}` is a service cannot be told for certain{first}"));
}

/// The server that the question names, or each that the service's zone is verified through.
async fn whom(loaded: &Loaded, question: &Question, service: &Service) -> Vec<Resolver> {
    if let Some(server) = &question.server {
        return vec![Resolver::Servers(vec![server.clone()])];
    }
    match loaded.config.zones.iter().find(|zone| zone.name == service.key.zone) {
        Some(zone) => verifiers(zone).await.asked.iter().map(|through| through.resolver()).collect(),
        None => Vec::new(),
    }
}
