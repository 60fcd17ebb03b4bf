//! Rendered configuration in the hands of the real Prometheus and the real vmagent, over a real BIND.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::HARD;
use crate::support::{
    LabelledTargets, Named, Prometheus, Settings, Vmagent, Workspace, find, free_address, in_private_network, run,
};

/// Two zones on one server, which is the only one here.
fn site() -> (Named, Workspace) {
    let named = Named::builder().listen(([127, 0, 0, 1], 53).into()).zone("dc2.example").start();
    let more = format!(
        "\n[[zone]]\nname = \"dc2.example\"\nprimary = \"{}\"\nkey_file = \"zone.key\"\n",
        crate::support::NameServer::address(&named)
    );
    let workspace = Workspace::with(&Settings { more, ..Settings::for_server(&named) });
    (named, workspace)
}

fn toml_string(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A service with everything that is hard: values, labels of single instances, shards; and one of the same name elsewhere.
/// Nobody scrapes them: their hosts have no address.
fn services(hard: &str) -> String {
    let mut text = format!(
        "[[service]]\nname = \"node-exporter\"\nzone = \"internal.local\"\nshards = \"auto\"\n\
         metadata = {{ team = {}, environment = \"production\" }}\n\
         [service.scrape]\nmetrics_path = \"/all metrics\"\nscheme = \"https\"\nparams = {{ \"x[]\" = [\"a b\", \"c\"] }}\n",
        toml_string(hard)
    );
    for host in 0..120 {
        let rack = if host % 40 == 0 { hard } else { "r1" };
        let _ = write!(
            text,
            "[[service.instance]]\nhost = \"node-{host}\"\nport = 9100\nmetadata = {{ rack = {} }}\n",
            toml_string(rack)
        );
    }
    text += "[[service]]\nname = \"node-exporter\"\nzone = \"dc2.example\"\n[[service.instance]]\nhost = \"Vm1\"\nport = 9100\nmetadata = { rack = \"r9\" }\n";
    text
}

/// The labels that the targets of [`services`] shall have, by the job of the configuration.
fn expected(hard: &str) -> LabelledTargets {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let target = |host: &str, labels: &[(&str, &str)]| {
        let instance = format!("{host}:9100");
        let all = [("job", "node-exporter"), ("instance", &*instance)].into_iter().chain(labels.iter().copied());
        (instance.clone(), all.map(|(key, value)| label(key, value)).collect())
    };
    let nodes = (0..120).map(|host| {
        let rack = if host % 40 == 0 { hard } else { "r1" };
        let host = format!("node-{host}.internal.local");
        target(&host, &[("team", hard), ("environment", "production"), ("rack", rack)])
    });
    let elsewhere = target("Vm1.dc2.example", &[("rack", "r9")]);
    nodes.chain([elsewhere]).collect()
}

fn rendered(workspace: &Workspace, arguments: &[&str]) -> String {
    workspace.expect(0, &[&["render"], arguments].concat()).stdout
}

#[test]
fn prometheus_has_the_targets_with_their_labels() {
    in_private_network("render::run::prometheus_has_the_targets_with_their_labels", || {
        let (_named, workspace) = site();
        workspace.write_service("nodes.toml", &services(HARD));
        workspace.converge();
        let file = workspace.path().join("prometheus.yml");
        workspace.expect(0, &["render", "prometheus", "--refresh-interval", "1s", "--out", file.to_str().unwrap()]);
        let checked = run(Command::new(find("promtool", "prometheus")).args(["check", "config"]).arg(&file), "");
        assert_eq!(checked.code, 0, "{checked:?}");
        let mut prometheus = Prometheus::configured(&fs::read_to_string(&file).unwrap());
        prometheus.wait_until_labelled(&expected(HARD));
        let url = prometheus.scrape_urls().remove("node-1.internal.local:9100").unwrap();
        assert_eq!(url, "https://node-1.internal.local:9100/all%20metrics?x%5B%5D=a+b&x%5B%5D=c");
    });
}

#[test]
fn vmagent_has_the_targets_with_their_labels() {
    in_private_network("render::run::vmagent_has_the_targets_with_their_labels", || {
        let (_named, workspace) = site();
        workspace.write_service("nodes.toml", &services(HARD));
        workspace.converge();
        let text = rendered(&workspace, &["vmagent", "--refresh-interval", "1s"]);
        let flag = text.split_whitespace().find(|word| word.starts_with("-promscrape.dnsSDCheckInterval=")).unwrap();
        let mut vmagent = Vmagent::with_flags(&text, &[flag]);
        vmagent.wait_until_labelled(&expected(HARD));
        // Prometheus' own document is refused: that is why there is another.
        let other = rendered(&workspace, &["prometheus"]);
        assert!(Vmagent::refusal(&other).contains("refresh_interval"));
        // The fragment is what its `scrape_config_files` has.
        workspace.write_file("jobs.yml", &rendered(&workspace, &["vmagent", "--fragment"]));
        let files = format!("scrape_config_files: [{:?}]\n", workspace.path().join("jobs.yml"));
        Vmagent::with_flags(&files, &[flag]).wait_until_labelled(&expected(HARD));
    });
}

/// The study's static configuration and what is rendered in its place: one set of labels, so that series go on.
#[test]
fn targets_have_the_labels_that_they_had_when_they_were_static() {
    in_private_network("render::run::targets_have_the_labels_that_they_had_when_they_were_static", || {
        let named = Named::builder().listen(([127, 0, 0, 1], 53).into()).start();
        let workspace = Workspace::new(&named);
        let services = "[[service]]\nname = \"jenkins\"\nmetadata = { team = \"devops\", environment = \"production\" }\n\
                        [service.scrape]\njob_name = \"jenkins-devops\"\n\
                        [[service.instance]]\nhost = \"centos9-vm\"\nport = 8080\n\
                        [[service]]\nname = \"node-exporter\"\n\
                        [[service.instance]]\nhost = \"centos9-vm\"\nport = 9100\n\
                        [[service.instance]]\nhost = \"centos9-vm2\"\nport = 9100\n";
        workspace.write_service("all.toml", services);
        workspace.converge();
        let study = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/study/static.yml");
        let before = Prometheus::configured(&fs::read_to_string(study).unwrap()).labelled_targets(3);
        let after = rendered(&workspace, &["prometheus", "--refresh-interval", "1s"]);
        Prometheus::configured(&after).wait_until_labelled(&before);
    });
}

/// The same targets with the same labels, whichever way they come. What the metadata would overwrite stays.
#[test]
fn labels_are_the_same_over_http_and_from_files() {
    let (named, listen) = (Named::start(), free_address());
    let more =
        format!("[discovery]\nlisten = \"{listen}\"\n[[discovery.file]]\npath = \"sd/web.json\"\nservices = \"web\"\n");
    let workspace = Workspace::with(&Settings { more, ..Settings::for_server(&named) });
    fs::create_dir(workspace.path().join("sd")).unwrap();
    let service = format!(
        "[[service]]\nname = \"web\"\nmetadata = {{ team = {team}, instance = \"i\", job = \"j\", __address__ = \"evil:1\" }}\n\
         [service.scrape]\njob_name = \"frontend\"\nmetrics_path = \"/m\"\n\
         [[service.instance]]\nhost = \"h1\"\nport = 80\nmetadata = {{ rack-row = {team} }}\n\
         [[service.instance]]\nhost = \"h2\"\nport = 80\n",
        team = toml_string(HARD)
    );
    workspace.write_service("web.toml", &service);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    daemon.wait_for("the file of targets", || workspace.path().join("sd/web.json").exists());
    let target = |host: &str, rack: Option<&str>| {
        let instance = format!("{host}.internal.local:80");
        let labels = [("job", "frontend"), ("instance", &*instance), ("team", HARD)].into_iter();
        let labels = labels.chain(rack.map(|rack| ("rack_row", rack)));
        (instance.clone(), labels.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    };
    let expected: LabelledTargets = [target("h1", Some(HARD)), target("h2", None)].into();
    let http = rendered(&workspace, &["prometheus", "--via", "http", "--refresh-interval", "1s"]);
    assert!(
        http.contains(&format!(
            "- url: 'http://{listen}/sd/prometheus?service=_web._tcp.internal.local.&published=true'"
        ))
    );
    let mut prometheus = Prometheus::configured(&http);
    prometheus.wait_until_labelled(&expected);
    assert_eq!(prometheus.scrape_urls()["h1.internal.local:80"], "http://h1.internal.local:80/m");
    let path = workspace.path().join("sd/{service}.json");
    let files = rendered(&workspace, &["prometheus", "--path", path.to_str().unwrap()]);
    Prometheus::configured(&files).wait_until_labelled(&expected);
    let text = rendered(&workspace, &["vmagent", "--via", "http", "--refresh-interval", "1s"]);
    let flag = text.split_whitespace().find(|word| word.starts_with("-promscrape.httpSDCheckInterval=")).unwrap();
    Vmagent::with_flags(&text, &[flag]).wait_until_labelled(&expected);
}

/// One Prometheus that federates from itself: what it gets there has the labels that it has here, and the site.
#[test]
fn federation_keeps_the_labels() {
    in_private_network("render::run::federation_keeps_the_labels", || {
        let named = Named::builder().listen(([127, 0, 0, 1], 53).into()).start();
        let workspace = Workspace::new(&named);
        let address = free_address();
        let service = |name: &str, more: &str| {
            format!(
                "[[service]]\nname = \"{name}\"\n{more}[[service.instance]]\nhost = \"monitoring\"\nport = {}\n\
                 addresses = [\"127.0.0.1\"]\n",
                address.port()
            )
        };
        let federate = "[service.scrape]\njob_name = \"federate\"\nmetrics_path = \"/federate\"\nscrape_interval = \"1s\"\n\
                        scrape_timeout = \"1s\"\nparams = { \"match[]\" = 'up{job=\"web\"}' }\n";
        let scrape =
            "metadata = { team = \"devops\" }\n[service.scrape]\nscrape_interval = \"1s\"\nscrape_timeout = \"1s\"\n";
        workspace.write_service("all.toml", &(service("prometheus", federate) + &service("web", scrape)));
        workspace.converge();
        let text = rendered(&workspace, &["prometheus", "--refresh-interval", "1s"]);
        let prometheus = Prometheus::configured_at(address, &text);
        let labels = "job=\"web\",team=\"devops\",instance=\"monitoring.internal.local:{}\",site=\"internal.local\"";
        let labels = labels.replace("{}", &address.port().to_string());
        prometheus.wait_for_number(&format!("up{{{labels}}}"), |value| value > 0.5);
        let count = prometheus.query("count({exported_job!=\"\"})").unwrap();
        assert_eq!(count["data"]["result"], serde_json::json!([]), "no label was moved aside");
    });
}
