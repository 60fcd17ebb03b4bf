use std::fs;

use super::*;
use crate::dns::{Authorities, Tls};

pub(super) const KEY: &str = "key \"srvctl\" { algorithm hmac-sha256; secret \"c2VjcmV0LXNlY3JldC1zZWNyZXQ=\"; };";

const FULL: &str = r#"
owner = "dns1"
services = ["services.d/*.toml", "/srv/more.toml"]

[daemon]
state_dir = "state"
interval = "1m30s"
commands = true

[api]
socket = "/run/x.sock"

[[zone]]
name = "internal.local"
primary = "127.0.0.1:5300"
key_file = "good.key"
ttl = 60
max_records_per_rrset = 50
notify_listen = "127.0.0.1:5301"
verify = ["system", "192.0.2.1"]

[[zone]]
name = "other.local."
primary = "ns.other.local"
key_file = "good.key"
"#;

fn load_text(text: &str) -> (tempfile::TempDir, Result<Config, Vec<Diagnostic>>) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("good.key"), KEY).unwrap();
    fs::write(directory.path().join("md5.key"), KEY.replace("sha256", "md5")).unwrap();
    let path = directory.path().join("srvctl.toml");
    fs::write(&path, text).unwrap();
    let config = load(&path);
    (directory, config)
}

fn errors(text: &str) -> Vec<String> {
    let (_directory, config) = load_text(text);
    config.unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn reads_every_key() {
    let (directory, config) = load_text(FULL);
    let config = config.unwrap();
    assert_eq!(config.owner.to_string(), "dns1");
    assert_eq!(config.services.len(), 2);
    assert_eq!(config.daemon.state_dir, directory.path().join("state"));
    assert_eq!(config.daemon.interval, Duration::from_secs(90));
    assert!(config.daemon.commands);
    assert_eq!(config.api.socket, Path::new("/run/x.sock"));
    let names: Vec<_> = config.zone_names().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["internal.local.", "other.local."]);
    let zone = &config.zones[0];
    assert_eq!((zone.ttl, zone.max_records_per_rrset), (60, 50));
    assert_eq!(zone.primary, Server::new("127.0.0.1", 5300));
    assert_eq!(zone.key.name().to_string(), "srvctl.");
    assert_eq!(zone.notify_listen, Some("127.0.0.1:5301".parse().unwrap()));
    assert_eq!(zone.verify, [VerifyThrough::System, VerifyThrough::Server(Server::new("192.0.2.1", 53))]);
}

#[test]
fn what_is_not_said_has_its_default() {
    let (_directory, config) =
        load_text("owner = \"a\"\nservices = []\n[[zone]]\nname = \"z\"\nprimary = \"h\"\nkey_file = \"good.key\"\n");
    let config = config.unwrap();
    assert_eq!(config.daemon.state_dir, Path::new(defaults::STATE_DIR));
    assert_eq!(config.daemon.interval, defaults::INTERVAL);
    assert!(!config.daemon.commands, "only where somebody has said so");
    assert_eq!(config.api.socket, Path::new(defaults::SOCKET));
    let zone = &config.zones[0];
    assert_eq!((zone.ttl, zone.max_records_per_rrset), (300, 100));
    assert_eq!(zone.verify, [VerifyThrough::Server(zone.primary.clone())]);
    assert_eq!(zone.notify_listen, None);
}

