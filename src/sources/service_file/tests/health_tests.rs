use std::path::Path;
use std::time::Duration;

use super::{SERVICE, parse_text, shown};
use crate::model::health::{CheckTls, HttpMethod, MinHealthy};
use crate::model::{CheckKind, Condition, HealthPolicy, RecordType, Server, Service};
use crate::sources::parse;

const GOOD: &str = r#"
[[service]]
name = "web"

[service.health]
policy = "withdraw"
min_healthy = "60%"

[[service.check]]
type = "http"
url = "https://{host}:{port}/healthz?a={{b}}"
status = [204, "300-399"]
body = "^ok"
method = "POST"
headers_file = "web.headers"
tls_ca_file = "/etc/ca.pem"
tls_server_name = "web.example."
interval = "30s"
timeout = "500ms"
rise = 1
fall = 5
initial = "failing"

[[service.check]]
type = "tcp"
port = 81

[[service.instance]]
host = "a"
port = 443

[[service.instance]]
host = "b"
port = 443
check = []

[[service.instance]]
host = "c"
port = 443
check = [
  { type = "dns", name = "internal.local", record = "soa", server = "192.0.2.1" },
  { type = "grpc", service = "web.v1", tls = true, tls_insecure = true },
  { type = "command", command = ["/bin/check", "-p", 5, "{address}"], environment = { HOME = "/tmp", AT = "{host}" } },
  { type = "lease", ttl = "45s" },
]
"#;

fn file(text: &str) -> Vec<Service> {
    let zones = ["internal.local".parse().unwrap()];
    parse(&"/etc/srvctl/services.d/s.toml".into(), &text.into(), &zones).unwrap()
}

#[test]
fn reads_every_key_of_every_check() {
    let service = file(GOOD).remove(0);
    assert_eq!(service.health, HealthPolicy::Withdraw { min_healthy: MinHealthy::Percent(60) });
    let [http, tcp] = &service.checks[..] else { panic!("{:?}", service.checks) };
    assert_eq!((http.interval, http.timeout), (Duration::from_secs(30), Duration::from_millis(500)));
    assert_eq!((http.rise, http.fall, http.initial), (1, 5, Condition::Failing));
    assert_eq!((tcp.interval, tcp.timeout), (Duration::from_secs(10), Duration::from_secs(3)));
    assert_eq!((tcp.rise, tcp.fall, tcp.initial), (2, 3, Condition::Passing));
    let CheckKind::Http(http) = &http.kind else { panic!("{http:?}") };
    assert_eq!(http.url.as_str(), "https://{host}:{port}/healthz?a={{b}}");
    assert!(http.accepts(204) && http.accepts(301) && !http.accepts(200) && http.is_https());
    assert!(http.body.as_ref().is_some_and(|body| body.is_in(b"ok\n") && !body.is_in(b"not ok")));
    assert_eq!(http.method, HttpMethod::Post);
    assert_eq!(http.headers_file.as_deref(), Some(Path::new("/etc/srvctl/services.d/web.headers")), "beside the file");
    let ca_file = Some("/etc/ca.pem".into());
    assert_eq!(http.tls, CheckTls { ca_file, server_name: Some("web.example".to_owned()), insecure: false });
    assert!(matches!(&tcp.kind, CheckKind::Tcp(tcp) if tcp.port.is_some_and(|port| port.get() == 81)));
    let checks = |at: usize| service.checks_of(&service.instances[at]);
    assert_eq!((checks(0).len(), checks(1).len(), checks(2).len()), (2, 0, 4));
    let [dns, grpc, command, lease] = checks(2) else { panic!("{:?}", checks(2)) };
    let CheckKind::Dns(dns) = &dns.kind else { panic!("{dns:?}") };
    assert_eq!((dns.record, &dns.server), (RecordType::SOA, &Some(Server::new("192.0.2.1", 53))));
    let CheckKind::Grpc(grpc) = &grpc.kind else { panic!("{grpc:?}") };
    assert_eq!((&*grpc.service, grpc.tls.as_ref().map(|tls| tls.insecure)), ("web.v1", Some(true)));
    let CheckKind::Command(command) = &command.kind else { panic!("{command:?}") };
    let words: Vec<_> = command.command.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["/bin/check", "-p", "5", "{address}"]);
    assert_eq!(command.environment["AT"].as_str(), "{host}");
    assert_eq!((lease.interval, lease.rise, lease.fall), (Duration::from_secs(45), 1, 1));
}

