//! A daemon that listens for other machines, and who may ask it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use data_encoding::HEXLOWER;
use serde_json::Value;

use super::certificates::{Authority, Certificate};
use super::daemon::Daemon;
use super::example::JENKINS;
use super::harness::free_address;
use super::http::Client;
use super::named::Named;
use super::srvctl::{Settings, Workspace};

/// Tokens are their principals' names with this before it.
pub(crate) const TOKEN: &str = "token-of-";

/// A principal with their token.
pub(crate) fn principal(name: &str, lines: &str) -> String {
    let hash = HEXLOWER.encode(&srvctl::api::hash(&format!("{TOKEN}{name}")));
    format!("[[principal]]\nname = \"{name}\"\ntoken_sha256 = [\"{hash}\"]\n{lines}\n")
}

/// What a principal may do.
pub(crate) fn grant(services: &str, lines: &str) -> String {
    format!("[[principal.grant]]\nservices = [\"{services}\"]\n{lines}\n")
}

/// A daemon that listens, and those who signed its certificate and its clients'.
pub(crate) struct Site {
    pub(crate) named: Named,
    pub(crate) workspace: Workspace,
    /// Who signed its certificate.
    pub(crate) servers: Authority,
    /// Who signs its clients'.
    pub(crate) clients: Authority,
    pub(crate) address: SocketAddr,
}

impl Site {
    /// Not yet started, with these principals.
    pub(crate) fn new(principals: &str) -> Self {
        let (named, address) = (Named::start(), free_address());
        let workspace = Workspace::with(&settings(&named, address, principals));
        workspace.write_service("jenkins.toml", JENKINS);
        let site = Self { named, workspace, servers: Authority::new(), clients: Authority::new(), address };
        site.write_certificate();
        site.workspace.write_file("clients.pem", &site.clients.pem());
        site
    }

    pub(crate) fn started(principals: &str) -> (Self, Daemon) {
        let site = Self::new(principals);
        let mut daemon = site.workspace.daemon();
        daemon.wait_in_sync();
        (site, daemon)
    }

    pub(crate) fn write_certificate(&self) {
        let Certificate { certificate, key } = self.servers.certify(&["127.0.0.1"]);
        self.workspace.write_file("server.pem", &certificate);
        self.workspace.write_file("server.key", &key);
        let path = self.workspace.path().join("server.key");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// How a command, or a task, asks it: its address, and the files with its authority and with somebody's token.
    pub(crate) fn asked_by(&self, name: &str) -> [String; 3] {
        self.workspace.write_file("ca.pem", &self.servers.pem());
        self.workspace.write_file(&format!("{name}.token"), &format!("{TOKEN}{name}\n"));
        let file = |file: &str| self.workspace.path().join(file).display().to_string();
        [format!("https://{}", self.address), file("ca.pem"), file(&format!("{name}.token"))]
    }

    pub(crate) fn anybody(&self) -> Client {
        Client::new(self.address, &self.servers, None)
    }

    pub(crate) fn client(&self, name: &str) -> Client {
        self.anybody().bearer(&format!("{TOKEN}{name}"))
    }

    pub(crate) fn with_certificate(&self, certificate: &Certificate) -> Client {
        Client::new(self.address, &self.servers, Some(certificate))
    }

    pub(crate) fn configure(&mut self, principals: &str) {
        self.workspace.configure(&settings(&self.named, self.address, principals));
    }

    pub(crate) fn catalogue(&self) -> Value {
        self.client("admin").get("/v1/catalogue").json()
    }
}

pub(crate) fn settings(named: &Named, address: SocketAddr, principals: &str) -> Settings {
    let files = "tls_cert_file = \"server.pem\"\ntls_key_file = \"server.key\"\nclient_ca_file = \"clients.pem\"\n";
    let api = format!("listen = \"{address}\"\n{files}");
    Settings { api, more: principals.to_owned(), ..Settings::for_server(named) }
}
