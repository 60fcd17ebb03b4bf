use std::num::NonZeroU16;

use super::*;
use crate::model::prometheus::{Origin, Relabel, RelabelAction};

fn place(line: u32) -> Place {
    Place { file: "prometheus.yml".into(), line, column: 1 }
}

fn group(targets: &[&str], labels: &[(&str, &str)]) -> TargetGroup {
    let targets = targets.iter().map(|address| Target { address: (*address).to_owned(), place: place(3) });
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    TargetGroup { origin: Origin::Static, targets: targets.collect(), labels, place: place(2) }
}

fn job(name: &str, groups: Vec<TargetGroup>) -> Job {
    Job {
        name: name.into(),
        scrape: Scrape { job_name: Some(name.into()), ..Scrape::default() },
        groups,
        file_sd: Vec::new(),
        dns_sd: Vec::new(),
        http_sd: Vec::new(),
        other_sd: Vec::new(),
        relabel: Vec::new(),
        unread: Vec::new(),
        unread_values: std::collections::BTreeMap::new(),
        problems: Vec::new(),
        place: place(1),
    }
}

fn mapped(terms: &Terms, jobs: Vec<Job>) -> Outcome {
    let configuration = Configuration { jobs, ..Configuration::default() };
    map(terms, &Source::file("prometheus.yml"), &configuration, &[])
}

fn terms() -> Terms {
    Terms::of_zone("internal.local".parse().unwrap())
}

fn shown(outcome: &Outcome) -> Vec<String> {
    let instance = |instance: &Instance| {
        let metadata: Vec<_> = instance.metadata.iter().map(|(key, value)| format!(" {key}={value}")).collect();
        format!("{}:{}{}", instance.host.without_final_dot(), instance.port, metadata.concat())
    };
    let service = |migrated: &crate::reconcile::migration::Migrated| {
        let service = &migrated.service;
        let instances: Vec<_> = service.instances.iter().map(instance).collect();
        format!("{} {:?} [{}]", service.key.name, service.metadata, instances.join(", "))
    };
    outcome.services.iter().map(service).collect()
}

fn says(outcome: &Outcome, fate: Fate, words: &str) -> bool {
    outcome
        .remarks
        .iter()
        .any(|remark| remark.fate == fate && format!("{} {}", remark.subject, remark.message).contains(words))
}

#[test]
fn what_all_targets_share_is_the_services_and_the_rest_is_each_ones() {
    let teams = [
        group(
            &["vm1.internal.local:8080", "vm2.internal.local:8080"],
            &[("team", "devops"), ("environment", "production")],
        ),
        group(&["vm3.internal.local:8080"], &[("team", "qa"), ("environment", "production")]),
    ];
    let outcome = mapped(&terms(), vec![job("jenkins", teams.into())]);
    let expected = "jenkins {\"environment\": \"production\"} [vm1.internal.local:8080 team=devops, \
                    vm2.internal.local:8080 team=devops, vm3.internal.local:8080 team=qa]";
    assert_eq!(shown(&outcome), [expected]);
    assert!(outcome.services[0].service.scrape.is_none(), "the job is called as the service");
    assert!(says(&outcome, Fate::Mapped, "`team` differs"));
}

#[test]
fn jobs_can_become_one_service() {
    let jobs = |way| {
        let mut qa = job("jenkins-qa", vec![group(&["vm2.internal.local:8080"], &[("team", "qa")])]);
        qa.scrape.metrics_path = way;
        vec![job("jenkins-devops", vec![group(&["vm1.internal.local:8080"], &[("team", "devops")])]), qa]
    };
    assert_eq!(mapped(&terms(), jobs(None)).services.len(), 2);
    let name = |job: &str| (job.to_owned(), "jenkins".to_owned());
    let terms = Terms { names: [name("jenkins-devops"), name("jenkins-qa")].into(), ..terms() };
    let outcome = mapped(&terms, jobs(None));
    assert_eq!(shown(&outcome), ["jenkins {} [vm1.internal.local:8080 team=devops, vm2.internal.local:8080 team=qa]"]);
    assert!(outcome.services[0].service.scrape.is_none() && says(&outcome, Fate::Guessed, "several jobs became one"));
    let outcome = mapped(&terms, jobs(Some("/prometheus".into())));
    assert_eq!(shown(&outcome), ["jenkins {\"team\": \"devops\"} [vm1.internal.local:8080]"]);
    assert!(says(&outcome, Fate::Refused, "vm2.internal.local:8080 is scraped in another way"));
}

