use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{Instance, Place, Scrape};

fn place() -> Place {
    Place { file: "s.toml".into(), line: 1, column: 1 }
}

fn service(name: &str, zone: &str) -> Service {
    let key = ServiceKey { name: name.to_owned(), proto: "tcp".to_owned(), zone: zone.parse().unwrap() };
    Service::new(key, place())
}

fn metadata(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn instance(host: &str, pairs: &[(&str, &str)]) -> Instance {
    let port = 9100.try_into().unwrap();
    Instance { metadata: metadata(pairs), ..Instance::new(host.parse().unwrap(), port, place()) }
}

fn scraped(service: &Service) -> Scraped<'_> {
    Scraped { service, names: vec![service.key.owner_name().unwrap()], ttl: 300 }
}

fn request(consumer: Consumer) -> Request {
    let via = if consumer.knows_srv() { Via::Dns } else { Via::Http { url: "http://dns1:5303".to_owned() } };
    Request { command: "srvctl render".to_owned(), ..Request::plain(consumer, via) }
}

fn rendered(consumer: Consumer, services: &[Service]) -> Document {
    let services: Vec<_> = services.iter().map(scraped).collect();
    render(&services, &request(consumer))
}

/// The jobs of Prometheus' document.
fn jobs(services: &[Service]) -> Vec<Value> {
    let Document { text, .. } = rendered(Consumer::Prometheus, services);
    let document: Value = serde_saphyr::from_str(&text).unwrap();
    document["scrape_configs"].as_array().unwrap().clone()
}

#[test]
fn lengths_of_time_have_one_unit() {
    for (milliseconds, text) in [(1, "1ms"), (1_500, "1500ms"), (90_000, "90s"), (60_000, "1m"), (86_400_000, "24h")] {
        assert_eq!(duration(Duration::from_millis(milliseconds)), text);
    }
}

#[test]
fn metadata_are_labels_as_far_as_they_can_be() {
    let mut one = service("web", "a.example.");
    one.metadata = metadata(&[
        ("team", "x"),
        ("a-b", "1"),
        ("a_b", "2"),
        ("7", "seven"),
        ("__address__", "evil"),
        ("job", "j"),
        ("e", ""),
    ]);
    let rules = &jobs(std::slice::from_ref(&one))[0]["relabel_configs"];
    let expected = json!([
        { "target_label": "_7", "replacement": "seven" },
        { "target_label": "a_b", "replacement": "2" },
        { "target_label": "team", "replacement": "x" },
    ]);
    assert_eq!(*rules, expected);
    let text = rendered(Consumer::Prometheus, &[one]).text;
    for note in [
        "metadata `a-b` is left out: another key is the label a_b already",
        "metadata `7` is the label _7",
        "metadata `__address__` is no label here",
        "metadata `job` is no label here",
    ] {
        assert!(text.contains(note), "{note}\n{text}");
    }
}

#[test]
fn labels_of_single_instances_are_grouped_by_value() {
    let mut one = service("web", "a.example.");
    one.metadata = metadata(&[("team", "x"), ("tier", "1")]);
    one.instances = vec![
        instance("h1.a.example.", &[("rack", "r1"), ("team", "x")]),
        instance("h2.a.example.", &[("rack", "r1"), ("team", "y")]),
        instance("h3.a.example.", &[("rack", "r2"), ("tier", "")]),
    ];
    let rules = jobs(&[one])[0]["relabel_configs"].as_array().unwrap().clone();
    let told: Vec<_> =
        rules[2..].iter().map(|rule| [&rule["regex"], &rule["target_label"], &rule["replacement"]]).collect();
    assert_eq!(
        json!(told),
        json!([
            [r"(?i:h1\.a\.example:9100|h2\.a\.example:9100)", "rack", "r1"],
            [r"(?i:h3\.a\.example:9100)", "rack", "r2"],
            [r"(?i:h2\.a\.example:9100)", "team", "y"],
            [r"(?i:h3\.a\.example:9100)", "tier", ""],
        ])
    );
}

