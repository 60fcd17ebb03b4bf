use std::time::Duration;

use super::{SERVICE, parse_text, shown};
use crate::model::Scheme;
use crate::sources::parse;

const GOOD: &str = r#"
[[service]]
name = "federate"

[service.scrape]
job_name = "federate-dc1"
scheme = "https"
metrics_path = "/federate"
scrape_interval = "1m"
scrape_timeout = "30s"
honor_labels = true
params = { "match[]" = ['{job="prometheus"}', '{__name__=~"job:.*"}'], format = "text" }

[[service.instance]]
host = "prometheus-dc1"
port = 9090
metadata = { rack = 7, site = "dc1" }
"#;

#[test]
fn how_a_service_is_scraped_is_said_in_prometheus_words() {
    let zones = ["internal.local".parse().unwrap()];
    let services = parse(&"s.toml".into(), &GOOD.into(), &zones).unwrap();
    let scrape = services[0].scrape.as_deref().unwrap();
    assert_eq!(scrape.job_name.as_deref(), Some("federate-dc1"));
    assert_eq!(scrape.scheme, Some(Scheme::Https));
    assert_eq!(scrape.metrics_path.as_deref(), Some("/federate"));
    assert_eq!((scrape.interval, scrape.timeout), (Some(Duration::from_mins(1)), Some(Duration::from_secs(30))));
    assert!(scrape.honor_labels);
    assert_eq!(scrape.params["match[]"], [r#"{job="prometheus"}"#, r#"{__name__=~"job:.*"}"#]);
    assert_eq!(scrape.params["format"], ["text"]);
    let metadata: Vec<_> =
        services[0].instances[0].metadata.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(metadata, ["rack=7", "site=dc1"]);
}

#[test]
fn what_prometheus_would_refuse_is_refused_here() {
    for (line, message) in [
        ("scheme = \"ftp\"", "must be \"http\" or \"https\""),
        ("metrics_path = \"metrics\"", "is no path"),
        ("metrics_path = \"/probe?target=x\"", "is no path"),
        ("job_name = \"\"", "`job_name` is empty"),
        ("scrape_interval = \"10s\"\nscrape_timeout = \"11s\"", "longer than `scrape_interval`"),
        ("params = [\"a\"]", "`params` must be a table"),
        ("params = { a = { b = 1 } }", "must be a string, or a list of strings"),
        ("interval = \"10s\"", "unknown key `interval`"),
    ] {
        let text =
            SERVICE.replacen("[[service.instance]]", &format!("[service.scrape]\n{line}\n[[service.instance]]"), 1);
        let shown = shown(parse_text(&text));
        assert!(shown.contains(message), "{line}: {shown}");
        assert_eq!(shown.matches("error: ").count(), 1, "{line}: {shown}");
    }
}