#[test]
fn labels_that_are_prometheus_own_say_how_to_scrape() {
    let own = [
        ("__metrics_path__", "/probe"),
        ("__param_module", "http_2xx"),
        ("__scheme__", "https"),
        ("__meta_product", "web"),
    ];
    let groups = vec![group(&["a.internal.local:1", "b.internal.local"], &own), group(&["c.internal.local:1"], &[])];
    let outcome = mapped(&terms(), vec![job("web", groups)]);
    assert_eq!(shown(&outcome), ["web {\"product\": \"web\"} [a.internal.local:1, b.internal.local:443]"]);
    let scrape = outcome.services[0].service.scrape.clone().unwrap();
    assert_eq!(
        (scrape.metrics_path.as_deref(), scrape.params["module"].as_slice()),
        (Some("/probe"), &["http_2xx".to_owned()][..])
    );
    assert!(says(&outcome, Fate::Guessed, "443") && says(&outcome, Fate::Guessed, "`__meta_product`"));
    assert!(says(&outcome, Fate::Refused, "c.internal.local:1 is scraped in another way"));
}

#[test]
fn what_is_no_host_and_port_is_told() {
    let targets = [
        "localhost:9090",
        "localhost:9100",
        "10.0.0.5:9100",
        "https://example.com/",
        "vm1:70000",
        "a_b.internal.local:1",
        "vm1:9100",
        "vm1.internal.local:9100",
    ];
    let outcome = mapped(&terms(), vec![job("node", vec![group(&targets, &[])])]);
    assert_eq!(shown(&outcome), ["node {} [vm1.internal.local:9100]"]);
    assert!(says(&outcome, Fate::Left, "localhost:9090 is Prometheus itself"));
    assert!(says(&outcome, Fate::Left, "said twice"));
    assert!(says(&outcome, Fate::Guessed, "`vm1` without a domain"));
    assert_eq!(outcome.remarks.iter().filter(|remark| remark.fate == Fate::Refused).count(), 5);
    let terms = Terms { hosts: [("localhost".into(), "prometheus1".into())].into(), generate_hosts: true, ..terms() };
    let outcome = mapped(&terms, vec![job("node", vec![group(&targets, &[])])]);
    let hosts: Vec<_> = outcome.services[0]
        .service
        .instances
        .iter()
        .map(|instance| (instance.host.to_string(), instance.addresses.len()))
        .collect();
    let expected = [
        ("ip-10-0-0-5.internal.local.", 1),
        ("prometheus1.internal.local.", 0),
        ("prometheus1.internal.local.", 0),
        ("vm1.internal.local.", 0),
    ];
    assert_eq!(hosts, expected.map(|(host, count)| (host.to_owned(), count)));
}

#[test]
fn discoveries_are_told_and_jobs_that_are_missing() {
    let mut by_dns = job("by-dns", Vec::new());
    by_dns.dns_sd = vec![crate::model::prometheus::DnsSd {
        names: vec!["_jenkins._tcp.internal.local".into()],
        record_type: crate::model::RecordType::SRV,
        port: None,
    }];
    let mut by_consul = job("by-consul", vec![group(&["vm1.internal.local:1"], &[])]);
    (by_consul.other_sd, by_consul.unread) = (vec!["consul_sd_configs".into()], vec!["basic_auth".into()]);
    let configuration = Configuration { jobs: vec![by_dns, by_consul], ..Configuration::default() };
    let outcome = map(&terms(), &Source::file("p.yml"), &configuration, &[]);
    assert!(says(&outcome, Fate::Left, "by-dns `dns_sd_configs`: is by DNS already: `_jenkins._tcp.internal.local`"));
    assert!(
        says(&outcome, Fate::Left, "by-consul `consul_sd_configs`") && says(&outcome, Fate::Left, "`basic_auth` stays")
    );
    let outcome = map(&terms(), &Source::file("p.yml"), &configuration, &["by-dns".into(), "nobody".into()]);
    assert!(
        outcome.services.is_empty()
            && says(&outcome, Fate::Refused, "by-dns")
            && says(&outcome, Fate::Refused, "nobody there is no job")
    );
}