#[test]
fn too_many_labels_of_single_instances_are_told_and_not_made() {
    let mut one = service("web", "a.example.");
    one.metadata = metadata(&[("team", "x")]);
    one.instances = (0..1_001).map(|host| instance(&format!("h{host}.a.example."), &[("rack", "r1")])).collect();
    let document = rendered(Consumer::Prometheus, std::slice::from_ref(&one));
    assert!(!document.text.contains("h1000"), "{}", document.text);
    assert!(document.text.contains("labels of single instances are left out (rack)"), "{}", document.text);
    assert!(document.text.contains("'team'"), "{}", document.text);
    assert!(document.warnings[0].contains("--via http"), "{:?}", document.warnings);
    let rules = document.warnings[0].contains("(here 1)");
    assert!(rules, "{:?}", document.warnings);
    one.instances.pop();
    assert!(rendered(Consumer::Prometheus, std::slice::from_ref(&one)).text.contains("h999"));
    for (number, instance) in one.instances.iter_mut().enumerate() {
        instance.metadata = metadata(&[("rack", &format!("r{number}"))]);
    }
    one.instances.truncate(101);
    assert!(rendered(Consumer::Prometheus, std::slice::from_ref(&one)).warnings[0].contains("(here 101)"));
    one.instances.pop();
    assert_eq!(rendered(Consumer::Prometheus, &[one]).warnings, [""; 0]);
}

#[test]
fn jobs_have_names_of_their_own_and_keep_the_label() {
    let mut named = service("other", "a.example.");
    named.scrape = Some(Arc::new(Scrape { job_name: Some("web".to_owned()), ..Scrape::default() }));
    let services = [service("web", "a.example."), service("web", "b.example."), named, service("alone", "a.example.")];
    let jobs = jobs(&services);
    let names: Vec<_> = jobs.iter().map(|job| job["job_name"].as_str().unwrap()).collect();
    let expected = ["alone", "web/_other._tcp.a.example", "web/_web._tcp.a.example", "web/_web._tcp.b.example"];
    assert_eq!(names, expected);
    assert_eq!(jobs[0].get("relabel_configs"), None);
    for job in &jobs[1..] {
        assert_eq!(job["relabel_configs"], json!([{ "target_label": "job", "replacement": "web" }]));
    }
}

#[test]
fn federation_keeps_the_labels_and_tells_the_site() {
    let of = |zone: &str, params: &[(&str, &str)], site: &[(&str, &str)]| {
        let params = params.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect();
        let path = Some("/federate".to_owned());
        let scrape = Scrape { metrics_path: path, params, ..Scrape::default() };
        let metadata = metadata(site);
        Service { scrape: Some(Arc::new(scrape)), metadata, ..service("prometheus", zone) }
    };
    let matching = ("match[]", "up");
    let services = [of("dc1.example.", &[matching], &[]), of("dc2.example.", &[matching], &[("site", "north")])];
    let jobs = jobs(&services);
    for (job, site) in jobs.iter().zip(["dc1.example", "north"]) {
        assert_eq!((&job["honor_labels"], &job["params"]), (&json!(true), &json!({ "match[]": ["up"] })));
        let rules = job["relabel_configs"].as_array().unwrap();
        assert!(rules.contains(&json!({ "target_label": "site", "replacement": site })), "{rules:?}");
    }
    assert_eq!(rendered(Consumer::Prometheus, &services).warnings, [""; 0]);
    let without = rendered(Consumer::Prometheus, &[of("dc1.example.", &[], &[])]);
    assert!(without.warnings[0].contains("/federate gives nothing without `match[]`"), "{:?}", without.warnings);
}

#[test]
fn a_prometheus_that_is_no_federation_is_a_service_like_others() {
    assert_eq!(jobs(&[service("prometheus", "a.example.")])[0].get("honor_labels"), None);
    assert_eq!(jobs(&[service("PushGateway", "a.example.")])[0]["honor_labels"], json!(true));
}

