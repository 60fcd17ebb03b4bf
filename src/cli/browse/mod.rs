//! `srvctl browse`: finds services as a DNS-SD client does (RFC 6763), and says what is broken on the way.
//!
//! [`look`] makes the look-ups, [`report`] shows what came of them.

mod look;
mod report;

use std::path::PathBuf;

use self::look::{Browser, Wanted};
use super::args::BrowseArgs;
use super::exit::Exit;
use super::output;
use crate::config;
use crate::dns::Resolver;
use crate::model::{Name, Server};
use crate::protocol::lookup::{RESOLV_CONF, ResolvConf};

pub(super) async fn run(flag: Option<PathBuf>, args: &BrowseArgs) -> Exit {
    let (resolver, wanted) = match read(args) {
        Ok(read) => read,
        Err(error) => {
            output::error(error);
            return Exit::Usage;
        }
    };
    let domains = match start(flag, args).await {
        Ok(domains) => domains,
        Err(error) => {
            output::error(error);
            return Exit::Failed;
        }
    };
    let mut browser = Browser::new(resolver);
    browser.browse(&domains, &wanted).await;
    if args.format.json {
        output::json(&browser.report);
    } else {
        browser.report.show();
    }
    browser.report.exit()
}

/// Whom to ask and for what.
fn read(args: &BrowseArgs) -> Result<(Resolver, Wanted), String> {
    let (mut resolver, mut wanted) = (Resolver::System, Wanted::Types);
    for word in &args.arguments {
        if let Some(server) = word.strip_prefix('@') {
            let server: Server = server.parse().map_err(|error| format!("@{server}: {error}"))?;
            match &mut resolver {
                Resolver::Servers(servers) => servers.push(server),
                Resolver::System => resolver = Resolver::Servers(vec![server]),
            }
        } else if matches!(wanted, Wanted::Types) {
            wanted = Wanted::Instances(service(word)?);
        } else {
            return Err(format!("`{word}` is one word too many: one service, and servers as @SERVER"));
        }
    }
    Ok((resolver, wanted))
}

/// `jenkins`, `_jenkins._tcp` or `_ci._sub._jenkins._tcp`.
fn service(word: &str) -> Result<String, String> {
    let wrong = || format!("`{word}` is no service: write `jenkins`, `_jenkins._tcp` or `_ci._sub._jenkins._tcp`");
    if word.is_empty() || word.ends_with('.') {
        return Err(wrong() + ", and the domain with --domain");
    }
    if !word.starts_with('_') {
        return if word.contains('.') { Err(wrong()) } else { Ok(format!("_{word}._tcp")) };
    }
    let name: Name = word.parse().map_err(|error| format!("`{word}` {error}"))?;
    let has_proto =
        name.labels().last().is_some_and(|label| [&b"_tcp"[..], b"_udp"].contains(&&*label.to_ascii_lowercase()));
    if has_proto && name.labels().count() >= 2 { Ok(word.to_owned()) } else { Err(wrong()) }
}

/// Where to begin: the domains given, else the zones of the configuration, else the search list of this machine.
async fn start(flag: Option<PathBuf>, args: &BrowseArgs) -> Result<Vec<Name>, String> {
    if !args.domains.is_empty() {
        return Ok(args.domains.clone());
    }
    let path = config::locate(flag);
    if path.exists() {
        return config::load(&path).map(|config| config.zone_names()).map_err(|errors| {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            errors.join("\n")
        });
    }
    let text = tokio::fs::read_to_string(RESOLV_CONF).await.unwrap_or_default();
    let search: Vec<Name> = ResolvConf::parse(&text).search.iter().filter_map(|domain| domain.parse().ok()).collect();
    if search.is_empty() {
        return Err(format!(
            "where to browse is not known: there is no {}, and {RESOLV_CONF} has no search domain; say --domain DOMAIN",
            path.display()
        ));
    }
    Ok(search)
}