#[test]
fn files_without_a_job_are_sorted_by_a_label_or_called_after_the_file() {
    let mut groups = vec![
        group(&["mysql.internal.local:9104"], &[("__meta_team", "platform"), ("job", "mysql-exporter")]),
        group(&["postgres.internal.local:9187"], &[("job", "postgres-exporter")]),
        group(&["vm1.internal.local:1"], &[("team", "devops")]),
    ];
    groups[2].place.file = "targets/jenkins.dc1.json".into();
    let mut sorting = Sorting { service: None, label: "job".into() };
    let outcome = map_groups(&terms(), &groups, &sorting);
    let names: Vec<_> = outcome.services.iter().map(|migrated| migrated.service.key.name.as_str()).collect();
    assert_eq!(names, ["jenkins", "mysql-exporter", "postgres-exporter"]);
    assert!(says(&outcome, Fate::Guessed, "called `jenkins` after the file"));
    sorting.service = Some("db".into());
    let outcome = map_groups(&terms(), &groups, &sorting);
    assert_eq!(outcome.services.len(), 1);
    assert_eq!(outcome.services[0].service.instances.len(), 3);
}

#[test]
fn more_instances_than_a_set_holds_are_spread() {
    let targets: Vec<_> = (1..=101).map(|number| format!("vm{number}.internal.local:9100")).collect();
    let targets: Vec<_> = targets.iter().map(String::as_str).collect();
    let outcome = mapped(&terms(), vec![job("node", vec![group(&targets, &[])])]);
    assert_eq!(outcome.services[0].service.shards, crate::model::Shards::Auto);
    assert!(says(&outcome, Fate::Guessed, "101 instances"));
    assert_eq!(outcome.services[0].service.instances[0].port, NonZeroU16::new(9100).unwrap());
}

#[test]
fn relabelling_is_taken_as_far_as_it_is_the_same_for_all() {
    let rule = |target_label: &str, replacement: &str| Relabel {
        target_label: target_label.into(),
        replacement: replacement.into(),
        ..Relabel::default()
    };
    let mut web = job("web", vec![group(&["vm1.internal.local:80"], &[("job", "other")])]);
    let keep = Relabel { action: RelabelAction::Keep, source_labels: vec!["team".into()], ..Relabel::default() };
    web.relabel = vec![rule("product", "jenkins"), rule("instance", "$1"), keep];
    let mut probes = job("probes", vec![group(&["vm1.internal.local:80"], &[])]);
    probes.relabel = vec![rule("__address__", "blackbox:9115")];
    let outcome = mapped(&terms(), vec![web, probes]);
    assert_eq!(shown(&outcome), ["web {\"product\": \"jenkins\"} [vm1.internal.local:80]"]);
    for (fate, words) in [
        (Fate::Guessed, "sets `product` to `jenkins`"),
        (Fate::Guessed, "may drop targets"),
        (Fate::Guessed, "the label `job` of some targets, `other`"),
        (Fate::Left, "`relabel_configs` stays"),
        (Fate::Refused, "probes `relabel_configs` sets `__address__`"),
    ] {
        assert!(says(&outcome, fate, words), "{words}: {outcome:#?}");
    }
}