#[test]
fn all_errors_come_at_once_in_the_order_of_the_text() {
    let errors = errors(
        r#"ownr = "dns1"
services = ["services.d/*.toml", 3, "[x"]

[daemon]
interval = "30"
state_dir = 5

[api]
sockt = "x"

[[zone]]
name = "internal..local"
primary = "127.0.0.1:0"
key_file = "missing.key"
ttl = 0
max_records_per_rrset = "100"
notify_listen = "localhost:53"
verify = []

[[zone]]
name = "z"
primary = "h"
key_file = "md5.key"

[[zone]]
name = "Z."
"#,
    );
    let expected = [
        ("needs the key `owner`", "srvctl.toml:1:1", "add `owner = \"dns1\"`"),
        ("unknown key `ownr`", "srvctl.toml:1:1", "did you mean `owner`?"),
        ("`services` must be a list of strings, and this is an integer", "toml:2:34", ""),
        ("`[x` is not a pattern of files", "toml:2:37", ""),
        ("`30` is not a length of time: write it as `30s`", "toml:5:12", ""),
        ("`state_dir` must be a string in quotes, not an integer", "toml:6:13", ""),
        ("unknown key `sockt` in `[api]`", "toml:9:1", "did you mean `socket`?"),
        ("zone `internal..local` has an empty label", "toml:12:8", ""),
        ("`127.0.0.1:0` is not a server", "toml:13:11", ""),
        ("missing.key: the key file cannot be read: No such file", "toml:14:12", ""),
        ("`ttl` must be from 1 to 604800, not 0", "toml:15:7", ""),
        ("`max_records_per_rrset` must be an integer without quotes, not a string", "toml:16:25", ""),
        ("`localhost:53` is not an address to listen on", "toml:17:17", ""),
        ("`verify` names no server", "toml:18:10", "remove the line"),
        ("`[[zone]]` needs the key `primary`", "toml:25:1", ""),
        ("`[[zone]]` needs the key `key_file`", "toml:25:1", ""),
        ("zone `Z.` is configured twice; first at", "toml:26:8", ""),
        ("hmac-md5 is refused", "md5.key:1:26", "tsig-keygen"),
    ];
    for ((message, place, help), error) in expected.iter().zip(&errors) {
        assert!(error.contains(message) && error.contains(place) && error.contains(help), "{message}:\n{error}");
    }
    assert_eq!(errors.len(), expected.len(), "{}", errors.join("\n"));
}

pub(super) fn zone(lines: &str) -> String {
    format!("owner = \"a\"\nservices = []\n[[zone]]\nname = \"z\"\nkey_file = \"good.key\"\n{lines}\n")
}

fn write_authority(directory: &Path) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    fs::write(directory.join("ca.pem"), certificate.pem()).unwrap();
}

#[test]
fn over_tls_the_port_is_853_and_the_name_the_primarys() {
    for (lines, primary, name) in [
        ("primary = \"ns1.z\"", "ns1.z:853", "ns1.z"),
        ("primary = \"ns1.z:8853\"", "ns1.z:8853", "ns1.z"),
        ("primary = \"192.0.2.1\"", "192.0.2.1:853", "192.0.2.1"),
        ("primary = \"[2001:db8::1]:53\"\ntls_server_name = \"ns1.z.\"", "[2001:db8::1]:53", "ns1.z"),
        ("primary = \"[fe80::1%eth0]\"\ntls_server_name = \"ns1.z\"", "[fe80::1%eth0]:853", "ns1.z"),
    ] {
        let (directory, _) = load_text("");
        write_authority(directory.path());
        let path = directory.path().join("srvctl.toml");
        fs::write(&path, zone(&format!("transport = \"tls\"\ntls_ca_file = \"ca.pem\"\n{lines}"))).unwrap();
        let config = load(&path).unwrap();
        assert_eq!(config.zones[0].primary.to_string(), primary);
        let authorities = Authorities::load(&directory.path().join("ca.pem")).unwrap();
        assert_eq!(config.zones[0].transport, Transport::Tls(Tls::new(authorities, name.parse().unwrap())));
        // Prometheus asks in the open, and so does verification.
        let verify = Server::new(config.zones[0].primary.host.clone(), 53);
        assert_eq!(config.zones[0].verify, [VerifyThrough::Server(verify)]);
        // Another authority under the same name is another configuration, so that SIGHUP takes it up.
        write_authority(directory.path());
        assert_ne!(load(&path).unwrap(), config);
    }
}

