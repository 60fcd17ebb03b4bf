//! Jobs beside what DNS would give: paired, carried out, compared.

use proptest::prelude::*;

use crate::model::health::HealthPolicy;
use crate::model::prometheus::Configuration;
use crate::model::{Instance, Name, Place, Rdata, RecordType, Server, Service, ServiceKey, Srv};
use crate::protocol::lookup::{Answer, Consumer, Emptiness, Reply, Transport, Unknown, Via};
use crate::protocol::wire::{CLASS_IN, Header, Message, RawRecord};
use crate::reconcile::render;
use crate::sources;

use super::*;

const SERVER: &str = "192.0.2.53:53";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn place() -> Place {
    Place { file: "services.d/a.toml".into(), line: 1, column: 1 }
}

/// A service with these instances, `host:port`.
fn service(service: &str, metadata: &[(&str, &str)], instances: &[&str]) -> Service {
    let key = ServiceKey { name: service.to_owned(), proto: "tcp".to_owned(), zone: name("internal.local") };
    let instance = |text: &&str| {
        let (host, port) = text.rsplit_once(':').unwrap();
        let host = name(&format!("{host}.internal.local"));
        let mut instance = Instance::new(host, port.parse().unwrap(), place());
        instance.addresses = [[10, 0, 0, 7].into()].into_iter().take(usize::from(text.starts_with("seven"))).collect();
        instance
    };
    let metadata = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let instances = instances.iter().map(instance).collect();
    Service { metadata, instances, health: HealthPolicy::default(), ..Service::new(key, place()) }
}

fn catalogue(services: Vec<Service>) -> Catalogue {
    services.into_iter().map(|service| (service.key.clone(), service.into())).collect()
}

fn records(question: &Question, targets: &[&str]) -> Verdict {
    if targets == ["?"] {
        return Verdict::Unknown { reason: Unknown::NoServers, reply: None };
    }
    let srv = |target: &&str| {
        let (host, port) = target.rsplit_once(':').unwrap();
        Rdata::srv(&Srv { priority: 0, weight: 0, port: port.parse().unwrap(), target: name(host) })
    };
    let record = |target| RawRecord { name: name(&question.0), class: CLASS_IN, ttl: 5, rdata: srv(target) };
    let message = Message {
        header: Header { id: 1, flags: 0x8000, counts: [0; 4] },
        questions: vec![],
        answers: targets.iter().map(record).collect(),
        authorities: vec![],
        additionals: vec![],
    };
    let via = Via { server: Server::new("192.0.2.53", 53), transport: Transport::Udp, edns: true };
    let reply = Reply { message, size: 100, via, candidate: question.0.clone() };
    match targets {
        [] => Verdict::Empty { why: Emptiness::NoData, reply: Some(reply) },
        _ => Verdict::Records(Answer { name: question.0.clone(), reply, consumer: Consumer::Prometheus }),
    }
}

/// What is in DNS: a name without its final dot, and its targets.
type Dns<'d> = [(&'d str, &'d [&'d str])];

fn rendered(service: &Service, own: Name) -> Job {
    let request = render::Request::plain(render::Consumer::Prometheus, render::Via::Dns);
    let scraped = render::Scraped { service, names: vec![own], ttl: 300 };
    let text = render::render(&[scraped], &request).text;
    sources::prometheus::parse("rendered", &text).unwrap().jobs.remove(0)
}

/// Compares everything in a configuration, as the daemon does.
fn compared(text: &str, catalogue: &Catalogue, map: &Map, dns: &Dns<'_>) -> Vec<JobParity> {
    compared_when(text, (catalogue, map), dns, false)
}

/// The first of its jobs, asked for by its name.
fn one_wanted(text: &str, dns: &Dns<'_>) -> JobParity {
    compared_when(text, (&Catalogue::new(), &Map::new()), dns, true).remove(0)
}

