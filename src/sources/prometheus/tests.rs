//! What is read of Prometheus' files, the examples of the monitoring study among them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::model::prometheus::{Job, Origin, RelabelAction, TargetGroup};
use crate::model::{RecordType, Scheme};

fn study(file: &str) -> Configuration {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/study").join(file);
    let read = read(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(read.problems, [], "{file}");
    // Files of targets are where the study has them, which is not here.
    let wrong = |job: &Job| job.problems.iter().any(|problem| !problem.message.contains("no file matches `/etc/"));
    read.jobs.iter().for_each(|job| assert!(!wrong(job), "{file}: {job:?}"));
    read
}

fn addresses(group: &TargetGroup) -> Vec<&str> {
    group.targets.iter().map(|target| target.address.as_str()).collect()
}

fn labels(group: &TargetGroup) -> Vec<(&str, &str)> {
    group.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn discoveries(job: &Job) -> Vec<&str> {
    job.discoveries().collect()
}

#[test]
fn the_studys_static_targets() {
    let configuration = study("static.yml");
    let [jenkins, nodes] = &configuration.jobs[..] else { panic!("{configuration:?}") };
    assert_eq!((jenkins.name.as_str(), nodes.name.as_str()), ("jenkins-devops", "node-exporter"));
    let [group] = &jenkins.groups[..] else { panic!("{jenkins:?}") };
    assert_eq!(addresses(group), ["centos9-vm.internal.local:8080"]);
    assert_eq!(labels(group), [("environment", "production"), ("team", "devops")]);
    assert_eq!(group.origin, Origin::Static);
    let at = |place: &Place| (place.line, place.column);
    assert_eq!((at(&jenkins.place), at(&group.targets[0].place)), ((3, 15), (5, 19)));
    assert_eq!(addresses(&nodes.groups[0]), ["centos9-vm.internal.local:9100", "centos9-vm2.internal.local:9100"]);
    assert_eq!(discoveries(nodes), ["static_configs"]);
}

#[test]
fn the_studys_discoveries() {
    let configuration = study("dns-sd.yml");
    let [jenkins, nodes] = &configuration.jobs[..] else { panic!("{configuration:?}") };
    assert_eq!(jenkins.dns_sd[0].names, ["_jenkins._tcp.internal.local"]);
    assert_eq!((jenkins.dns_sd[0].record_type, jenkins.dns_sd[0].port), (RecordType::SRV, None));
    let rule = &jenkins.relabel[0];
    assert_eq!((rule.target_label.as_str(), rule.replacement.as_str()), ("product", "jenkins"));
    assert_eq!((rule.regex.as_str(), rule.separator.as_str(), rule.action), ("(.*)", ";", RelabelAction::Replace));
    assert_eq!(nodes.relabel, []);

    // The study shows two ways in one block, of which a file can have only one.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/study/enhancement.yml");
    let refused = read(&path).unwrap_err().to_string();
    assert!(refused.contains("the key is there twice: `scrape_configs`") && refused.contains("yml:11:1"), "{refused}");
    let text = fs::read_to_string(path).unwrap();
    let (first, second) = text.split_once("# Option 2").unwrap();
    let of = |text: &str| parse("option.yml", text).unwrap().jobs;
    assert_eq!(discoveries(&of(first)[0]), ["dns_sd_configs"]);
    let files = of(second.split_once('\n').unwrap().1);
    assert_eq!(files[0].file_sd[0].pattern, "/etc/prometheus/targets/*.json");

    let hybrid = study("hybrid.yml");
    assert_eq!(hybrid.jobs[1].dns_sd[0].record_type, RecordType::SRV, "the default");
    assert!(hybrid.jobs[2].scrape.honor_labels);

    let consul = study("consul.yml");
    assert_eq!(discoveries(&consul.jobs[0]), ["consul_sd_configs"]);
    let actions = consul.jobs[0].relabel.iter().map(|rule| rule.action);
    assert_eq!(actions.collect::<Vec<_>>(), [RelabelAction::Replace, RelabelAction::Replace, RelabelAction::Keep]);

    let kubernetes = study("kubernetes.yml");
    assert_eq!(kubernetes.jobs[0].relabel[0].regex, "true", "what looks like no text is text where text is wanted");
    assert_eq!(kubernetes.jobs[0].relabel[3].action, RelabelAction::LabelMap);
    study("etcd.yml");
    study("pushgateway.yml");
    study("edge.yml");
}

#[test]
fn the_studys_federation() {
    let configuration = study("federation.yml");
    let scrape = &configuration.jobs[0].scrape;
    assert_eq!((scrape.interval, scrape.honor_labels), (Some(Duration::from_mins(1)), true));
    assert_eq!((scrape.metrics_path.as_deref(), scrape.job_name.as_deref()), (Some("/federate"), Some("federate-dc1")));
    assert_eq!(scrape.params["match[]"].len(), 3);
}

#[test]
fn the_studys_file_of_targets() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/study/targets/jenkins.json");
    let groups = read_file_sd(&path).unwrap();
    let [group] = &groups[..] else { panic!("{groups:?}") };
    assert_eq!(addresses(group), ["centos9-vm.internal.local:8080"]);
    assert_eq!(labels(group), [("environment", "production"), ("product", "jenkins"), ("team", "devops")]);
    assert_eq!((group.origin, group.targets[0].place.line), (Origin::File, 3));
}

/// A configuration with other files around it.
fn tree(files: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let directory = TempDir::with_prefix("srvctl-prometheus-").unwrap();
    for (file, text) in files {
        let path = directory.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let path = directory.path().join("prometheus.yml");
    (directory, path)
}

#[test]
fn files_of_targets_are_relative_and_a_broken_one_stops_no_other() {
    let main = "scrape_configs: [{ job_name: web, file_sd_configs: [{ files: ['sd/*.json', sd/one.yml] }] }]";
    let (_directory, path) = tree(&[
        ("prometheus.yml", main),
        ("sd/a.json", "[{\"targets\": [\"a:1\"],\n\t\"labels\": {\"zone\": \"\\u00fc\"}}]"),
        ("sd/.b.json", "[{\"targets\": [\"b:1\"]}]"),
        ("sd/broken.json", "[{\"targets\": [\"c:1\"]},]"),
        ("sd/yaml.json", "- targets: [d:1]"),
        ("sd/misspelt.json", "[{\"target\": [\"e:1\"]}]"),
        ("sd/one.yml", "- targets: [f:1]\n  labels: { rack: 7, empty: }\n- labels: {}\n  targets:\n"),
        ("sd/readme.txt", "no targets"),
    ]);
    let configuration = read(&path).unwrap();
    let job = &configuration.jobs[0];
    assert_eq!(job.groups.iter().flat_map(addresses).collect::<Vec<_>>(), ["b:1", "a:1", "f:1"]);
    assert_eq!(labels(&job.groups[1]), [("zone", "ü")]);
    assert_eq!(labels(&job.groups[2]), [("empty", ""), ("rack", "7")]);
    let files = job.file_sd.iter().map(|found| found.files.len()).collect::<Vec<_>>();
    assert_eq!(files, [5, 1], "hidden files are taken, as Go takes them");
    let told: Vec<_> = job.problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].contains("is no JSON: expected value") && told[0].contains("broken.json:1:23"), "{}", told[0]);
    assert!(told[1].contains("misspelt.json:1:") && told[1].contains("target"), "{}", told[1]);
    assert!(told[2].contains("is no JSON"), "{}", told[2]);
}

