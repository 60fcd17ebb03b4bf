//! The documents for those who cannot be run here, read as their documentation describes them. Each fixture names its source,
//! a path in the project's repository as of August 2026.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::alloy;
use super::{HARD, SERVICES};
use crate::support::{Named, Settings, Workspace, assert_golden};

/// A configuration with both zones, which nobody asks.
pub(super) fn workspace(services: &str) -> (Named, Workspace) {
    let named = Named::start();
    let more =
        format!("\n[[zone]]\nname = \"dc2.example\"\nprimary = \"{}\"\nkey_file = \"zone.key\"\n", named.address());
    let workspace = Workspace::with(&Settings { more, ..Settings::for_server(&named) });
    workspace.write_service("all.toml", services);
    (named, workspace)
}

fn rendered(workspace: &Workspace, arguments: &[&str]) -> String {
    let output = workspace.expect(0, &[&["render"], arguments].concat());
    assert_eq!(output.stderr, "", "{arguments:?}");
    output.stdout
}

const DISCOVERY: &str = "http://dns1.internal.local:5303";
const MIMIR: &str = "http://mimir.internal.local:9009/api/v1/push";

#[test]
fn documents_are_those_of_the_golden_files() {
    let (_named, workspace) = workspace(SERVICES);
    for (file, arguments) in [
        ("prometheus.yml", &["prometheus"][..]),
        ("prometheus-http.yml", &["prometheus", "jenkins", "--url", DISCOVERY]),
        ("vmagent.yml", &["vmagent"]),
        ("alloy.alloy", &["alloy", "--remote-write", MIMIR]),
        ("grafana-agent.yml", &["grafana-agent", "--remote-write", MIMIR]),
        ("otel-collector.yml", &["otel-collector"]),
        ("thanos.flags", &["thanos"]),
        ("telegraf.conf", &["telegraf", "--url", DISCOVERY]),
    ] {
        let text = rendered(&workspace, arguments);
        assert_eq!(text, rendered(&workspace, arguments), "the same again");
        assert_golden(&format!("render-{file}"), &text);
    }
}

/// What the README shows is what is printed.
#[test]
fn the_readme_shows_what_is_printed() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let section = readme.split_once("## Scrape configuration for everybody").expect("the README has the section").1;
    let (toml, rest) = section.split_once("```toml\n").unwrap().1.split_once("```\n").unwrap();
    let shown = rest.split_once("$ srvctl render prometheus\n…\n").unwrap().1.split_once("```").unwrap().0;
    let instance = "[[service.instance]]\nhost = \"centos9-vm\"\nport = 8080\n";
    let named = Named::start();
    let workspace = Workspace::new(&named);
    workspace.write_service("jenkins.toml", &format!("{toml}\n{instance}"));
    let printed = rendered(&workspace, &["prometheus"]);
    assert_eq!(printed.split_once("\n\n").unwrap().1, shown);
    // Every consumer is in the table.
    for word in ["prometheus", "vmagent", "alloy", "grafana-agent", "otel-collector", "thanos", "telegraf"] {
        assert!(section.contains(&format!("\n| `{word}` | ")), "{word}");
    }
}

