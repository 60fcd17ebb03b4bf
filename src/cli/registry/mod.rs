//! The commands that register, change and show instances: they ask a daemon, here or elsewhere, and decide nothing.

mod args;
mod change;
mod document;
mod health;
mod history;
mod list;
mod maintain;
mod run;
mod shown;
mod table;
mod values;

use std::path::PathBuf;

use super::exit::Exit;
use super::output;
use crate::api::{ApiError, Client, Credentials};
use crate::config;
use crate::model::Diagnostic;
use args::Which;

pub(super) use args::{
    DeregisterArgs, ExportArgs, ExportedArgs, HealthArgs, HistoryArgs, ListArgs, MaintainArgs, RegisterArgs, Remote,
    RenewArgs, RunArgs, SetArgs, ShowArgs,
};
pub(super) use change::{deregister, register, renew, set};
pub(super) use document::{export, import};
pub(super) use health::health;
pub(super) use history::history;
pub(super) use list::{list, show};
pub(super) use maintain::maintain;
pub(super) use run::run;

/// Why a command ends before its time.
pub(super) enum Failure {
    Asked(ApiError),
    Said(String),
    File(Box<Diagnostic>),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Asked(error)
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Said(text)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Said(error.to_string())
    }
}

/// Shows what went wrong, if anything did.
fn ended(result: Result<Exit, Failure>) -> Exit {
    match result {
        Ok(exit) => return exit,
        Err(Failure::Asked(error)) => output::error(error),
        Err(Failure::Said(text)) => output::error(text),
        Err(Failure::File(diagnostic)) => output::diagnostics(&[*diagnostic]),
    }
    Exit::Failed
}

/// Whom the arguments say to ask. Connects to nobody yet.
fn client(flag: Option<PathBuf>, remote: &Remote) -> Result<Client, Failure> {
    // What is exported empty is not set.
    let given = |path: &Option<PathBuf>| path.clone().filter(|path| !path.as_os_str().is_empty());
    let client = match remote.server.as_deref().filter(|server| !server.is_empty()) {
        Some(server) => {
            let certificate = remote.cert_file.clone().zip(remote.key_file.clone());
            Client::remote(server, &Credentials { ca_file: given(&remote.ca_file), certificate })?
        }
        None => Client::local(config::socket_for(flag).map_err(|error| Failure::File(Box::new(error)))?),
    };
    let Some(file) = given(&remote.token_file) else { return Ok(client) };
    let shown = file.display();
    let text =
        std::fs::read_to_string(&file).map_err(|error| format!("the token file {shown} cannot be read: {error}"))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(format!("the token file {shown} is empty").into());
    }
    Ok(client.with_token(token).map_err(|why| format!("{shown}: {why}"))?)
}

/// The id of an instance that is named by itself, or by its host and port.
fn id(Which { id, host, port }: &Which) -> Result<String, Failure> {
    match (id, host, port) {
        (Some(id), ..) => Ok(id.clone()),
        (None, Some(host), Some(port)) => Ok(format!("{host}:{port}")),
        _ => Err("say which instance: --host and --port, or --id".to_owned().into()),
    }
}