fn compared_when(text: &str, (catalogue, map): (&Catalogue, &Map), dns: &Dns<'_>, wanted: bool) -> Vec<JobParity> {
    let configuration: Configuration = sources::prometheus::parse("prometheus.yml", text).unwrap();
    let defaults = (configuration.interval, configuration.timeout);
    let today = |job| Today { wanted, ..Today::of_job(job, defaults) };
    let todays: Vec<_> = configuration.jobs.iter().map(today).collect();
    let jobs = configuration.jobs.iter().filter(|job| !job.dns_sd.is_empty());
    let mut sides: Vec<_> = jobs.cloned().map(Side::of_job).collect();
    for key in services_in_question(&todays, &sides, catalogue, map) {
        let own = key.owner_name().unwrap();
        sides.push(Side::of_service(&catalogue[&key], Ok(rendered(&catalogue[&key], own))));
    }
    let mut answers = BTreeMap::new();
    for side in &mut sides {
        side.servers = vec![SERVER.to_owned()];
        for (question, _) in side.questions() {
            let known = dns.iter().find(|(name, _)| *name == question.0.trim_end_matches('.'));
            let verdict = records(&question, known.map_or(&[][..], |(_, targets)| targets));
            answers.insert(question, verdict);
        }
    }
    let found = [(SERVER.to_owned(), answers)].into();
    compare(&todays, &sides, World { catalogue, map, found: &found, defaults })
}

const WEB: &str = "_web._tcp.internal.local";

fn one(text: &str, catalogue: &Catalogue, dns: &Dns<'_>) -> JobParity {
    let mut all = compared(text, catalogue, &Map::new(), dns);
    assert!(!all.is_empty());
    all.remove(0)
}

fn job(name: &str, targets: &str) -> String {
    format!("  - job_name: {name}\n    static_configs: [{{ targets: [{targets}] }}]\n")
}

#[test]
fn a_job_finds_what_it_corresponds_to_and_says_why() {
    let mut named = service("other", &[], &["vm1:80"]);
    named.scrape = Some(crate::model::Scrape { job_name: Some("custom".to_owned()), ..Default::default() }.into());
    let ours = catalogue(vec![service("web", &[], &["vm1:1"]), service("node-exporter", &[], &["vm1:9100"]), named]);
    let own = "scrape_configs:\n";
    let dns: &Dns<'_> = &[("_db._tcp.example", &["a.internal.local:5", "b.internal.local:5"])];
    let sd = "  - job_name: by-dns\n    dns_sd_configs: [{ names: [_db._tcp.example] }]\n";
    let of = |text: &str| {
        let parity = one(text, &ours, dns);
        let counterpart =
            parity.counterpart.map(|found| (found.services.join(" ") + &found.jobs.join(" "), found.reason));
        (parity.outcome, counterpart.unwrap_or_default())
    };
    for (jobs, service, reason) in [
        (job("web", "x:1"), "_web._tcp.internal.local.", "the service is called like the job"),
        (job("Node_Exporter", "x:1"), "_node-exporter._tcp.internal.local.", "the service is called like the job"),
        (job("custom", "x:1"), "_other._tcp.internal.local.", "the service's `job_name` is that of the job"),
        (job("any", "'a.internal.local:5'") + sd, "by-dns", "its names give its only target"),
        (job("any", "'a.internal.local:5', 'c:1'") + sd, "by-dns", "its names give 1 of its 2 targets"),
        (
            job("any", "'vm1.internal.local:9100'"),
            "_node-exporter._tcp.internal.local.",
            "the service offers its only target",
        ),
        (
            job("web", "x:1") + "    dns_sd_configs: [{ names: [_db._tcp.example] }]\n",
            "web",
            "the job has `dns_sd_configs` itself",
        ),
    ] {
        let (outcome, counterpart) = of(&format!("{own}{jobs}"));
        assert_eq!(counterpart, (service.to_owned(), reason.to_owned()), "{jobs}");
        assert_eq!(outcome, Outcome::Different, "{jobs}");
    }
    assert_eq!(of(&format!("{own}{}", job("any", "x:1"))), (Outcome::Unpaired, Default::default()));
    assert_eq!(of(&format!("{own}{sd}")).0, Outcome::FromDns);
    assert_eq!(
        of(&format!("{own}  - job_name: k\n    kubernetes_sd_configs: [{{ role: pod }}]\n")).0,
        Outcome::NotCompared
    );
    // A service is compared with the job of Prometheus that looks it up, whatever that finds.
    let sd = format!("  - job_name: web-dns\n    dns_sd_configs: [{{ names: [{WEB}] }}]\n");
    let (_, counterpart) = of(&format!("{own}{}{sd}", job("web", "x:1")));
    assert_eq!(counterpart.0, "_web._tcp.internal.local.web-dns");
    let map = [("any".to_owned(), vec![ours.keys().next().unwrap().clone()])].into();
    let mapped = compared(&format!("{own}{}", job("any", "x:1")), &ours, &map, &[]).remove(0);
    assert_eq!(mapped.counterpart.unwrap().reason, "so says --map");
}