#[test]
fn what_is_not_said_has_its_default() {
    let service = parse_text(&SERVICE.replace("[[service.i", "[[service.check]]\ntype = \"http\"\n[[service.i"));
    let service = service.unwrap().remove(0);
    assert_eq!(service.health, HealthPolicy::Publish);
    let CheckKind::Http(http) = &service.checks[0].kind else { panic!("{:?}", service.checks) };
    assert_eq!((http.url.as_str(), http.method), ("http://{host}:{port}/", HttpMethod::Get));
    assert!(http.accepts(200) && http.accepts(299) && !http.accepts(301) && http.body.is_none());
    let brief = "[[service.check]]\ntype = \"tcp\"\ninterval = \"1s\"\n[[service.i";
    let service = parse_text(&SERVICE.replace("[[service.i", brief)).unwrap().remove(0);
    assert_eq!(service.checks[0].timeout, Duration::from_secs(1), "the default gives way");
    let unchecked = parse_text(SERVICE).unwrap().remove(0);
    assert!(!unchecked.is_checked() && service.is_checked());
    assert!(unchecked.says_the_same(&service) && !unchecked.is_checked_alike(&service));
}

/// One check with these lines, and what is said of it: nothing more than that.
fn refused(cases: &[(&str, &str)]) {
    for (lines, expected) in cases {
        let check = format!("[[service.check]]\n{lines}\n[[service.i");
        let shown = shown(parse_text(&SERVICE.replace("[[service.i", &check)));
        assert!(shown.contains(expected), "{lines}\n{shown}");
        assert_eq!(shown.matches("error: ").count(), 1, "{lines}\n{shown}");
    }
}

#[test]
fn refuses_checks_that_cannot_be_made() {
    refused(&[
        ("", "`[[service.check]]` needs the key `type`"),
        ("type = \"https\"\nurl = 3", "`type` of a check must be \"http\", \"tcp\""),
        ("type = \"http\"\nurl = \"ftp://h/\"", "it must start with http:// or https://"),
        ("type = \"http\"\nurl = \"http://\"", "s.toml:5:7"),
        ("type = \"http\"\nurl = \"http://a:b@{host}/\"", "put an `Authorization:` line into a `headers_file`"),
        ("type = \"http\"\nurl = \"http://{host}/#top\"", "never sent to a server"),
        ("type = \"http\"\nurl = \"http://{hots}/\"", "there is nothing to fill in for `{hots}`"),
        ("type = \"http\"\nurl = \"http://{host/\"", "without its counterpart"),
        ("type = \"http\"\nurl = \"http://a b/\"", "is not a URL"),
        ("type = \"http\"\nstatus = []", "no status passes"),
        ("type = \"http\"\nstatus = [99]", "a `status` must be from 100 to 599"),
        ("type = \"http\"\nstatus = [\"300-200\"]", "or a range like \"200-399\", not 300-200"),
        ("type = \"http\"\nstatus = 200", "`status` must be a list"),
        ("type = \"http\"\nbody = \"(\"", "is not a regular expression: unclosed group"),
        ("type = \"http\"\nbody = \"a{9999}{9999}\"", "is not a regular expression"),
        ("type = \"http\"\nmethod = \"get\"", "`method` must be \"GET\", \"HEAD\""),
        ("type = \"http\"\nmethod = \"HEAD\"\nbody = \"x\"", "the answer to HEAD has no body"),
        ("type = \"http\"\nheaders_file = \"\"", "`headers_file` is empty"),
        ("type = \"http\"\ntls_insecure = true", "`tls_insecure` means nothing: the URL is not `https://`"),
        (
            "type = \"http\"\nurl = \"https://{host}/\"\ntls_ca_file = \"x\"\ntls_insecure = true",
            "`tls_ca_file` means nothing with `tls_insecure`",
        ),
        ("type = \"http\"\nport = 1", "unknown key `port` in `[[service.check]]`"),
        ("type = \"tcp\"\nport = 0", "`port` must be from 1 to 65535"),
        ("type = \"tcp\"\nurl = \"x\"", "unknown key `url`"),
        ("type = \"dns\"", "needs the key `name`"),
        ("type = \"dns\"\nname = \"a..b\"", "name `a..b` has an empty label"),
        ("type = \"dns\"\nname = \"a\"\nrecord = \"ANY\"", "is no type that a record can have"),
        ("type = \"dns\"\nname = \"a\"\nrecord = \"X\"", "s.toml:6:10"),
        ("type = \"dns\"\nname = \"a\"\nserver = \"a b\"", "is not a server"),
        ("type = \"grpc\"\ntls_server_name = \"a\"", "`tls_server_name` means nothing: `tls = true` is not there"),
        ("type = \"command\"", "needs the key `command`"),
        ("type = \"command\"\ncommand = []", "`command` is empty"),
        ("type = \"command\"\ncommand = [\"ls\"]", "`ls` is not an absolute path"),
        ("type = \"command\"\ncommand = [\"/bin/{host}\"]", "who registers a host would choose the program"),
        ("type = \"command\"\ncommand = \"/bin/ls\"", "`command` must be a list"),
        ("type = \"command\"\ncommand = [\"/a\", \"b\\u0000\"]", "no program can be given a NUL byte"),
        ("type = \"command\"\ncommand = [\"/a\"]\nenvironment = { \"A=B\" = \"\" }", "`A=B` is not the name of an"),
        ("type = \"lease\"\ninterval = \"3s\"", "unknown key `interval`"),
        ("type = \"tcp\"\ninterval = \"10ms\"", "`interval` must be from"),
        ("type = \"tcp\"\ninterval = \"25h\"", "`interval` must be from"),
        ("type = \"tcp\"\ntimeout = \"11s\"", "`timeout` must not be longer than `interval`"),
        ("type = \"tcp\"\ntimeout = \"1ms\"", "`timeout` must be from 10ms to 2m, not 1ms"),
        ("type = \"tcp\"\nrise = 0", "`rise` must be from 1 to 100, not 0"),
        ("type = \"tcp\"\nfall = 101", "`fall` must be from 1 to 100, not 101"),
        ("type = \"tcp\"\n[[service.check]]\ntype = \"tcp\"\nfall = 3", "this check is there already\n --> s.toml:5:1"),
        ("type = \"tcp\"\ninitial = \"up\"", "`initial` must be \"passing\", \"failing\" or \"unknown\", not \"up\""),
    ]);
}

