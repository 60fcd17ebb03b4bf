use super::*;

mod browse_tests;
mod health_tests;
mod scrape_tests;

const GOOD: &str = r#"
[[service]]
name = "jenkins"
metadata = { team = "devops", replicas = 2, critical = true, "two words" = "a=b ü" }

[[service.instance]]
host = "centos9-vm"
port = 8080
priority = 10
weight = 20
addresses = ["192.168.188.142", "2001:db8::1"]

[[service.instance]]
host = "elsewhere.example.com."
port = 8080

[[service]]
name = "Node-Exporter"
proto = "udp"
ttl = 30
zone = "INTERNAL.local."
[[service.instance]]
host = "centos9-vm"
port = 9100
"#;

/// A service around the lines under test.
const SERVICE: &str = "[[service]]\nname = \"s\"\n[[service.instance]]\nhost = \"h\"\nport = 1\n";

fn zones(names: &[&str]) -> Vec<Name> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn parse_text(text: &str) -> Result<Vec<Service>, Vec<Diagnostic>> {
    parse(&"s.toml".into(), &text.into(), &zones(&["internal.local"]))
}

fn shown(result: Result<Vec<Service>, Vec<Diagnostic>>) -> String {
    result.unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn reads_every_key() {
    let services = parse_text(GOOD).unwrap();
    let [jenkins, exporter] = &services[..] else { panic!("{services:?}") };
    assert_eq!(jenkins.key.to_string(), "_jenkins._tcp.internal.local.");
    assert_eq!(jenkins.place.to_string(), "s.toml:2:1");
    let metadata: Vec<_> = jenkins.metadata.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(metadata, ["critical=true", "replicas=2", "team=devops", "two words=a=b ü"]);
    let first = &jenkins.instances[1];
    assert_eq!(first.host.to_string(), "centos9-vm.internal.local.");
    assert_eq!((first.port.get(), first.priority, first.weight), (8080, 10, 20));
    assert_eq!(first.addresses.len(), 2);
    assert_eq!(first.place.to_string(), "s.toml:6:1");
    assert_eq!(jenkins.instances[0].host.to_string(), "elsewhere.example.com.", "sorted by host");
    assert_eq!(exporter.key.to_string(), "_Node-Exporter._udp.internal.local.");
    assert_eq!((exporter.ttl, jenkins.ttl), (Some(30), None));
    assert!(exporter.metadata.is_empty() && exporter.instances[0].addresses.is_empty());
}

#[test]
fn a_comment_alone_means_no_services_and_an_empty_file_is_an_error() {
    assert_eq!(parse_text("# nothing yet\n"), Ok(Vec::new()));
    for empty in ["", " \n\n"] {
        assert!(shown(parse_text(empty)).contains("the file is empty"));
    }
}

/// In [`SERVICE`], replaces one line at a time and looks for what is then said: nothing more than that.
fn refused(line: &str, cases: &[(&str, &str)]) {
    for (instead, expected) in cases {
        let text = SERVICE.replace(line, instead);
        let shown = shown(parse_text(&text));
        assert!(shown.contains(expected), "{instead}\n{shown}");
        assert_eq!(shown.matches("error: ").count(), 1, "{instead}\n{shown}");
    }
}

#[test]
fn refuses_ports_and_numbers_out_of_range() {
    refused(
        "port = 1",
        &[
            ("", "`[[service.instance]]` needs the key `port`"),
            ("port = 0", "s.toml:5:8"),
            ("port = 0", "`port` must be from 1 to 65535, not 0"),
            ("port = 65536", "not 65536"),
            ("port = -1", "not -1"),
            ("port = 99999999999999999999", "not 99999999999999999999"),
            ("port = \"80\"", "`port` must be an integer without quotes, not a string"),
            ("port = 8.0", "not a number with a fraction"),
            ("port = 1\npriority = 65536", "`priority` must be from 0 to 65535, not 65536"),
            ("port = 1\nweight = -1", "`weight` must be from 0 to 65535, not -1"),
            ("port = 1\nadresses = []", "did you mean `addresses`?"),
        ],
    );
}

#[test]
fn refuses_hosts_and_addresses_that_cannot_be_published() {
    let long_label = format!("host = \"{}\"", "x".repeat(64));
    let long_name = format!("host = \"{0}.{0}.{0}.{0}\"", "x".repeat(62));
    let no_marker = format!("host = \"{0}.{0}.{0}.{1}\"\naddresses = [\"10.0.0.1\"]", "x".repeat(63), "y".repeat(41));
    refused(
        "host = \"h\"",
        &[
            ("", "needs the key `host`"),
            ("host = \"\"", "`host` is empty"),
            ("host = \".\"", "not available (RFC 2782)"),
            ("host = \"10.0.0.1\"", "is an address, and an SRV record can only point to a name"),
            ("host = \"10.0.0.1.\"", "is an address"),
            ("host = \"2001:db8::1\"", "is an address"),
            ("host = \"[::1]\"", "is an address"),
            ("host = \"a..b\"", "host `a..b` has an empty label"),
            ("host = \"-a\"", "no part of a host name starts or ends with a hyphen"),
            ("host = \"a-.b\"", "no part of a host name starts or ends with a hyphen"),
            ("host = \"a b\"", "host names are letters, digits and hyphens"),
            ("host = \"bücher\"", "host names are letters, digits and hyphens"),
            ("host = \"*\"", "host names are letters, digits and hyphens"),
            ("host = \"my_vm\"", "BIND's check-names refuses such SRV targets"),
            ("host = \"12.34.\"", "is all digits"),
            ("host = \"h.internal.local\"", "would become `h.internal.local.internal.local.`"),
            ("host = \"h.internal.local\"", "write `h`, or `h.internal.local.` with the dot"),
            (&long_label, "has a label of 64 bytes; DNS allows 63"),
            (&long_name, "DNS allows 255"),
            (&no_marker, "with the ownership marker in front of it takes"),
            ("host = \"h\"\naddresses = [\"10.0.0.256\"]", "`10.0.0.256` is not an IP address"),
            ("host = \"h\"\naddresses = [\"10.0.0.1/8\"]", "is not an IP address"),
            ("host = \"h\"\naddresses = [\"0.0.0.0\"]", "reaches no host"),
            ("host = \"h\"\naddresses = [\"ff02::1\"]", "is multicast"),
            ("host = \"h\"\naddresses = [\"255.255.255.255\"]", "is broadcast"),
            ("host = \"h\"\naddresses = [\"::ffff:10.0.0.1\"]", "write it as IPv4"),
            ("host = \"h\"\naddresses = [\"::1\", \"0::1\"]", "address `::1` is listed twice"),
            ("host = \"h\"\naddresses = \"10.0.0.1\"", "must be a list of strings: [\"…\"]"),
            ("host = \"h.example.\"\naddresses = [\"10.0.0.1\"]", "outside every managed zone"),
            ("host = \"notinternal.local.\"\naddresses = [\"10.0.0.1\"]", "outside every managed zone"),
        ],
    );
}

#[test]
fn refuses_service_keys_that_cannot_be_published() {
    let long_service = format!("name = \"{}\"", "x".repeat(63));
    let long_pair = format!("name = \"s\"\nmetadata = {{ k = \"{}\" }}", "x".repeat(254));
    refused(
        "name = \"s\"",
        &[
            ("", "`[[service]]` needs the key `name`"),
            ("name = \"\"", "the service name is empty"),
            ("name = \"_s\"", "write `s`"),
            ("name = \"a.b\"", "letters, digits and hyphens (RFC 6335)"),
            ("name = \"9100\"", "needs at least one letter"),
            ("name = \"a--b\"", "two in a row"),
            ("name = \"-a\"", "may not start or end with a hyphen"),
            (&long_service, "has 63 characters; DNS has room for 62"),
            ("name = \"s\"\nproto = \"sctp\"", "`proto` must be \"tcp\" or \"udp\", not \"sctp\""),
            ("name = \"s\"\nttl = 0", "`ttl` must be from 1 to 604800, not 0"),
            ("name = \"s\"\nttl = 604801", "not 604801"),
            ("name = \"s\"\nshards = 0", "`shards` must be from 1 to 128, not 0"),
            ("name = \"s\"\nshards = 129", "s.toml:3:10"),
            ("name = \"s\"\nshards = true", "`shards` must be an integer without quotes, not a boolean"),
            ("name = \"s\"\nshards = \"4\"", "`shards` must be a number from 1 to 128, or \"auto\", not \"4\""),
            ("name = \"s\"\nshard = 4", "did you mean `shards`?"),
            ("name = \"s\"\nzone = \"other.local\"", "the managed zones are `internal.local`"),
            ("name = \"s\"\nmetadata = { \"a=b\" = \"\" }", "must be printable ASCII without `=`"),
            ("name = \"s\"\nmetadata = { \"\" = \"\" }", "needs at least one character"),
            ("name = \"s\"\nmetadata = { Team = \"\", team = \"\" }", "`team` and `Team` are the same key"),
            ("name = \"s\"\nmetadata = { a = 1.5 }", "write the value in quotes"),
            (&long_pair, "`k=…` takes 256 bytes; a TXT string holds 255"),
            ("name = \"s\"\nmetadata = 3", "`metadata` must be a table"),
        ],
    );
}

#[test]
fn a_service_may_be_spread() {
    let shards = |line: &str| parse_text(&SERVICE.replace("name = \"s\"\n", &format!("name = \"s\"\n{line}\n")));
    for (line, expected) in [
        ("", Shards::Off),
        ("shards = 1", Shards::Fixed(1)),
        ("shards = 128", Shards::Fixed(128)),
        ("shards = \"auto\"", Shards::Auto),
    ] {
        assert_eq!(shards(line).unwrap()[0].shards, expected, "{line}");
    }
}

#[test]
fn the_names_of_shards_need_room_too() {
    let zone = format!("{0}.{0}.{0}", "x".repeat(60));
    let parse = |shards: &str| {
        let text = format!(
            "[[service]]\nname = \"{}\"\n{shards}\n[[service.instance]]\nhost = \"h\"\nport = 1\n",
            "s".repeat(50)
        );
        parse(&"s.toml".into(), &text.as_str().into(), &zones(&[&zone]))
    };
    assert!(parse("").is_ok());
    assert!(shown(parse("shards = 2")).contains("and the label of a shard in it takes"));
}

#[test]
fn metadata_fits_one_record() {
    let pairs = |count: usize| {
        let lines: Vec<_> = (10..10 + count).map(|n| format!("k{n} = \"{}\"\n", "x".repeat(251))).collect();
        let lines = lines.concat();
        parse_text(&SERVICE.replace("[[service.i", &format!("[service.metadata]\n{lines}[[service.i")))
    };
    assert_eq!(pairs(34).unwrap()[0].metadata.len(), 34);
    assert!(shown(pairs(35)).contains("the metadata takes 8960 bytes as TXT; 8900 is the limit"));
}

#[test]
fn an_instance_twice_names_both_places() {
    let text = format!("{SERVICE}[[service.instance]]\nhost = \"H.INTERNAL.local.\"\nport = 1\n");
    let shown = shown(parse_text(&text));
    assert!(shown.contains("`H.INTERNAL.local.` port 1 is listed twice in this service; first at s.toml:3:1"));
    assert!(shown.contains("s.toml:6:1"), "{shown}");
}

#[test]
fn a_service_without_instances_is_refused() {
    for text in ["[[service]]\nname = \"s\"", "[[service]]\nname = \"s\"\ninstance = []"] {
        assert!(shown(parse_text(text)).contains("the service has no instance"), "{text}");
    }
}

#[test]
fn several_zones_need_a_choice() {
    let parse = |text: &str| parse(&"s.toml".into(), &text.into(), &zones(&["internal.local", "b.local"]));
    let error = shown(parse(SERVICE));
    assert!(error.contains("needs the key `zone`") && error.contains("`internal.local`, `b.local`"), "{error}");
    let text = SERVICE.replace("\"s\"", "\"s\"\nzone = \"b.local\"");
    assert_eq!(parse(&text).unwrap()[0].instances[0].host.to_string(), "h.b.local.");
    // The zone is wrong, and nothing that follows from it is told.
    let unknown = text.replace("b.local", "c.local").replace("\"h\"", "\"h\"\naddresses = [\"10.0.0.1\"]");
    assert_eq!(parse(&unknown).unwrap_err().len(), 1);
    let other = text.replace("\"h\"", "\"h.internal.local\"");
    assert!(shown(parse(&other)).contains("write `h.internal.local.` with the dot"));
}

#[test]
fn all_errors_come_at_once_with_carets() {
    let text = "nam = 1\n\n[[service]]\nname = jenkins\nprot = \"tcp\"\nttl = 0\nzone = \"x\"\n\
                [[service.instance]]\nhost = \"10.0.0.1\"\nport = 0\nport = 1\nweight = \"1\"\n";
    let errors = parse_text(text).unwrap_err();
    let places: Vec<_> = errors.iter().map(|error| error.place().unwrap().to_string()).collect();
    assert_eq!(
        places,
        [
            "s.toml:1:1",
            "s.toml:4:8",
            "s.toml:5:1",
            "s.toml:6:7",
            "s.toml:7:8",
            "s.toml:9:8",
            "s.toml:10:8",
            "s.toml:11:1",
            "s.toml:12:10"
        ]
    );
    let shown = shown(Err(errors));
    for expected in [
        "unknown key `nam` in this file\n --> s.toml:1:1\n",
        "string values must be quoted",
        "1 | nam = 1\n  | ^^^",
        "help: did you mean `proto`?",
        "duplicate key",
    ] {
        assert!(shown.contains(expected), "{expected}\n{shown}");
    }
}

#[test]
fn a_broken_header_hides_what_it_may_have_caused() {
    let errors = parse_text("[[service]\nname = \"s\"\n").unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].message.contains("unclosed array table"), "{}", errors[0]);
}

proptest::proptest! {
    #[test]
    fn any_text_is_services_or_errors(
        text in "(.|\n){0,120}|([ \n\"=.{},_]|\\[\\[?|\\]\\]?|service|instance|name|host|port|zone|metadata|check|health|type|a|1|ü|\\\\){0,50}"
    ) {
        for error in parse_text(&text).err().into_iter().flatten() {
            proptest::prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn any_host_is_a_name_or_an_error(host in "[a-z0-9_.\\\\ü@-]{0,12}(internal.local)?.{0,2}") {
        let text = SERVICE.replace("\"h\"", &format!("'''{}'''", host.replace('\'', "")));
        for error in parse_text(&text).err().into_iter().flatten() {
            proptest::prop_assert!(!error.to_string().is_empty());
        }
    }
}