/// The services of the tests, and one that is hard to write down.
fn hard() -> (Named, Workspace) {
    let hard = toml::Value::String(HARD.to_owned());
    let more = format!(
        "[[service]]\nname = \"hard\"\nzone = \"internal.local\"\nmetadata = {{ team = {hard} }}\n[service.scrape]\njob_name = {hard}\n\
         metrics_path = \"/$1\"\nparams = {{ \"x[]\" = {hard} }}\n\
         [[service.instance]]\nhost = \"h\"\nport = 1\nmetadata = {{ rack = {hard} }}\n"
    );
    workspace(&(SERVICES.to_owned() + &more))
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The jobs as Prometheus has them, which `promtool` and Prometheus itself have taken: see [`super::run`].
fn prometheus_jobs(workspace: &Workspace) -> Value {
    let jobs = yaml(&rendered(workspace, &["prometheus"]))["scrape_configs"].take();
    assert_eq!(jobs.as_array().unwrap().len(), 8);
    jobs
}

fn assert_keys(map: &Value, documented: &[&str]) {
    let map = map.as_object().unwrap_or_else(|| panic!("no map: {map}"));
    for key in map.keys() {
        assert!(documented.contains(&&**key), "`{key}` is not documented; there are {documented:?}");
    }
}

/// grafana/agent, `docs/sources/static/configuration/metrics-config.md`: `metrics_config`, `metrics_instance_config`.
/// `scrape_config` and `remote_write` are Prometheus'.
#[test]
fn the_grafana_agent_has_the_jobs_of_prometheus() {
    let (_named, workspace) = hard();
    for arguments in [&["grafana-agent"][..], &["grafana-agent", "--remote-write", MIMIR]] {
        let document = yaml(&rendered(&workspace, arguments));
        assert_keys(&document, &["server", "metrics", "logs", "traces", "integrations"]);
        assert_keys(&document["metrics"], &["global", "wal_directory", "configs", "scraping_service", "instance_mode"]);
        let [instance] = &document["metrics"]["configs"].as_array().unwrap()[..] else { panic!("{document}") };
        assert_keys(instance, &["name", "host_filter", "scrape_configs", "remote_write"]);
        assert_eq!(instance["scrape_configs"], prometheus_jobs(&workspace));
        let expected = if arguments.len() > 1 { json!([{ "url": MIMIR }]) } else { json!([]) };
        assert_eq!(instance["remote_write"], expected);
    }
}

/// What the collector makes of a value. open-telemetry/opentelemetry-collector, `docs/rfcs/env-vars.md` and
/// open-telemetry/opentelemetry-collector-contrib, `receiver/prometheusreceiver/README.md`: `$$` is a `$`, `${NAME}` and
/// `$NAME` are variables.
fn filled_in(value: &mut Value) {
    match value {
        Value::String(text) => {
            let mut pieces = text.split("$$").map(|piece| {
                assert!(!piece.contains('$'), "a variable in {text:?}");
                piece.to_owned()
            });
            let first = pieces.next().unwrap();
            *text = pieces.fold(first, |text, piece| text + "$" + &piece);
        }
        Value::Array(values) => values.iter_mut().for_each(filled_in),
        Value::Object(map) => map.values_mut().for_each(filled_in),
        _ => {}
    }
}

/// open-telemetry/opentelemetry-collector-contrib, `receiver/prometheusreceiver/README.md` (`config` takes Prometheus'
/// `scrape_configs`) and `exporter/prometheusremotewriteexporter/README.md` (`endpoint`);
/// open-telemetry/opentelemetry-collector, `exporter/debugexporter/README.md`, and `service.pipelines` of
/// <https://opentelemetry.io/docs/collector/configuration/>.
#[test]
fn the_collector_has_the_jobs_of_prometheus() {
    let (_named, workspace) = hard();
    for (arguments, exporter, settings) in [
        (&["otel-collector"][..], "debug", json!({})),
        (&["otel-collector", "--remote-write", MIMIR], "prometheusremotewrite", json!({ "endpoint": MIMIR })),
    ] {
        let mut document = yaml(&rendered(&workspace, arguments));
        filled_in(&mut document);
        let expected = json!({
            "receivers": { "prometheus": { "config": { "scrape_configs": prometheus_jobs(&workspace) } } },
            "exporters": { exporter: settings },
            "service": { "pipelines": { "metrics": { "receivers": ["prometheus"], "exporters": [exporter] } } },
        });
        assert_eq!(document, expected);
    }
    let mut fragment = yaml(&rendered(&workspace, &["otel-collector", "--fragment"]));
    filled_in(&mut fragment);
    assert_eq!(fragment, prometheus_jobs(&workspace));
}

/// thanos-io/thanos, `docs/service-discovery.md` (`dnssrvnoa+NAME`) and `docs/components/query.md` (`--endpoint`,
/// `--store.sd-dns-interval`); alecthomas/kingpin, `parser.go`: behind `@FILE` every line is an argument, an empty one
/// too, but for those that begin with `#`.
#[test]
fn thanos_has_flags() {
    let (_named, workspace) = hard();
    let text = rendered(&workspace, &["thanos", "thanos-sidecar", "_node-exporter._tcp.internal.local"]);
    let arguments: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        arguments,
        [
            "--endpoint=dnssrvnoa+_node-exporter._tcp.internal.local.",
            "--endpoint=dnssrvnoa+_node-exporter._tcp.shard-1.internal.local.",
            "--endpoint=dnssrvnoa+_node-exporter._tcp.shard-2.internal.local.",
            "--endpoint=dnssrvnoa+_thanos-sidecar._tcp.internal.local.",
            "--store.sd-dns-interval=30s",
        ]
    );
}