#[test]
fn what_is_wrong_with_the_way_to_the_primary() {
    let tls = "transport = \"tls\"\nprimary";
    for (lines, message, place, help) in [
        (format!("{tls} = \"h\""), "needs the key `tls_ca_file`", "toml:3:1", "ca-certificates.crt"),
        (format!("{tls} = \"h\"\ntls_ca_file = \"none\""), "none cannot be read: No such file", "toml:8:15", ""),
        (format!("{tls} = \"h\"\ntls_ca_file = \"good.key\""), "good.key holds no certificate", "toml:8:15", ""),
        (format!("{tls} = \"[fe80::1%a]\""), "`fe80::1%a` is neither a host name", "toml:7:11", "tls_server_name"),
        (format!("{tls} = \"h\"\ntls_server_name = \"a b\""), "`a b` is neither a host name", "toml:8:19", ""),
        ("transport = \"udp\"\nprimary = \"h\"".into(), "must be \"tcp\" or \"tls\", not \"udp\"", "toml:6:13", ""),
        ("primary = \"h\"\ntls_ca_file = \"x\"".into(), "this has no effect without", "toml:7:15", "or remove this"),
        ("primary = \"h\"\nallow_hmac_sha1 = \"yes\"".into(), "must be true or false", "toml:7:19", ""),
        ("primary = \"h\"\nowner = \"ä\"".into(), "owner", "toml:7:9", ""),
        ("primary = \"h\"\ntransfer_key_file = \"no.key\"".into(), "no.key: the key file cannot", "toml:7:21", ""),
        ("primary = \"h\"\nnotify_listen = \"[::1]:0\"".into(), "is not an address to listen on", "toml:7:17", ""),
    ] {
        let errors = errors(&zone(&lines));
        let said = |error: &String| error.contains(message) && error.contains(place) && error.contains(help);
        assert!(errors.iter().any(said), "{lines}: {message} {place}\n{}", errors.join("\n"));
    }
}

#[test]
fn a_zone_can_have_its_own_owner_and_transfer_key() {
    let (_directory, config) = load_text(&(FULL.to_owned() + "owner = \"dns2\"\ntransfer_key_file = \"good.key\"\n"));
    let zones = config.unwrap().zones;
    assert_eq!((zones[0].owner.to_string(), zones[1].owner.to_string()), ("dns1".into(), "dns2".into()));
    assert_eq!((&zones[0].transfer_key, zones[1].transfer_key.as_ref()), (&None, Some(&zones[1].key)));
}

#[test]
fn a_zone_is_needed() {
    let errors = errors("owner = \"a\"\nservices = []\n");
    assert!(errors[0].contains("no zone is configured"), "{}", errors[0]);
}

#[test]
fn a_missing_file_says_how_to_name_another() {
    let shown = load(Path::new("/nonexistent/srvctl.toml")).unwrap_err()[0].to_string();
    assert!(shown.contains("/nonexistent/srvctl.toml") && shown.contains("--config FILE"), "{shown}");
}

#[test]
fn the_flag_names_the_file() {
    assert_eq!(locate(Some("x.toml".into())), Path::new("x.toml"));
}

