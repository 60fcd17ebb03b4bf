//! `srvctl maintain`.

use std::path::PathBuf;

use super::args::MaintainArgs;
use super::values::Seconds;
use super::{Failure, client, ended};
use crate::api::{ApiError, Ask, Client, Instances, Maintenances, ServiceView, Work, Works};
use crate::cli::exit::Exit;
use crate::cli::moment::Moment;
use crate::cli::output;
use crate::model::health::Maintained;

/// Says that somebody works on a host or a service, or does not any more.
pub(in crate::cli) async fn maintain(flag: Option<PathBuf>, args: &MaintainArgs) -> Exit {
    let asked = async {
        let mut client = client(flag, &args.remote)?;
        let path = ["v1", kind(&mut client, args).await?, args.what.as_str(), "maintenance"];
        let ask = match (args.time, &args.why) {
            (Some(Seconds(seconds)), Some(why)) => Ask::put(&path).json(&Work { seconds, why: why.clone() })?,
            _ => Ask::delete(&path),
        };
        let works: Works = client.ask(ask).await?;
        if args.format.json {
            output::json(&works);
        } else {
            show(&works);
        }
        Ok(Exit::Done)
    };
    ended(asked.await)
}

/// Whether a host or a service is meant: the segment of its path.
async fn kind(client: &mut Client, args: &MaintainArgs) -> Result<&'static str, Failure> {
    const HOSTS: &str = "hosts";
    const SERVICES: &str = "services";
    let what = args.what.as_str();
    if args.host {
        return Ok(HOSTS);
    }
    if args.service || what.starts_with('_') {
        return Ok(SERVICES);
    }
    let ask = Ask::get(&["v1", "instances"]).query("host", Some(what)).query("limit", Some(1));
    let Instances { instances, .. } = client.ask(ask).await?;
    let is_host = !instances.is_empty() || (args.end && is_maintained_host(client, what).await?);
    let is_service = match client.ask::<ServiceView>(Ask::get(&["v1", "services", what])).await {
        Ok(_) => true,
        // A host's name in full is no name of a service, and what is not to be seen may be there.
        Err(ApiError::Refused(problem)) if [403, 404, 422].contains(&problem.status) => false,
        Err(error) => return Err(error.into()),
    };
    match (is_host, is_service) {
        (true, false) => Ok(HOSTS),
        (false, true) => Ok(SERVICES),
        (true, true) => Err(format!("`{what}` is a host and a service: say which, with --host or --service").into()),
        (false, false) => {
            Err(format!("nobody offers a service `{what}`, nor anything on a host `{what}`: see `srvctl list`").into())
        }
    }
}

/// Whether a host that may be empty by now is worked on.
async fn is_maintained_host(client: &mut Client, what: &str) -> Result<bool, Failure> {
    let Maintenances { maintenance } = client.ask(Ask::get(&["v1", "maintenance"])).await?;
    let wanted = what.trim_end_matches('.').to_ascii_lowercase();
    let is_it = |of: &Maintained| match of {
        Maintained::Host(host) => {
            let host = host.without_final_dot().to_ascii_lowercase();
            host == wanted || host.strip_prefix(&wanted).is_some_and(|rest| rest.starts_with('.'))
        }
        Maintained::Service(_) => false,
    };
    Ok(maintenance.iter().any(|one| is_it(&one.of)))
}

fn show(works: &Works) {
    let of = &works.of;
    output::line(match (&works.maintenance, works.changed) {
        (Some(maintenance), _) => format!("{of} is in maintenance until {}", Moment::at(maintenance.until)),
        (None, true) => format!("the maintenance of {of} has ended"),
        (None, false) => format!("{of} is not in maintenance"),
    });
    if matches!(of, Maintained::Host(_)) && works.maintenance.is_some() {
        output::line(format_args!("  with what it offers of {}", works.services.join(", ")));
    }
}
