//! How a service of an import fits beside what is there: the file that it is to be in, and all other service files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use super::site::Site;
use crate::model::{Diagnostic, Instance, Name, Service, ServiceKey};
use crate::sources::{self, FileRead};

/// Why something cannot be, and what to do.
pub(super) type Unfit = (String, Option<String>);

/// A file that is there.
pub(super) struct There {
    pub(super) text: String,
    /// The service that it has, of which the imported one is the next state.
    pub(super) service: Option<Service>,
}

/// The file at the place of a service, where there is one.
///
/// # Errors
/// When nobody knows what is in it, or when something else would go with it.
pub(super) fn there(site: &Site, key: &ServiceKey, path: &Path) -> Result<Option<There>, Unfit> {
    let elsewhere = "or write into another directory with --out";
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            let help = format!("move it away, {elsewhere}");
            return Err((format!("{} is there and cannot be read: {error}", path.display()), Some(help)));
        }
    };
    let services = sources::parse(&path.to_string_lossy().into(), &text.as_str().into(), &site.zones);
    let services = services.map_err(|problems| {
        let why = problems.first().map(ToString::to_string).unwrap_or_default();
        let help = format!("mend it (`srvctl check` shows what is wrong), move it away, {elsewhere}");
        (format!("the file that is there is broken, and nobody knows what would be lost: {why}"), Some(help))
    })?;
    if let Some(other) = services.iter().find(|other| other.key != *key) {
        let why = format!("{} has {} in it too, which would be lost", path.display(), other.key);
        return Err((why, Some(format!("move that into a file of its own, {elsewhere}"))));
    }
    if services.len() > 1 {
        return Err((format!("{} has {key} in it more than once", path.display()), Some("keep one".to_owned())));
    }
    Ok(Some(There { text, service: services.into_iter().next() }))
}

/// The service files that stay as they are, and what was accepted so far: as much of it as can contradict.
pub(super) struct Others {
    /// Without their instances.
    services: BTreeMap<ServiceKey, Arc<Service>>,
    /// The first instance that gives addresses to a host.
    hosts: BTreeMap<Name, Instance>,
}

impl Others {
    /// All files of the configuration but those that are to be written.
    pub(super) fn of(site: &Site, replaced: &[Option<PathBuf>]) -> Self {
        let replaced: BTreeSet<_> = replaced.iter().flatten().filter_map(|path| path.canonicalize().ok()).collect();
        let stays = |path: &Path| path.canonicalize().is_ok_and(|path| !replaced.contains(&path));
        let known: Vec<_> = site.known.files.iter().filter(|(path, _)| stays(path)).map(|(_, file)| file).collect();
        let mut others = Self { services: BTreeMap::new(), hosts: BTreeMap::new() };
        // What is wrong already is for `srvctl check` to say.
        for service in sources::catalogue(known).iter().flat_map(BTreeMap::values) {
            others.add(service);
        }
        others
    }

    /// Leaves out the addresses of hosts that have others already, and says which.
    pub(super) fn settle(&self, service: &mut Service) -> Vec<(Instance, Unfit)> {
        let mut own: BTreeMap<Name, Instance> = BTreeMap::new();
        let mut left_out = Vec::new();
        for instance in service.instances.iter_mut().filter(|instance| !instance.addresses.is_empty()) {
            let first = self.hosts.get(&instance.host).or_else(|| own.get(&instance.host));
            let both = first.map(|first| Service {
                instances: vec![first.clone(), instance.clone()],
                ..Service::new(service.key.clone(), service.place.clone())
            });
            match both.map_or(Ok(()), |both| together([Arc::new(both)])) {
                Err(unfit) => {
                    left_out.push((instance.clone(), unfit));
                    instance.addresses.clear();
                }
                Ok(()) => {
                    own.entry(instance.host.clone()).or_insert_with(|| instance.clone());
                }
            }
        }
        left_out
    }

    /// Takes a service that contradicts none of them, and whose addresses are settled.
    pub(super) fn accept(&mut self, service: &Service) -> Result<(), Unfit> {
        if let Some(first) = self.services.get(&service.key) {
            together([Arc::clone(first), bare(service)])?;
        }
        self.add(service);
        Ok(())
    }

    fn add(&mut self, service: &Service) {
        self.services.insert(service.key.clone(), bare(service));
        for instance in service.instances.iter().filter(|instance| !instance.addresses.is_empty()) {
            self.hosts.entry(instance.host.clone()).or_insert_with(|| instance.clone());
        }
    }
}

fn bare(service: &Service) -> Arc<Service> {
    Arc::new(Service::new(service.key.clone(), service.place.clone()))
}

/// Whether the same catalogue can have them.
fn together<const N: usize>(services: [Arc<Service>; N]) -> Result<(), Unfit> {
    let first = |problems: Vec<Diagnostic>| problems.into_iter().next();
    let result = sources::catalogue([&FileRead::of(services.into())]);
    result.map(drop).map_err(|problems| first(problems).map_or_else(Unfit::default, |one| (one.message, one.help)))
}