#[test]
fn brackets_in_the_directory_are_no_pattern() {
    let directory = tempfile::tempdir().unwrap();
    let inside = directory.path().join("a[b]*");
    fs::create_dir(&inside).unwrap();
    fs::write(inside.join("s.toml"), "# none").unwrap();
    let pattern = Pattern::new(&inside, "*.toml").unwrap();
    let snapshot = crate::sources::read(&[pattern], &[]);
    assert_eq!(snapshot.files.len(), 1);
    assert!(snapshot.errors().is_empty());
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_configuration_or_errors(text in "(.|\n){0,120}|([ \n\"\\[\\]=.{}',]|owner|services|zone|daemon|a|1|ü){0,40}") {
        let loaded = read::config(Path::new("srvctl.toml"), &text.into());
        for error in loaded.err().into_iter().flatten() {
            proptest::prop_assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn metrics_are_scraped_where_nobody_else_listens() {
    let zone = "owner = \"a\"\nservices = []\n[[zone]]\nname = \"z\"\nprimary = \"h\"\nkey_file = \"good.key\"\n";
    let (_directory, config) = load_text(&format!("{zone}[metrics]\nlisten = \"[::1]:5302\"\n"));
    assert_eq!(config.unwrap().metrics.listen, Some("[::1]:5302".parse().unwrap()));
    let (_directory, config) = load_text(zone);
    assert_eq!(config.unwrap().metrics, MetricsConfig::default());
    let wrong = errors(&format!("{zone}[metrics]\nlisten = \"localhost:5302\"\nlistn = 1\n")).join("\n");
    assert!(wrong.contains("`localhost:5302` is not an address to listen on") && wrong.contains("`listen`"), "{wrong}");
    assert!(wrong.contains("srvctl.toml:8:10"), "{wrong}");
}

#[test]
fn discovery_says_who_stands_in_which_file() {
    let more = "[discovery]\nlisten = \"127.0.0.1:5303\"\n[[discovery.file]]\npath = \"sd/devops.json\"\n\
                services = [\"jenkins\", \"_db._udp\"]\nzones = \"other.local\"\nprotos = [\"tcp\"]\nhosts = [\"h1\"]\n\
                health = [\"passing\"]\npublished = true\nmetadata = { team = [\"a\", \"b\"], env = \"prod\" }\n";
    let (directory, config) = load_text(&(FULL.to_owned() + more));
    let discovery = config.unwrap().discovery.unwrap();
    assert_eq!(discovery.listen, Some("127.0.0.1:5303".parse().unwrap()));
    let [file] = &discovery.files[..] else { panic!("{:?}", discovery.files) };
    assert_eq!(file.path, directory.path().join("sd/devops.json"));
    let asked = [
        ("service", "jenkins"),
        ("service", "_db._udp"),
        ("zone", "other.local"),
        ("proto", "tcp"),
        ("host", "h1"),
        ("health", "passing"),
        ("published", "true"),
        ("meta.team", "b"),
        ("meta.team", "a"),
        ("meta.env", "prod"),
    ];
    let pairs: Vec<_> = asked.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let zones = ["internal.local", "other.local"].map(|zone| zone.parse().unwrap());
    assert_eq!(file.selection, Selection::of_request(&pairs, &zones).unwrap(), "the same words as in a request");
    let (_directory, config) = load_text(&(FULL.to_owned() + "[discovery]\n"));
    assert_eq!(config.unwrap().discovery, Some(DiscoveryConfig::default()));
}

#[test]
fn discovery_that_would_write_nothing_or_twice_is_an_error() {
    for (table, expected) in [
        ("listen = \"127.0.0.1:0\"", "is not an address to listen on"),
        ("[[discovery.file]]\n", "path = "),
        ("[[discovery.file]]\npath = \"x.yml\"", "is not the name of one JSON file"),
        ("[[discovery.file]]\npath = \"*.json\"", "is not the name of one JSON file"),
        ("[[discovery.file]]\npath = \"x.json\"\nservices = []", "`services` names nothing"),
        ("[[discovery.file]]\npath = \"x.json\"\nmetadata = { team = [] }", "`metadata.team` names nothing"),
        ("[[discovery.file]]\npath = \"x.json\"\nzones = \"elsewhere.local\"", "is not a managed zone"),
        ("[[discovery.file]]\npath = \"x.json\"\nhealth = \"well\"", "`well` is none of"),
        ("[[discovery.file]]\npath = \"x.json\"\nservice = \"a\"", "did you mean `services`"),
        ("[[discovery.file]]\npath = \"x.json\"\n[[discovery.file]]\npath = \"x.json\"", "is written twice"),
        ("[[discovery.file]]\npath = \"x.json\"\n[[discovery.file]]\npath = \"a/.././x.json\"", "is written twice"),
        ("[[discovery.file]]\npath = \"state/no/../targets.json\"", "keeps what was listed last"),
    ] {
        let errors = errors(&format!("{FULL}[discovery]\n{table}\n"));
        assert!(errors.len() == 1 && errors[0].contains(expected), "{table}: {errors:#?}");
    }
    let metrics = "[metrics]\nlisten = \"127.0.0.1:5303\"\n[discovery]\nlisten = \"127.0.0.1:5303\"\n";
    let errors = errors(&(FULL.to_owned() + metrics));
    assert!(errors.len() == 1 && errors[0].contains("taken already, by `[metrics] listen`"), "{errors:#?}");
}

#[test]
fn the_shipped_file_shows_keys_that_there_are() {
    let shipped = include_str!("../../config/srvctl.toml").split_once("# [discovery]").unwrap().1;
    let lines = shipped.split_once("\n\n").unwrap().0.lines().filter_map(|line| line.strip_prefix("# "));
    let is_toml = |line: &&str| line.starts_with('[') || line.contains(" = ");
    let table = lines.filter(is_toml).fold(String::from("[discovery]\n"), |table, line| table + line + "\n");
    let (_directory, config) = load_text(&(FULL.to_owned() + &table));
    let files = config.unwrap().discovery.unwrap().files;
    assert_eq!((files.len(), files[0].selection.metadata.len()), (1, 2), "{table}");
}