#[test]
fn targets_are_missing_extra_or_spelt_differently() {
    let ours = catalogue(vec![service("web", &[], &["seven:80"])]);
    let text = "scrape_configs:\n".to_owned()
        + &job(
            "web",
            "'A.internal.local:80', 'b.internal.local.:80', 'short:80', 'gone:80', '10.0.0.7:80', 'same.internal.local:80', 'twin:80'",
        );
    let found = [
        "a.internal.local:80",
        "b.internal.local:80",
        "short.internal.local:80",
        "more.internal.local:80",
        "seven.internal.local:80",
        "same.internal.local:80",
        "twin.a.local:80",
        "twin.b.local:80",
    ];
    let parity = one(&text, &ours, &[(WEB, &found)]);
    let view = &parity.views[0];
    assert_eq!((parity.outcome, view.targets, parity.targets), (Outcome::Different, 8, 7));
    assert_eq!(view.missing, ["gone:80", "twin:80"], "which of two hosts is meant nobody knows");
    assert_eq!(view.extra, ["more.internal.local:80", "twin.a.local:80", "twin.b.local:80"]);
    let spelled: Vec<_> =
        view.spelled.iter().map(|found| (found.today.as_str(), found.dns.as_str(), found.in_what)).collect();
    let expected = [
        ("10.0.0.7:80", "seven.internal.local:80", Form::Address),
        ("A.internal.local:80", "a.internal.local:80", Form::Letters),
        ("b.internal.local.:80", "b.internal.local:80", Form::Letters),
        ("short:80", "short.internal.local:80", Form::ShortName),
    ];
    assert_eq!(spelled, expected);
    assert_eq!(parity.labels, [], "that `instance` is another follows");
    let match_ = one(
        &("scrape_configs:\n".to_owned() + &job("web", "'a.internal.local:80'")),
        &ours,
        &[(WEB, &["a.internal.local:80"])],
    );
    assert_eq!((match_.outcome, match_.notes), (Outcome::Match, vec![]));
}

#[test]
fn labels_are_compared_as_series_get_them() {
    let text = "\
scrape_configs:
  - job_name: web
    static_configs:
      - targets: ['a.internal.local:80']
        labels: { team: devops, product: shop, rack: r1, empty: '' }
      - targets: ['b.internal.local:80']
        labels: { team: devops, product: shop, instance: bee }
";
    let dns: &Dns<'_> = &[(WEB, &["a.internal.local:80", "b.internal.local:80"])];
    let mut web = service("web", &[("team", "devops"), ("product", "site"), ("tier", "$1")], &["a:80", "b:80"]);
    let told = |parity: &JobParity| {
        let told = |found: &LabelDifference| {
            format!("{} {} {:?} {}", found.label, found.today, found.dns, found.targets.join(" "))
        };
        parity.labels.iter().map(told).collect::<Vec<_>>()
    };
    let parity = one(text, &catalogue(vec![web.clone()]), dns);
    let expected = [
        "instance bee Some(\"b.internal.local:80\") b.internal.local:80",
        "product shop Some(\"site\") a.internal.local:80 b.internal.local:80",
        "rack r1 None a.internal.local:80",
    ];
    assert_eq!(told(&parity), expected);
    assert_eq!(parity.notes, ["its targets get the label tier=\"$1\" in addition"]);
    assert_eq!((parity.outcome, parity.views[0].outcome), (Outcome::Different, Outcome::Match));

    web.instances[0].metadata =
        [("rack".to_owned(), "r1".to_owned()), ("product".to_owned(), "shop".to_owned())].into();
    let parity = one(text, &catalogue(vec![web]), dns);
    assert_eq!(told(&parity)[1..], ["product shop Some(\"site\") b.internal.local:80"], "instances say it themselves");

    // The rules of the job that takes over count, and what it does with the label `job`.
    let rules = "[{ target_label: team, replacement: devops }, { target_label: product, replacement: shop }, \
                 { source_labels: [__meta_dns_srv_record_target], regex: 'a[.].*', target_label: rack, replacement: r1 }, \
                 { source_labels: [__address__], regex: 'b[.].*', target_label: instance, replacement: bee }]";
    let sd =
        format!("  - job_name: web-dns\n    dns_sd_configs: [{{ names: [{WEB}.] }}]\n    relabel_configs: {rules}\n");
    let parity = one(&(text.to_owned() + &sd), &Catalogue::new(), dns);
    assert_eq!((told(&parity), parity.outcome), (vec![], Outcome::Match));
    let note = "its series get job=\"web-dns\" in place of job=\"web\": call the job so when the old one goes";
    assert_eq!(parity.notes, [note]);
}