#[test]
fn refuses_policies_that_mean_nothing_or_too_much() {
    let check = "[[service.check]]\ntype = \"tcp\"\n";
    for (lines, check, expected) in [
        ("policy = \"remove\"\nmin_healthy = 0", check, "must be \"publish\", \"withdraw\" or \"deprioritise\""),
        ("policy = \"deprioritize\"", check, "help: write it with an `s`"),
        ("policy = \"withdraw\"", "", "nothing follows from the health of this service: it has no check"),
        ("policy = \"withdraw\"\nmin_healthy = 0", check, "`min_healthy` must be from 1 to"),
        ("policy = \"withdraw\"\nmin_healthy = \"0%\"", check, "at least one always has to be healthy"),
        ("policy = \"withdraw\"\nmin_healthy = \"101%\"", check, "from \"1%\" to \"100%\", not \"101%\""),
        ("policy = \"withdraw\"\nmin_healthy = \"half\"", check, "not \"half\""),
        ("policy = \"withdraw\"\npriority = 1", check, "it belongs to `policy = \"deprioritise\"`"),
        ("min_healthy = 1", check, "it belongs to `policy = \"withdraw\"`"),
        ("policy = \"deprioritise\"", check, "needs the key `priority` or `weight`"),
        ("policy = \"deprioritise\"\nweight = 65536", check, "`weight` must be from 0 to 65535"),
        ("policy = \"publish\"\nminhealthy = 1", check, "did you mean `min_healthy`?"),
    ] {
        let text = SERVICE.replace("[[service.i", &format!("[service.health]\n{lines}\n{check}[[service.i"));
        let shown = shown(parse_text(&text));
        assert!(shown.contains(expected), "{lines}\n{shown}");
        assert_eq!(shown.matches("error: ").count(), 1, "{lines}\n{shown}");
    }
    let text = SERVICE.replace("[[service.i", &format!("health = 1\n{check}[[service.i"));
    assert!(shown(parse_text(&text)).contains("write `[service.health]` on a line of its own"));
}

#[test]
fn all_errors_of_all_checks_come_at_once() {
    let text = "[[service]]\nname = \"s\"\n[service.health]\npolicy = \"withdraw\"\nmin_healthy = 0\n\
                [[service.check]]\ntype = \"http\"\nurl = \"x\"\nfall = 0\n[[service.check]]\ntype = \"ping\"\n\
                [[service.instance]]\nhost = \"a b\"\nport = 1\ncheck = [{ type = \"tcp\", prot = 1 }]\n";
    let errors = parse_text(text).unwrap_err();
    let places: Vec<_> = errors.iter().map(|error| error.place().unwrap().to_string()).collect();
    assert_eq!(places, ["s.toml:5:15", "s.toml:8:7", "s.toml:9:8", "s.toml:11:8", "s.toml:13:8", "s.toml:15:26"]);
    let shown = shown(Err(errors));
    assert!(shown.contains("unknown key `prot` in `[[service.instance.check]]`"), "{shown}");
    assert!(shown.contains("help: did you mean `port`?"), "{shown}");
}

proptest::proptest! {
    #[test]
    fn any_check_is_a_check_or_errors(
        lines in "(type = \"(http|tcp|dns|grpc|command|lease)\"\n)?((url|name|body|ttl|interval|timeout|command|tls|port) = (\"[a-z/:{}%.0-9(\\[]{0,12}\"|[0-9]|true|\\[\"/a\"\\])\n){0,4}"
    ) {
        let check = format!("[[service.check]]\n{lines}[[service.i");
        match parse_text(&SERVICE.replace("[[service.i", &check)) {
            Ok(services) => {
                let check = &services[0].checks[0];
                proptest::prop_assert!(check.timeout <= check.interval && check.rise > 0 && check.fall > 0);
            }
            Err(errors) => proptest::prop_assert!(errors.iter().all(|error| error.place().is_some())),
        }
    }
}
