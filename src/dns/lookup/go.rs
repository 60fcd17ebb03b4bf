//! Carries out the lookup that vmagent and Thanos make with Go's resolver, and compares it with Prometheus'.

use tokio::time::Instant;

use super::{LookupReport, Options, Resolver, exchange};
use crate::model::RecordType;
use crate::protocol::lookup::{Consumer, GoConf, GoLookup, Profile, Step, Then, Verdict, Views};

pub(super) async fn lookup(
    resolver: &Resolver,
    name: &str,
    record_type: RecordType,
    options: &Options,
) -> LookupReport {
    let started = Instant::now();
    let mut conf = conf(resolver, options).await;
    conf.use_tcp |= options.force_tcp;
    // Where `rotate` begins is anybody's guess: it depends on how many names the process has looked up.
    let mut machine = GoLookup::new(conf, options.profile, rand::random_range(0..3), name, record_type);
    let verdict = go_on(&mut machine).await;
    LookupReport { verdict, attempts: machine.into_attempts(), took: started.elapsed() }
}

async fn go_on(machine: &mut GoLookup) -> Verdict {
    loop {
        match machine.next(rand::random()) {
            Step::Done(verdict) => return verdict,
            Step::Exchange(exchange) => {
                let began = Instant::now();
                let result = exchange::carry_out(&exchange).await;
                machine.finish(result, began.elapsed());
            }
        }
    }
}

/// A file that cannot be read is no error to Go.
async fn conf(resolver: &Resolver, options: &Options) -> GoConf {
    match resolver {
        Resolver::Servers(servers) => GoConf::of_servers(servers.clone()),
        Resolver::System => {
            let bytes = tokio::fs::read(&options.resolv_conf).await.ok();
            let text = bytes.as_deref().map(String::from_utf8_lossy);
            let hostname = nix::unistd::gethostname().unwrap_or_default();
            GoConf::parse(text.as_deref(), &hostname.to_string_lossy(), options.port, options.profile.release)
        }
    }
}

/// Looks an SRV name up as each consumer does, and says what becomes of their targets.
///
/// Two lookups are made, Prometheus' and vmagent's, at once; a third only if vmagent's was ended by what does not end
/// Thanos'. `options.consumer` does not matter, `options.profile` only by its release.
pub async fn views(resolver: &Resolver, name: &str, options: &Options) -> Views {
    let of = |consumer, profile: Profile| {
        let profile = profile.built_with(options.profile.release);
        let options = Options { consumer, profile, ..options.clone() };
        // On the heap: each holds buffers for datagrams.
        Box::pin(super::lookup(resolver, name, RecordType::SRV, options))
    };
    let (prometheus, vmagent) =
        tokio::join!(of(Consumer::Prometheus, Profile::PLAIN), of(Consumer::Go, Profile::VMAGENT));
    let differs =
        vmagent.attempts.last().is_some_and(|last| matches!(last.then, Then::StoppedStrictly | Then::OutOfTime));
    let thanos = if differs { Some(of(Consumer::Go, Profile::PLAIN).await) } else { None };
    let thanos = thanos.as_ref().unwrap_or(&vmagent);
    Views::of(&prometheus.verdict, &vmagent.verdict, &thanos.verdict)
}