#[test]
fn jobs_with_the_same_counterpart_are_not_too_much_for_each_other() {
    let ours = catalogue(vec![service("web", &[], &[])]);
    let key = ours.keys().next().unwrap().clone();
    let map = ["devops", "qa"].map(|team| (team.to_owned(), vec![key.clone()])).into();
    let text =
        "scrape_configs:\n".to_owned() + &job("devops", "'a.internal.local:80'") + &job("qa", "'b.internal.local:80'");
    let dns: &Dns<'_> = &[(WEB, &["a.internal.local:80", "b.internal.local:80", "c.internal.local:80"])];
    let all = compared(&text, &ours, &map, dns);
    for job in &all {
        assert_eq!(
            (&job.views[0].missing[..], &job.views[0].extra[..]),
            (&[][..], &["c.internal.local:80".to_owned()][..])
        );
    }
}

#[test]
fn what_is_not_known_is_never_a_match() {
    let ours = catalogue(vec![service("web", &[], &["a:80"])]);
    let text = "scrape_configs:\n".to_owned() + &job("web", "'a.internal.local:80'");
    let parity = one(&text, &ours, &[(WEB, &["?"])]);
    assert_eq!((parity.outcome, parity.views[0].outcome), (Outcome::Unknown, Outcome::Unknown));
    assert!(parity.views[0].error.as_ref().unwrap().starts_with(&format!("{WEB}.: ")), "{parity:?}");
    // Nor is a job with targets that only Prometheus knows, or that Prometheus would refuse.
    let good: &Dns<'_> = &[(WEB, &["a.internal.local:80"])];
    let more = one(&(text.clone() + "    consul_sd_configs: [{ server: a }]\n"), &ours, good);
    assert_eq!((more.outcome, more.views[0].outcome), (Outcome::Unknown, Outcome::Match));
    assert!(more.notes[0].contains("--prometheus-url"), "{more:?}");
    // Nobody knows whether a job that cannot be looked up has the targets of one without a counterpart.
    let sd = "  - job_name: by-dns\n    dns_sd_configs: [{ names: [_db._tcp.example] }]\n";
    let lonely = "scrape_configs:\n".to_owned() + &job("any", "x:1") + sd;
    let parity = one(&lonely, &ours, &[("_db._tcp.example", &["?"])]);
    assert_eq!((parity.outcome, parity.problems.len()), (Outcome::Unknown, 1), "{parity:?}");
    assert!(parity.problems[0].starts_with("job `by-dns`: _db._tcp.example: "), "{parity:?}");
    let broken = one(&(text + "    scrape_interval: soon\n"), &ours, good);
    assert_eq!(broken.outcome, Outcome::Unknown);
    assert!(broken.problems[0].contains("prometheus.yml:4:22: `soon`"), "{broken:?}");
}

