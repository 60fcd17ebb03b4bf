//! The files that say how names are looked up on the host where Prometheus runs.

use std::path::{Path, PathBuf};

use super::Options;
use crate::config::{VerifyThrough, ZoneConfig};
use crate::model::{DNS_PORT, Finding, Name, Server, Severity};
use crate::protocol::lookup::{RESOLV_CONF, ResolvConf};
use crate::reconcile::doctor::{Host, ResolvConfFile, local_domain, resolv_conf};

const NSSWITCH: &str = "/etc/nsswitch.conf";

/// What is in them.
pub(super) struct Files {
    path: PathBuf,
    resolv_conf: Result<String, String>,
    nsswitch: Option<String>,
    /// Whether anybody said that names are looked up through this resolv.conf.
    is_used: bool,
}

impl Files {
    pub(super) fn read(zones: &[&ZoneConfig], options: &Options) -> Self {
        let path = options.resolv_conf.clone().unwrap_or_else(|| PathBuf::from(RESOLV_CONF));
        let read = |path: &Path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        // Of another host there is no more than the one file.
        let is_other_host = options.resolv_conf.is_some();
        let nsswitch = if is_other_host { None } else { read(Path::new(NSSWITCH)).ok() };
        let is_used = is_other_host || zones.iter().any(|zone| zone.verify.contains(&VerifyThrough::System));
        Self { resolv_conf: read(&path).map_err(|error| error.to_string()), path, nsswitch, is_used }
    }

    /// What is in the way of looking anything up.
    pub(super) fn findings(&self, zones: &[&ZoneConfig]) -> Vec<Finding> {
        let path = self.path.display().to_string();
        let names: Vec<Name> = zones.iter().map(|zone| zone.name.clone()).collect();
        match &self.resolv_conf {
            _ if !self.is_used => Vec::new(),
            Ok(text) => resolv_conf(ResolvConfFile { path: &path, text }, &names),
            Err(why) => {
                let problem = "cannot be read: every look-up of Prometheus fails";
                let finding = Finding::new("resolv-nameserver", Severity::Error, &path, problem);
                vec![finding.seen(why).remedy(format!("make {path} readable for everybody, with a `nameserver` line"))]
            }
        }
    }

    pub(super) fn local_domain(&self, zone: &Name) -> Option<Finding> {
        let path = self.path.display().to_string();
        let resolv_conf = self.resolv_conf.as_ref().ok().map(|text| ResolvConfFile { path: &path, text });
        let nsswitch = self.nsswitch.as_ref().map(|text| ResolvConfFile { path: NSSWITCH, text });
        local_domain(zone, Host { resolv_conf, nsswitch })
    }

    /// Everybody through whom the zone is looked up, one by one, as people call them.
    pub(super) fn resolvers(&self, zone: &ZoneConfig) -> Vec<Server> {
        let mut servers = Vec::new();
        for through in &zone.verify {
            match through {
                VerifyThrough::Server(server) => servers.push(server.clone()),
                VerifyThrough::Secondaries => {} // they are examined in any case, as followers of the primary
                VerifyThrough::System => {
                    let conf = ResolvConf::parse(self.resolv_conf.as_deref().unwrap_or_default());
                    servers.extend(conf.servers.into_iter().map(|host| Server::new(host, DNS_PORT)));
                }
            }
        }
        let mut seen = Vec::new();
        servers.retain(|server| {
            let is_new = !seen.contains(server);
            seen.push(server.clone());
            is_new
        });
        servers
    }
}