#[test]
fn a_long_timeout_brings_its_interval_along() {
    let scrape = Scrape { timeout: Some(Duration::from_mins(2)), ..Scrape::default() };
    let job = &jobs(&[Service { scrape: Some(Arc::new(scrape)), ..service("slow", "a.example.") }])[0];
    assert_eq!((&job["scrape_interval"], &job["scrape_timeout"]), (&json!("2m"), &json!("2m")));
}

#[test]
fn vmagent_fills_nothing_in() {
    let mut one = service("web", "a.example.");
    one.metadata = metadata(&[("a", "{{{x}}}"), ("b", "%{HOME}")]);
    let text = rendered(Consumer::Vmagent, &[one]).text;
    let jobs = text.split_once("scrape_configs:").unwrap().1;
    assert!(!jobs.contains("{{") && !jobs.contains('%') && !jobs.contains("refresh_interval"), "{text}");
    let read: Value = serde_saphyr::from_str(&text).unwrap();
    let rules = &read["scrape_configs"][0]["relabel_configs"];
    assert_eq!(rules[0]["replacement"].as_str().unwrap().replace("${1}", ""), "{{{x}}}");
    assert_eq!(rules[1]["replacement"], "%{HOME}");
}

#[test]
fn what_nobody_names_is_taken_by_kind() {
    let tcp = service("web", "a.example.").key;
    let udp = ServiceKey { proto: "udp".to_owned(), ..tcp.clone() };
    let thanos = service("thanos-sidecar", "a.example.").key;
    let takes = |consumer: Consumer| [&tcp, &udp, &thanos].map(|key| consumer.takes(key));
    assert_eq!(takes(Consumer::Prometheus), [true, false, true]);
    assert_eq!(takes(Consumer::Thanos), [false, false, true]);
}

fn any_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>(), 1..12).prop_map(String::from_iter)
}

proptest! {
    /// Whatever is written there, the document is one, and says that and nothing else.
    #[test]
    fn everything_arrives_as_it_was(value in any_text(), name in any_text(), path in any_text(), param in any_text()) {
        let mut one = service("web", "a.example.");
        one.metadata.insert("team".to_owned(), value.clone());
        one.instances = vec![instance("h1.a.example.", &[])];
        one.instances[0].metadata.insert("rack".to_owned(), value.clone());
        let path = format!("/{path}");
        let params = BTreeMap::from([(param.clone(), vec![value.clone()])]);
        let scrape = Scrape { job_name: Some(name.clone()), metrics_path: Some(path.clone()), params, ..Scrape::default() };
        one.scrape = Some(Arc::new(scrape));
        let job = &jobs(std::slice::from_ref(&one))[0];
        prop_assert_eq!((&job["job_name"], &job["metrics_path"]), (&json!(name), &json!(path)));
        prop_assert_eq!(&job["params"][&param], &json!([value.clone()]));
        for rule in job["relabel_configs"].as_array().unwrap().iter().filter(|rule| rule["target_label"] != "site") {
            prop_assert_eq!(rule["replacement"].as_str().unwrap().replace("$$", "$"), value.as_str());
        }
        let collector: Value = serde_saphyr::from_str(&rendered(Consumer::OtelCollector, std::slice::from_ref(&one)).text).unwrap();
        let of_collector = &collector["receivers"]["prometheus"]["config"]["scrape_configs"][0];
        prop_assert_eq!(of_collector["job_name"].as_str().unwrap().replace("$$", "$"), name);
        let agent: Value = serde_saphyr::from_str(&rendered(Consumer::GrafanaAgent, std::slice::from_ref(&one)).text).unwrap();
        prop_assert_eq!(&agent["metrics"]["configs"][0]["scrape_configs"][0], job);
        let telegraf: toml::Table = rendered(Consumer::Telegraf, &[one]).text.parse().unwrap();
        prop_assert_eq!(telegraf["inputs"]["prometheus"][0]["tags"]["team"].as_str(), Some(&*value));
    }
}