#[test]
fn how_targets_are_scraped_is_compared_too() {
    let mut web = service("web", &[], &["a:80"]);
    let text = "\
global: { scrape_interval: 30s }
scrape_configs:
  - job_name: web
    scheme: https
    metrics_path: /federate
    honor_labels: true
    params: { 'match[]': ['{job=~\".+\"}'] }
    tls_config: { ca_file: ca.pem }
    static_configs: [{ targets: ['a.internal.local:443'] }]
";
    let dns: &Dns<'_> = &[(WEB, &["a.internal.local:443"])];
    let parity = one(text, &catalogue(vec![web.clone()]), dns);
    let told: Vec<_> =
        parity.settings.iter().map(|found| format!("{} {} {}", found.setting, found.today, found.dns)).collect();
    let expected = [
        "scheme https http",
        "metrics_path /federate /metrics",
        "params match[]={job=~\".+\"} ",
        "honor_labels true false",
    ];
    assert_eq!(told, expected);
    let note = "it also has tls_config, which what `srvctl render` writes has not: that is not compared";
    assert_eq!(parity.notes, [note]);
    let configuration = sources::prometheus::parse("prometheus.yml", text).unwrap();
    let mut scrape = configuration.jobs[0].scrape.clone();
    scrape.interval = Some(std::time::Duration::from_secs(15));
    web.scrape = Some(scrape.into());
    let parity = one(text, &catalogue(vec![web]), dns);
    let [found] = &parity.settings[..] else { panic!("{parity:?}") };
    assert_eq!((found.setting, found.today.as_str(), found.dns.as_str()), ("scrape_interval", "30s", "15s"));
}

#[test]
fn what_labels_say_of_how_a_target_is_scraped_counts() {
    let sd = format!("  - job_name: by-dns\n    dns_sd_configs: [{{ names: [{WEB}] }}]\n");
    let text = "\
scrape_configs:
  - job_name: web
    params: { module: [a, b] }
    static_configs:
      - targets: ['a.internal.local:80']
        labels: { __metrics_path__: /prometheus, __scrape_interval__: 10s, __scrape_timeout__: 9s, __param_x: y }
      - targets: ['b.internal.local:80']
    relabel_configs:
      - { source_labels: [__address__], regex: 'a.+', target_label: __scheme__, replacement: https }
";
    let dns: &Dns<'_> = &[(WEB, &["a.internal.local:80", "b.internal.local:80"])];
    let parity = one(&(text.to_owned() + &sd), &Catalogue::new(), dns);
    let told = |found: &SettingDifference| {
        let SettingDifference { setting, today, dns, targets } = found;
        format!("{setting}: {today}, {dns}: {}", targets.len())
    };
    let told: Vec<_> = parity.settings.iter().map(told).collect();
    let expected = [
        "scheme: https, http: 1",
        "metrics_path: /prometheus, /metrics: 1",
        "params: module=a,b, : 1",
        "params: module=a,b x=y, : 1",
        "scrape_interval: 10s, 1m: 1",
        "scrape_timeout: 9s, 10s: 1",
    ];
    assert_eq!((told, parity.outcome), (expected.map(str::to_owned).to_vec(), Outcome::Different));

    // Labels on one side and keys of the job on the other come to the same.
    let labels = "scrape_configs:\n  - job_name: web\n    static_configs: [{ targets: ['a.internal.local:80'], \
        labels: { __metrics_path__: /prometheus, __scrape_interval__: 90s, __param_x: y } }]\n";
    let mut web = service("web", &[], &["a:80"]);
    let scrape = crate::model::Scrape {
        metrics_path: Some("/prometheus".to_owned()),
        interval: Some(std::time::Duration::from_secs(90)),
        params: [("x".to_owned(), vec!["y".to_owned()])].into(),
        ..Default::default()
    };
    web.scrape = Some(scrape.into());
    let parity = one(labels, &catalogue(vec![web.clone()]), &[(WEB, &["a.internal.local:80"])]);
    assert_eq!((parity.settings, parity.outcome), (vec![], Outcome::Match));
    // Before anything is published the jobs themselves tell it.
    web.scrape = None;
    let parity = one(labels, &catalogue(vec![web]), &[]);
    assert_eq!(parity.settings.len(), 3, "{parity:?}");
}