#[test]
fn files_of_targets_that_are_not_there_are_told() {
    let main = "scrape_config_files: ['later/*.yml']\nscrape_configs:\n  - job_name: web\n    \
                file_sd_configs: [{ files: ['sd/*.json', /nowhere/srvctl/a.json, ok.json, 'no[t.json'] }]\n";
    let (directory, path) =
        tree(&[("prometheus.yml", main), ("ok.json", "[]"), ("sd/other.yml", ""), ("later/readme", "")]);
    let configuration = read(&path).unwrap();
    assert_eq!(configuration.problems, [], "a directory for what may come");
    let told: Vec<_> = configuration.jobs[0].problems.iter().map(|problem| problem.message.clone()).collect();
    let [relative, absolute, wrong] = &told[..] else { panic!("{told:?}") };
    assert_eq!(*relative, format!("no file matches `sd/*.json` in {}", directory.path().display()));
    assert_eq!(absolute, "no file matches `/nowhere/srvctl/a.json`");
    assert!(wrong.contains("is not a pattern of files"), "{wrong}");
    assert_eq!(configuration.jobs[0].problems[0].place().unwrap().line, 4);
}

#[test]
fn further_files_of_jobs_are_read_relative_to_themselves() {
    let (_directory, path) = tree(&[
        ("prometheus.yml", "scrape_config_files: ['jobs/*.yml', 'none/*.yml']\nscrape_configs:\n  - job_name: web\n"),
        (
            "jobs/a.yml",
            "scrape_configs:\n  - { job_name: db, file_sd_configs: [{ files: [db.json] }] }\n  - job_name: web\n",
        ),
        ("jobs/b.yml", "scrape_configs: [\n"),
        ("jobs/db.json", "[{\"targets\": [\"db:1\"]}]"),
    ]);
    let configuration = read(&path).unwrap();
    let names: Vec<_> = configuration.jobs.iter().map(|job| job.name.as_str()).collect();
    assert_eq!(names, ["web", "db", "web"]);
    assert_eq!(configuration.jobs[1].groups.iter().flat_map(addresses).collect::<Vec<_>>(), ["db:1"]);
    assert!(configuration.jobs[2].problems[0].to_string().contains("there is a job `web` already"));
    let [broken, absent] = &configuration.problems[..] else { panic!("{:?}", configuration.problems) };
    assert!(broken.to_string().contains("jobs/b.yml:"), "{broken}");
    assert!(absent.message.contains("no file matches `none/*.yml` in "), "{absent}");
}