#[test]
fn what_relabelling_sets_wins_over_labels() {
    let mut web = job("web", vec![group(&["vm1.internal.local:80"], &[("env", "qa"), ("__meta_team", "x")])]);
    let set = |label: &str, value: &str| Relabel {
        target_label: label.into(),
        replacement: value.into(),
        ..Relabel::default()
    };
    web.relabel = vec![set("env", "test"), set("env", "prod"), set("team", "devops")];
    let mut other = job("other", vec![group(&["vm2.internal.local:80"], &[("env", "qa")])]);
    let outcome = mapped(&terms(), vec![web.clone(), other.clone()]);
    let alone = "web {\"env\": \"prod\", \"team\": \"devops\"} [vm1.internal.local:80]";
    assert_eq!(shown(&outcome), ["other {\"env\": \"qa\"} [vm2.internal.local:80]", alone]);
    assert!(!says(&outcome, Fate::Guessed, "__meta_team"), "{outcome:#?}");
    other.relabel = Vec::new();
    let terms = Terms { names: [("other".into(), "web".into())].into(), ..terms() };
    let outcome = mapped(&terms, vec![web, other]);
    let both = "web {} [vm1.internal.local:80 env=prod team=devops, vm2.internal.local:80 env=qa]";
    assert_eq!(shown(&outcome), [both], "each job relabels its own targets");
}

#[test]
fn a_job_that_cannot_be_read_whole_gives_no_service() {
    let jobs = |change: &dyn Fn(&mut Job)| {
        let mut broken = job("a", vec![group(&["vm1.internal.local:80"], &[])]);
        change(&mut broken);
        vec![broken, job("b", vec![group(&["vm2.internal.local:80"], &[])])]
    };
    let unreadable = |job: &mut Job| job.problems = vec![Diagnostic::about_file("fs/2.json", "is not JSON")];
    let found = |pattern: &str, files: &[&str]| FileSd {
        pattern: pattern.into(),
        files: files.iter().map(|file| (*file).into()).collect(),
    };
    let without = |pattern: &str| Diagnostic::about_file("p.yml", format!("no file matches `{pattern}` in ."));
    let missing = |job: &mut Job| {
        job.file_sd = vec![found("fs/*.json", &["fs/1.json"]), found("fs/3.json", &[])];
        job.problems = vec![without("fs/3.json")];
    };
    let none = |job: &mut Job| (job.file_sd, job.problems) = (vec![found("*.json", &[])], vec![without("*.json")]);
    let one_of_two = |job: &mut Job| {
        job.file_sd = vec![found("fs/*.json", &["fs/1.json"]), found("fs/*.yml", &[])];
        job.problems = vec![without("fs/*.yml")];
    };
    let outcome = mapped(&terms(), jobs(&one_of_two));
    assert_eq!(outcome.services.len(), 2, "the directory is there, and nothing is missing");
    assert!(says(&outcome, Fate::Guessed, "a no file matches `fs/*.yml`"));
    for (change, words) in [
        (&unreadable as &dyn Fn(&mut Job), "a is not JSON"),
        (&missing, "a no file matches `fs/3.json`"),
        (&none, "no file matches `*.json`"),
    ] {
        let outcome = mapped(&terms(), jobs(change));
        assert_eq!(shown(&outcome), ["b {} [vm2.internal.local:80]"]);
        assert!(says(&outcome, Fate::Refused, words) && says(&outcome, Fate::Refused, "a gives no service"));
        let terms = Terms { names: [("b".into(), "a".into())].into(), ..terms() };
        let outcome = mapped(&terms, jobs(change));
        assert!(
            outcome.services.is_empty() && says(&outcome, Fate::Refused, "a is known in part only"),
            "{outcome:#?}"
        );
    }
}

#[test]
fn ports_are_digits_and_lengths_of_time_as_prometheus_has_them() {
    let outcome = mapped(&terms(), vec![job("web", vec![group(&["vm1.internal.local:+80"], &[("instance", "web1")])])]);
    assert!(outcome.services.is_empty() && says(&outcome, Fate::Refused, "`+80`"), "{outcome:#?}");
    assert!(says(&outcome, Fate::Guessed, "instance became metadata"));
    let interval = |text: &str| {
        let labels = [("__scrape_interval__".to_owned(), text.to_owned())].into();
        Own::of(&labels, &Scrape::default()).ok().map(|own| own.scrape.interval.unwrap().as_millis())
    };
    assert_eq!(
        (interval("1m30s"), interval("15s500ms"), interval("1d")),
        (Some(90_000), Some(15_500), Some(86_400_000))
    );
    for wrong in ["30s1m", "1s1s", "30", "", "0s", "1w", "1d1ms", " 1s"] {
        assert_eq!(interval(wrong), None, "{wrong}");
    }
}