/// influxdata/telegraf, `plugins/inputs/prometheus/README.md`, `plugins/processors/regex/README.md` and
/// `docs/CONFIGURATION.md` (of every plugin: `alias`, `interval`, `tags`, `tagexclude`; variables: `$` anywhere in the
/// file).
#[test]
fn telegraf_asks_over_http() {
    let (_named, workspace) = hard();
    let text = rendered(&workspace, &["telegraf", "--url", DISCOVERY]);
    let settings: String =
        text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n");
    assert!(!settings.contains('$'), "{settings}");
    let document: Value = serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
    assert_keys(&document, &["inputs", "processors"]);
    let documented =
        ["alias", "interval", "tags", "tagexclude", "urls", "metric_version", "timeout", "http_service_discovery"];
    let inputs = document["inputs"]["prometheus"].as_array().unwrap();
    assert_eq!(inputs.len(), 8);
    for input in inputs {
        assert_keys(input, &documented);
        assert_eq!(input["metric_version"], 2);
        match input.get("http_service_discovery") {
            Some(discovery) => {
                assert_keys(discovery, &["enabled", "url", "query_interval"]);
                assert_eq!(discovery["enabled"], true);
            }
            None => assert!(!input["urls"].as_array().unwrap().is_empty()),
        }
    }
    let of = |alias: &str| inputs.iter().find(|input| input["alias"] == alias).unwrap();
    let pushgateway = &of("pushgateway")["http_service_discovery"]["url"];
    assert_eq!(
        *pushgateway,
        format!("{DISCOVERY}/sd/prometheus?service=_pushgateway._tcp.internal.local.&published=true")
    );
    // What cannot be told over HTTP is listed.
    assert_eq!(of("jenkins")["urls"][0], "http://centos9-vm.internal.local:8080/prometheus/");
    assert_eq!(
        of("federate-dc2")["urls"],
        json!(["https://dc2-prometheus.dc2.example:9090/federate?match%5B%5D=up%7Bcost%3D%22%249%22%7D"])
    );
    assert_eq!(of(HARD)["tags"], json!({ "job": HARD, "team": HARD }));
    assert_eq!(of("node/_node-exporter._tcp.dc2.example")["tags"], json!({ "job": "node" }));
    let rename = &document["processors"]["regex"][0]["tag_rename"][0];
    assert_keys(rename, &["pattern", "replacement", "result_key"]);
    assert_eq!(rename["replacement"], "${1}");
    let pattern = regex::Regex::new(rename["pattern"].as_str().unwrap()).unwrap();
    let renamed = |tag: &str| pattern.replace(tag, "$1").into_owned();
    assert_eq!(renamed("__meta_srvctl_meta_team"), "team");
    for kept in ["__meta_srvctl_meta___address__", "__meta_srvctl_meta_7", "__meta_srvctl_zone"] {
        assert_eq!(renamed(kept), kept);
    }
}

/// See [`alloy`] for the grammar and its sources.
#[test]
fn alloy_has_the_jobs_of_prometheus() {
    let (_named, workspace) = hard();
    let text = rendered(&workspace, &["alloy", "--remote-write", MIMIR]);
    let blocks = alloy::parse(&text);
    alloy::assert_documented(&blocks);
    assert_eq!(json!(alloy::jobs(&blocks)), prometheus_jobs(&workspace));
    assert!(alloy::remote_writes(&blocks).eq([MIMIR]));
    let text = rendered(
        &workspace,
        &["alloy", "pushgateway", "--forward-to", "prometheus.relabel.all.receiver", "--url", DISCOVERY],
    );
    let blocks = alloy::parse(&text);
    alloy::assert_documented(&blocks);
    assert!(text.contains("forward_to   = [prometheus.relabel.all.receiver]"), "{text}");
}