#[test]
fn anchors_merges_nulls_and_everything_else_that_prometheus_takes() {
    let text = "\
global: { scrape_interval: 1m, scrape_timeout: 10s, external_labels: { site: dc1 } }
x-common: &common { scheme: https, scrape_interval: 0s, params: { format: [prometheus], none: } }
alerting: { alertmanagers: [{ static_configs: [{ targets: [am:9093] }] }] }
scrape_configs:
  - <<: *common
    job_name: web
    honor_labels:
    static_configs:
    basic_auth: { username: a, password_file: b }
    metric_relabel_configs: []
    ec2_sd_configs: [{ region: eu }]
    http_sd_configs: [{ url: http://sd/targets }]
    dns_sd_configs: [{ names: [a.example, b.example.], type: a, port: 80 }]
    relabel_configs: [{ source_labels: [__address__], regex: 5, target_label: n, replacement: '', action: Replace }]
";
    let configuration = parse("prometheus.yml", text).unwrap();
    assert_eq!(configuration.interval, Some(Duration::from_mins(1)));
    assert_eq!(configuration.timeout, Some(Duration::from_secs(10)));
    let job = &configuration.jobs[0];
    assert_eq!((job.scrape.scheme, job.scrape.interval, job.scrape.honor_labels), (Some(Scheme::Https), None, false));
    assert_eq!(job.scrape.params["none"], Vec::<String>::new());
    assert_eq!(job.unread, ["basic_auth", "metric_relabel_configs"]);
    assert_eq!(discoveries(job), ["dns_sd_configs", "http_sd_configs", "ec2_sd_configs"]);
    assert_eq!(
        (job.http_sd[0].as_str(), job.dns_sd[0].record_type, job.dns_sd[0].port),
        ("http://sd/targets", RecordType::A, Some(80))
    );
    assert_eq!((job.relabel[0].regex.as_str(), job.relabel[0].replacement.as_str()), ("5", ""));
    for nothing in ["", "# only words\n", "global: {}\n", "scrape_configs:\n", "scrape_configs: []\n"] {
        assert_eq!(parse("prometheus.yml", nothing).unwrap().jobs, [], "{nothing:?}");
    }
}

#[test]
fn what_is_no_configuration_is_told_with_its_place() {
    for (text, place, word) in [
        ("scrape_configs:\n  - job_name: a\n   static_configs: []\n", "prometheus.yml:3:", ""),
        ("scrape_configs: {}\n", "prometheus.yml:1:17", "a list is wanted here"),
        (
            "scrape_configs:\n  - job_name: a\n    static_configs:\n      - targets: a:1\n",
            "prometheus.yml:4:18",
            "a list is wanted here",
        ),
        (
            "scrape_configs:\n  - job_name: a\n    job_name: b\n",
            "prometheus.yml:3:5",
            "the key is there twice: `job_name`",
        ),
        ("scrape_configs:\n  - job_name: a\n    static_configs: [{ target: [a] }]\n", "prometheus.yml:3:", "target"),
        ("a: *b\n", "prometheus.yml:1:4", ""),
        ("a: b\n---\nc: d\n", "prometheus.yml:3:1", "a second document"),
        (
            "scrape_configs: [{ job_name: a, honor_labels: 7 }]",
            "prometheus.yml:1:47",
            "`true` or `false` is wanted here",
        ),
        ("scrape_configs: [text]", "prometheus.yml:1:18", "keys with values are wanted here"),
    ] {
        let error = parse("prometheus.yml", text).map(|_| ()).expect_err(text).to_string();
        assert!(error.contains(place) && error.contains(word), "{text}\n{error}");
        assert!(!error.contains("Options") && !error.contains("from_str"), "{error}");
    }
    let missing = read(Path::new("/nowhere/prometheus.yml")).unwrap_err().to_string();
    assert!(
        missing.contains("/nowhere/prometheus.yml") && missing.contains("cannot be read: No such file"),
        "{missing}"
    );
}

#[test]
fn what_prometheus_would_refuse_inside_of_jobs_stops_nothing_else() {
    let text = "\
scrape_configs:
  - static_configs: [{ targets: [a:1] }]
  - job_name: web
    scheme: ftp
    scrape_interval: soon
    dns_sd_configs: [{ names: [a], type: TXT }, { names: [b] }]
    relabel_configs: [{ action: guess }]
";
    let configuration = parse("prometheus.yml", text).unwrap();
    let [unnamed] = &configuration.problems[..] else { panic!("{:?}", configuration.problems) };
    assert!(unnamed.to_string().contains("no `job_name`") && unnamed.place().unwrap().line == 2, "{unnamed}");
    let job = &configuration.jobs[0];
    let told: Vec<_> =
        job.problems.iter().map(|problem| (problem.place().unwrap().line, problem.message.as_str())).collect();
    let expected = [
        (4, "`scheme` must be \"http\" or \"https\", not \"ftp\""),
        (5, "`soon` is not a length of time"),
        (6, "`TXT` is no type that Prometheus looks up"),
        (7, "`guess` is no action of relabelling"),
    ];
    assert_eq!(told, expected);
    assert_eq!(job.dns_sd.len(), 1);
}

#[test]
fn many_targets_are_read() {
    let one = |host| format!("- targets: [host-{host}:9100]\n  labels: {{ rack: r{host} }}\n");
    let targets = (0..20_000).map(one).collect::<Vec<_>>().concat();
    let groups = parse_file_sd("many.yml", &targets).unwrap();
    assert_eq!((groups.len(), groups[19_999].targets[0].place.line), (20_000, 39_999));
    let json: Vec<_> = (0..20_000).map(|host| format!("\"host-{host}:9100\"")).collect();
    let groups = parse_file_sd("many.json", &format!("[{{\"targets\": [{}]}}]", json.join(","))).unwrap();
    assert_eq!(groups[0].targets.len(), 20_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_the_text_it_is_read_or_refused_with_a_word(text in "[a-c:,\\-\\[\\]{}#&*!|>'\"%@?~<\n\t ü0]{0,40}") {
        let show = |problem: &Diagnostic| {
            assert!(!problem.to_string().is_empty());
            let _ = problem.place();
        };
        for text in [text.clone(), format!("scrape_configs:\n  - job_name: a\n    static_configs: {text}")] {
            match parse("prometheus.yml", &text) {
                Ok(configuration) => {
                    let of_jobs = configuration.jobs.iter().flat_map(|job| &job.problems);
                    configuration.problems.iter().chain(of_jobs).for_each(show);
                }
                Err(problem) => show(&problem),
            }
        }
        for file in ["targets.yml", "targets.json"] {
            parse_file_sd(file, &text).map_or_else(|problem| show(&problem), |_| ());
        }
    }
}