#[test]
fn one_endpoint_is_scraped_once_for_every_set_of_labels() {
    let text = "\
scrape_configs:
  - job_name: web
    static_configs:
      - { targets: ['a.internal.local:80'], labels: { team: a } }
      - { targets: ['a.internal.local:80'], labels: { team: b } }
";
    let dns: &Dns<'_> = &[(WEB, &["a.internal.local:80"])];
    let sd = format!("  - job_name: by-dns\n    dns_sd_configs: [{{ names: [{WEB}] }}]\n");
    let rule = "    relabel_configs: [{ target_label: team, replacement: b }]\n";
    let parity = one(&(text.to_owned() + &sd + rule), &Catalogue::new(), dns);
    assert_eq!((parity.outcome, parity.targets, &parity.labels[..]), (Outcome::Different, 2, &[][..]), "{parity:?}");
    assert_eq!(parity.views[0].missing, ["a.internal.local:80 {team=\"a\"}"]);
    // The other way round: what DNS has twice.
    let both = "    dns_sd_configs: [{ names: [_web._tcp.internal.local, _db._tcp.internal.local] }]\n";
    let rules = "    relabel_configs: [{ source_labels: [__meta_dns_name], target_label: from }]\n";
    let twice: &Dns<'_> = &[(WEB, &["a.internal.local:80"]), ("_db._tcp.internal.local", &["a.internal.local:80"])];
    let text = "scrape_configs:\n".to_owned() + &job("web", "'a.internal.local:80'") + "  - job_name: by-dns\n" + both;
    let parity = one(&(text.clone() + rules), &Catalogue::new(), twice);
    assert_eq!(parity.views[0].extra.len(), 1, "{parity:?}");
    assert_eq!(one(&text, &Catalogue::new(), twice).outcome, Outcome::Match, "without such a rule they are one");
}

#[test]
fn rules_that_are_not_understood_are_never_a_match() {
    let text = "scrape_configs:\n".to_owned() + &job("web", "'a.internal.local:80'");
    let sd = format!("  - job_name: by-dns\n    dns_sd_configs: [{{ names: [{WEB}] }}]\n");
    let rule = |regex: &str| {
        format!("    relabel_configs: [{{ source_labels: [__address__], regex: '{regex}', action: drop }}]\n")
    };
    let dns: &Dns<'_> = &[(WEB, &["a.internal.local:80"])];
    for text in [text.clone() + &sd + &rule("("), text.clone() + &rule("(") + &sd] {
        let all = compared(&text, &Catalogue::new(), &Map::new(), dns);
        assert_eq!(all[0].outcome, Outcome::Unknown, "{all:?}");
        assert!(all.iter().any(|job| job.problems.iter().any(|told| told.contains("`(`"))), "{all:?}");
    }
    let quoted = one(&(text + &sd + &rule(r"\Qa.internal\E.*")), &Catalogue::new(), dns);
    assert_eq!(quoted.outcome, Outcome::Unpaired, "what is dropped is not there: {quoted:?}");
}

#[test]
fn a_job_from_dns_alone_is_looked_up_too() {
    let sd = format!("scrape_configs:\n  - job_name: by-dns\n    dns_sd_configs: [{{ names: [{WEB}] }}]\n");
    for (targets, outcome, wanted) in [
        (&["a.internal.local:80"][..], Outcome::FromDns, Outcome::FromDns),
        (&[], Outcome::FromDns, Outcome::Different),
        (&["?"], Outcome::Unknown, Outcome::Unknown),
    ] {
        let parity = one(&sd, &Catalogue::new(), &[(WEB, targets)]);
        assert_eq!((parity.outcome, parity.views.len()), (outcome, 1), "{parity:?}");
        let parity = one_wanted(&sd, &[(WEB, targets)]);
        assert_eq!(parity.outcome, wanted, "{parity:?}");
    }
}

#[test]
fn keys_that_are_not_read_are_told_by_name_when_they_say_something_else() {
    let keys = |password: &str, more: &str| {
        format!("    basic_auth: {{ username: a, password: {password} }}\n    enable_http2: true\n{more}")
    };
    let text = |before: &str, after: &str| {
        let sd = format!("  - job_name: by-dns\n    dns_sd_configs: [{{ names: [{WEB}] }}]\n{after}");
        let text = "scrape_configs:\n".to_owned() + &job("web", "'a.internal.local:80'") + before + &sd;
        one(&text, &Catalogue::new(), &[(WEB, &["a.internal.local:80"])]).notes[1..].to_vec()
    };
    assert_eq!(text(&keys("secret", ""), &keys("secret", "    honor_timestamps: true\n")), [""; 0]);
    let told = text(&keys("secret", ""), &keys("other", "    metric_relabel_configs: [{ action: drop, regex: x }]\n"));
    let expected = [
        "job `by-dns` also has metric_relabel_configs, which it has not: that is not compared",
        "basic_auth of job `by-dns` says something else: that is not compared further",
    ];
    assert_eq!(told, expected);
    let order = "    basic_auth: { password: 'secret', 'username': a }\n";
    assert_eq!(text(&keys("secret", ""), order), [""; 0], "the order of keys is none");
}

#[test]
fn every_other_type_of_record_makes_targets_too() {
    let text = "scrape_configs:\n".to_owned()
        + &job("web", "'10.0.0.1:9100'")
        + "  - job_name: by-a\n    dns_sd_configs: [{ names: [nodes.example], type: A, port: 9100 }]\n";
    let configuration = sources::prometheus::parse("prometheus.yml", &text).unwrap();
    let todays: Vec<_> = configuration.jobs.iter().map(|job| Today::of_job(job, (None, None))).collect();
    let mut side = Side::of_job(configuration.jobs[1].clone());
    side.servers = vec![SERVER.to_owned()];
    let question = ("nodes.example".to_owned(), RecordType::A);
    let Verdict::Records(mut answer) = records(&question, &["x.example:1"]) else { panic!() };
    answer.reply.message.answers[0].rdata = Rdata::a([10, 0, 0, 1].into());
    let found = [(SERVER.to_owned(), [(question, Verdict::Records(answer))].into())].into();
    let (catalogue, map) = (Catalogue::new(), Map::new());
    let world = World { catalogue: &catalogue, map: &map, found: &found, defaults: (None, None) };
    let parity = compare(&todays, &[side], world).remove(0);
    assert_eq!(parity.outcome, Outcome::Match, "{parity:?}");
}

/// Some of eight hosts at two ports, in lower or upper case.
fn some_targets() -> impl Strategy<Value = Vec<String>> {
    let one = (0..8u8, 80..82u16, any::<bool>()).prop_map(|(host, port, is_upper)| {
        let host = format!("host-{host}.internal.local");
        format!("{}:{port}", if is_upper { host.to_uppercase() } else { host })
    });
    proptest::collection::vec(one, 1..12)
}

fn lower<'t>(targets: impl IntoIterator<Item = &'t String>) -> BTreeSet<String> {
    targets.into_iter().map(|target| target.to_lowercase()).collect()
}

proptest! {
    #[test]
    fn whatever_there_is_on_both_sides_the_difference_is_that_of_the_sets(
        today in some_targets(),
        dns in some_targets(),
    ) {
        let quoted: Vec<_> = today.iter().map(|target| format!("'{target}'")).collect();
        let text = "scrape_configs:\n".to_owned() + &job("web", &quoted.join(", "));
        let ours = catalogue(vec![service("web", &[], &["a:80"])]);
        let found: Vec<&str> = dns.iter().map(String::as_str).collect();
        let parity = one(&text, &ours, &[(WEB, &found)]);
        let view = &parity.views[0];
        let (before, after) = (lower(&today), lower(&dns));
        prop_assert_eq!(lower(&view.missing), &before - &after);
        prop_assert_eq!(lower(&view.extra), &after - &before);
        prop_assert_eq!((parity.targets, view.targets), (before.len(), after.len()));
        let is_match = before == after && view.spelled.is_empty();
        prop_assert_eq!(parity.outcome == Outcome::Match, is_match, "{:?}", parity);
    }
}
