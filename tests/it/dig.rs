//! `srvctl dig` beside the real `dig`, at a real `named`, and what it adds to it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::scripted::{Servers, Service, always, replying};
use crate::support::{
    EXAMPLE, Named, Output, Settings, Workspace, assert_golden, bare, find, free_address, in_private_network, run,
    strings,
};

const RECORDS: &str = r#"
@ MX 10 mail
mail A 10.0.0.1
mail AAAA 2001:db8::1
web CNAME mail
_j._tcp SRV 10 10 8080 mail
_j._tcp SRV 10 20 8080 ns1
_j._tcp TXT "a=b" "c d\"x\\y;z"
*.wild A 10.0.0.9
d DNAME other
x CAA 0 issue "letsencrypt.org"
x SSHFP 4 2 123456789abcdef67890123456789abcdef67890123456789abcdef67890abcd
x TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
x NAPTR 100 50 "s" "z3950+I2L+I2C" "" _z3950._tcp.gatech.edu.
x HINFO "PC" "Linux box"
x TYPE65280 \# 3 010203
_odd._tcp SRV 0 0 80 10.0.0.5.
a-name-that-is-longer-than-the-column A 10.0.0.7
a-name-that-is-longer-than-two-columns-are A 10.0.0.7
"#;

/// The zone of `-x`.
const REVERSE: &str = "168.192.in-addr.arpa";

fn named() -> Named {
    // Else every answer has its own order.
    Named::builder().records(RECORDS).options("rrset-order { order none; };").zone(REVERSE).start()
}

fn at(named: &Named) -> String {
    format!("@{}", named.address())
}

/// srvctl dig at this server, without its own last lines.
fn ours(named: &Named, arguments: &[&str]) -> String {
    let output = bare(&[&["dig", &at(named)], arguments, &["+nocmd", "+noverdict"]].concat());
    assert!([0, 1, 3].contains(&output.code) && output.stderr.is_empty(), "{arguments:?}: {output:?}");
    neutral(&output.stdout)
}

/// The real one; its cookies and its opinion on `.local` are nothing that a consumer has.
fn theirs(named: &Named, arguments: &[&str]) -> String {
    neutral(&named.dig(&[&["+nocookie"], arguments].concat()))
}

/// Without what differs from run to run, and without dig's opinion on `.local`.
fn neutral(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("Multicast DNS") && !line.contains("mDNS query"));
    let shown = lines.map(|line| match line {
        line if line.starts_with(";; ->>HEADER<<-") => line.rsplit_once(": ").unwrap().0,
        line if line.starts_with(";; Query time: ") && line.ends_with(" msec") => ";; Query time: N msec",
        line if line.starts_with(";; WHEN: ") && line.contains(" UTC ") => ";; WHEN: now",
        line => line,
    });
    shown.fold(String::new(), |text, line| text + line + "\n")
}

#[track_caller]
fn assert_same(named: &Named, arguments: &[&str]) {
    let (ours, theirs) = (ours(named, arguments), theirs(named, arguments));
    assert!(!theirs.is_empty() && ours == theirs, "{arguments:?}\n--- srvctl dig\n{ours}\n--- dig\n{theirs}");
}

#[test]
fn every_type_looks_as_in_dig() {
    let named = named();
    named.nsupdate(&format!("zone {REVERSE}\nupdate add 142.188.{REVERSE} 300 PTR centos9-vm.internal.local."));
    for (name, types) in [
        ("internal.local", ["MX", "NS", "SOA", "A"].as_slice()),
        ("mail.internal.local", &["A", "AAAA", "SRV"]),
        ("_j._tcp.internal.local", &["SRV", "TXT"]),
        ("web.internal.local", &["A", "CNAME"]),
        ("x.internal.local", &["CAA", "SSHFP", "TLSA", "NAPTR", "HINFO", "TYPE65280"]),
        ("very.wild.internal.local", &["A"]),
        ("under.d.internal.local", &["A", "DNAME"]),
        ("a-name-that-is-longer-than-the-column.internal.local", &["A"]),
        ("a-name-that-is-longer-than-two-columns-are.internal.local", &["A"]),
        // The name does not exist; it is not this server's.
        ("nothing.internal.local", &["SRV"]),
        ("elsewhere.example", &["SRV"]),
    ] {
        for record_type in types {
            assert_same(&named, &[name, record_type, "+nostats"]);
        }
    }
    assert_same(&named, &["-x", "192.168.188.142", "+nostats"]);
    assert_same(&named, &["-t", "srv", "-q", "_j._tcp.internal.local", "+nostats"]);
    assert_same(&named, &["srv", "_j._tcp.internal.local", "+nostats", "+tcp"]);
}

#[test]
fn any_is_what_the_server_gives() {
    let named = named();
    // The real one would ask over TCP from the start, which no consumer does.
    assert_same(&named, &["internal.local", "ANY", "+nostats", "+notcp"]);
    let any = bare(&["dig", "internal.local", "any", &at(&named)]);
    assert!(any.code == 0 && any.stdout.contains("VERDICT: records; Prometheus never asks for ANY"), "{any:?}");

    // BIND gives one RRset over UDP and all of them over TCP (RFC 8482).
    let minimal = Named::builder().records(RECORDS).options("minimal-any yes; rrset-order { order none; };").start();
    assert_same(&minimal, &["internal.local", "ANY", "+noall", "+answer", "+notcp"]);
    assert_eq!(ours(&minimal, &["internal.local", "ANY", "+noall", "+answer"]).lines().count(), 1);
    assert_eq!(ours(&minimal, &["internal.local", "ANY", "+noall", "+answer", "+tcp"]).lines().count(), 3);
}

#[test]
fn parts_are_shown_and_hidden_as_by_dig() {
    let named = named();
    for switches in [
        "",
        "+nocomments",
        "+nocomments +nostats",
        "+noquestion",
        "+noadditional +nostats",
        "+noall +answer",
        "+noall +ans",
        "+noall +answer +comments",
        "+noall +comments",
        "+noall +stats",
        "+noall +question +additional",
        "+noall +authority +answer +stats",
        "+noall +all",
    ] {
        let arguments: Vec<_> = "_j._tcp.internal.local SRV".split(' ').chain(switches.split_whitespace()).collect();
        assert_same(&named, &arguments);
    }
    let nothing = bare(&["dig", "_j._tcp.internal.local", &at(&named), "+noall"]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (0, ""), "{nothing:?}");
}

#[test]
fn short_is_what_dig_prints() {
    let named = named();
    for (name, record_type) in [
        ("_j._tcp.internal.local", "SRV"),
        ("_j._tcp.internal.local", "TXT"),
        ("internal.local", "SOA"),
        ("internal.local", "MX"),
        ("web.internal.local", "A"),
        ("x.internal.local", "TLSA"),
    ] {
        assert_same(&named, &[name, record_type, "+short"]);
    }
    let absent = bare(&["dig", "nothing.internal.local", &at(&named), "+short"]);
    assert_eq!((absent.code, absent.stdout.as_str(), absent.stderr.as_str()), (3, "", ""), "{absent:?}");
    // Nothing on standard output and nothing else would look the same.
    let refused = bare(&["dig", "elsewhere.example", &at(&named), "+short"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""), "{refused:?}");
    assert!(refused.stderr.contains("unknown (could not resolve"), "{refused:?}");
}

/// More than a datagram holds.
fn many() -> String {
    (1..=90).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "many SRV 0 0 9100 host-{number}-with-a-long-name-for-the-size");
        text
    })
}

#[test]
fn tcp_from_the_start_and_after_a_cut_reply() {
    let named = Named::builder().records(&many()).options("rrset-order { order none; };").start();
    let question = ["many.internal.local", "SRV"];
    let transports = |more: &[&str]| {
        let output = bare(&[&["dig", &at(&named), "--json"], &question[..], more].concat());
        let report: Value = serde_json::from_str(&output.stdout).unwrap();
        let attempts = report["attempts"].as_array().unwrap();
        attempts.iter().map(|attempt| attempt["transport"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(transports(&[]), ["UDP", "TCP"]);
    assert_eq!(transports(&["+tcp"]), ["TCP"]);
    assert_eq!(transports(&["+vc", "+notcp"]), ["UDP", "TCP"]);
    assert_same(&named, &[&question[..], &["+tcp", "+nostats"]].concat());
    assert_same(&named, &[&question[..], &["+noall", "+answer"]].concat());
}

#[test]
fn the_port_may_stand_apart() {
    let named = named();
    let (host, port) = (format!("@{}", named.address().ip()), named.address().port().to_string());
    let output = bare(&["dig", "-p", &port, "_j._tcp.internal.local", &host, "+noall", "+verdict"]);
    let expected =
        ";; VERDICT: records; Prometheus would scrape 2 targets:\nmail.internal.local:8080\nns1.internal.local:8080\n";
    assert_eq!((output.code, output.stdout.as_str()), (0, expected), "{output:?}");
}

/// Answers beside the test, which waits for a command.
fn beside() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Steps with their times left out, each of which must have three decimals.
fn without_times(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(", in ") {
        Some((came, took)) if line.starts_with(";;   came: ") => {
            let (milliseconds, unit) = took.split_once(' ').unwrap();
            let (whole, decimals) = milliseconds.split_once('.').unwrap();
            assert!(whole.parse::<u32>().is_ok() && decimals.len() == 3 && unit == "ms", "{line}");
            format!("{came}, in N ms")
        }
        _ => line.to_owned(),
    };
    text.lines().map(line).fold(String::new(), |text, line| text + &line + "\n")
}

#[test]
fn steps_tell_every_attempt_and_why_the_lookup_went_on() {
    in_private_network("dig::steps_tell_every_attempt_and_why_the_lookup_went_on", || {
        let runtime = beside();
        let last = || {
            replying(|query| match query.question.name.to_string() {
                name if !name.ends_with(".internal.local.") => query.reply().rcode(3),
                _ if query.opt => query.reply().truncated(),
                _ => query.reply().srv("host-1.internal.local.", 8080),
            })
        };
        let servers = runtime.block_on(Servers::start([Service::Unreachable, always(2), last()]));
        fs::write("/etc/resolv.conf", servers.nameserver_lines() + "search corp.example internal.local\n").unwrap();
        let port = servers.port().to_string();
        let output = bare(&["dig", "-q", "_jenkins._tcp", "-p", &port, "+noall", "+trace-steps", "+verdict"]);
        assert_eq!(output.code, 0, "{output:?}");
        assert_golden("dig-steps.txt", &without_times(&output.stdout).replace(&port, "PORT"));

        let report: Value =
            serde_json::from_str(&bare(&["dig", "-q", "_jenkins._tcp", "-p", &port, "--json"]).stdout).unwrap();
        let attempts = report["attempts"].as_array().unwrap();
        let told = attempts.iter().map(|attempt| {
            assert!(attempt["microseconds"].as_u64() >= attempt["milliseconds"].as_u64(), "{attempt}");
            json!([attempt["status"], attempt["answers"], attempt["size"].is_u64(), attempt["edns"]])
        });
        let told: Vec<_> = told.collect();
        assert_eq!(told[0], json!([null, null, false, true]), "refused: {report}");
        assert_eq!(told[1], json!(["SERVFAIL", 0, true, true]), "{report}");
        assert_eq!(told.last().unwrap(), &json!(["NOERROR", 1, true, false]), "{report}");
    });
}

#[test]
fn wrong_switches_say_what_to_write() {
    for (switch, said) in [
        ("+shrt", "did you mean `+short`?"),
        ("+trace", "`+trace-steps` shows every attempt"),
        ("+dnssec", "the consumer's"),
        ("+xyzzy", "there are +short, +tcp"),
        ("-qb.example", "the name is given already"),
    ] {
        let Output { code, stdout, stderr } = bare(&["dig", "a.example", switch]);
        assert!(code == 2 && stdout.is_empty() && stderr.contains(said), "{switch}: {code} {stderr}");
    }
    let wrong = bare(&["dig", "a.example", "--as", "java"]);
    assert!(wrong.code == 2 && wrong.stderr.contains("`java` is no consumer"), "{wrong:?}");
}

#[test]
fn the_verdict_is_on_whom_the_lookup_is_made_as() {
    let named = named();
    let verdict = |name: &str, more: &[&str]| {
        let output = bare(&[&["dig", name, &at(&named), "+noall", "+verdict"], more].concat());
        output.stdout.lines().next().unwrap_or_default().to_owned()
    };
    let found = "_j._tcp.internal.local.";
    assert_eq!(verdict(found, &["--as", "go"]), ";; VERDICT: records; vmagent would scrape 2 targets:");
    assert_eq!(verdict(found, &["--as", "prometheus"]), ";; VERDICT: records; Prometheus would scrape 2 targets:");
    for (name, prometheus, go) in [
        ("nothing.internal.local.", "Prometheus would drop its targets", "vmagent would drop its targets"),
        ("elsewhere.example.", "Prometheus would keep its old targets", "vmagent would drop its targets all the same"),
    ] {
        let (one, other) = (verdict(name, &[]), verdict(name, &["--as", "go"]));
        assert!(one.contains(prometheus) && other.contains(go), "{name}\n{one}\n{other}");
    }
    // A target that is no name to Go fails the whole answer.
    let odd = "_odd._tcp.internal.local.";
    assert_eq!(verdict(odd, &[]), ";; VERDICT: records; Prometheus would scrape 1 target:");
    let as_go = bare(&["dig", odd, &at(&named), "--as", "go", "--json"]);
    let report: Value = serde_json::from_str(&as_go.stdout).unwrap();
    assert_eq!((as_go.code, &report["consumer"], &report["verdict"]), (1, &json!("go"), &json!("unknown")), "{report}");
    assert!(report["reason"].as_str().unwrap().contains("contain invalid names"), "{report}");
    assert_eq!(report["answers"].as_array().map(Vec::len), Some(1), "what came is shown all the same: {report}");
    let text = verdict("_j._tcp.internal.local.", &["TXT"]);
    assert_eq!(text, ";; VERDICT: records; Prometheus never asks for TXT, so they make no target");
}

/// Two services, one of them on several names.
fn site(named: &Named) -> Workspace {
    let workspace = Workspace::new(named);
    for (file, text) in EXAMPLE {
        workspace.write_service(file, text);
    }
    let mut many = "[[service]]\nname = \"many\"\nshards = 3\nmetadata = { team = \"infra\" }\n".to_owned();
    for host in 0..40 {
        let _ = write!(many, "[[service.instance]]\nhost = \"many-{host}\"\nport = 9100\n");
    }
    workspace.write_service("many.toml", &many);
    workspace.converge();
    workspace
}

#[test]
fn a_service_is_looked_up_under_all_its_names() {
    let named = Named::start();
    let workspace = site(&named);
    let names: Vec<_> = workspace.expect(0, &["names", "many"]).stdout.lines().map(str::to_owned).collect();
    assert_eq!(names.len(), 3);
    for word in ["many", "MANY", "_many._tcp"] {
        let output = workspace.expect(0, &["dig", word]);
        for name in &names {
            assert!(output.stdout.contains(&format!(";   {name}\n")), "the name is announced: {output:?}");
            assert!(output.stdout.contains(&format!("<<>> {name} SRV @{}\n", named.address())), "{output:?}");
        }
        let last = output.stdout.lines().last().unwrap();
        let told = format!(";; VERDICT on {word}: records in 3 of 3 look-ups; Prometheus would scrape 40 targets");
        assert_eq!(last, told, "{output:?}");
        assert!(output.stdout.contains(&format!("srvctl dig {word}.\n")), "how to ask for the word: {output:?}");
    }
    let output = workspace.expect(0, &["dig", "many", "+short"]).stdout;
    let short: BTreeSet<_> = output.lines().collect();
    assert_eq!(short.len(), output.lines().count(), "each once: {output}");
    assert_eq!(short.len(), 40, "the data alone");

    let report = workspace.json(&["dig", "many", "--json"]);
    assert_eq!((&report["service"], &report["verdict"]), (&json!("many"), &json!("records")), "{report}");
    assert_eq!(strings(&report["names"]), names);
    let lookups = report["lookups"].as_array().unwrap();
    assert_eq!(lookups.iter().map(|lookup| lookup["name"].as_str().unwrap()).collect::<Vec<_>>(), names);
    assert!(lookups.iter().all(|lookup| lookup["asked"] == json!(named.address().to_string())), "{report}");
}

#[test]
fn what_is_no_service_is_a_name() {
    let named = Named::start();
    let workspace = site(&named);
    let server = at(&named);
    for arguments in [
        ["jenkins.", "SRV"].as_slice(), // as a name
        &["-q", "jenkins"],             // as a name, too
        &["jenkins", "A"],              // a host
        &["gitlab"],                    // nobody's
        &["_jenkins._udp"],
        &["_jenkins._tcp.internal.local"],
    ] {
        let report = workspace.json(&[&["dig", &server, "--json"], arguments].concat());
        assert_eq!(report["service"], json!(null), "{arguments:?}: {report}");
        assert!(report["verdict"].is_string() && report["attempts"].is_array(), "{arguments:?}: {report}");
    }
    let text = workspace.json(&["dig", "jenkins", "TXT", "--json"]);
    assert_eq!(text["lookups"][0]["answers"][0]["data"], json!(r#""environment=production" "team=devops""#), "{text}");
}

#[test]
fn every_server_of_the_zone_is_asked_unless_one_is_named() {
    let (named, empty) = (Named::start(), Named::start());
    let mut workspace = site(&named);
    let verify = vec![named.address().to_string(), empty.address().to_string()];
    workspace.configure(&Settings { verify: verify.clone(), ..Settings::for_server(&named) });
    let report = workspace.json(&["dig", "jenkins", "--json"]);
    let of = |key: &str| report["lookups"].as_array().unwrap().iter().map(|one| one[key].clone()).collect::<Vec<_>>();
    assert_eq!(
        (of("asked"), of("verdict")),
        (verify.into_iter().map(Value::from).collect(), vec![json!("records"), json!("empty")])
    );
    assert_eq!(report["verdict"], json!("empty"), "one server has nothing: {report}");
    let output = workspace.expect(3, &["dig", "jenkins", "+noall", "+verdict"]);
    let last = output.stdout.lines().last().unwrap();
    assert_eq!(last, ";; VERDICT on jenkins: empty, 1 of 2 look-ups; Prometheus would drop its targets");
    let both = vec![named.address().to_string(); 2];
    workspace.configure(&Settings { verify: both, ..Settings::for_server(&named) });
    assert_eq!(workspace.expect(0, &["dig", "jenkins", "+short"]).stdout.lines().count(), 2, "each record once");
    let alone = workspace.expect(0, &["dig", "jenkins", &at(&named)]).stdout;
    assert!(alone.contains(";; VERDICT: records") && !alone.contains("VERDICT on"), "{alone}");
    workspace.expect(3, &["dig", "jenkins", &at(&empty)]);
}

#[test]
fn a_zone_that_cannot_be_read_leaves_the_first_shard() {
    let named = named();
    let nobody = free_address().to_string();
    let workspace = Workspace::with(&Settings { primary: nobody, ..Settings::for_server(&named) });
    let instance = "[[service.instance]]\nhost = \"mail\"\nport = 8080\n";
    workspace.write_service("j.toml", &format!("[[service]]\nname = \"j\"\nshards = \"auto\"\n{instance}"));
    let output = workspace.expect(0, &["dig", "j"]);
    assert!(output.stdout.contains("<<>> _j._tcp.internal.local. SRV"), "{output:?}");
    let said = "warning: how many shards _j._tcp.internal.local. has is not known, only its first is looked up: ";
    assert!(output.stderr.starts_with(said), "{output:?}");
}

#[test]
fn a_missing_or_broken_configuration_is_no_obstacle() {
    let named = named();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("srvctl.toml");
    let dig = |word: &str| bare(&["dig", word, "SRV", &at(&named), "--config", file.to_str().unwrap()]);
    assert_eq!(dig("_j._tcp.internal.local.").stderr, "", "no word for a service, no configuration");
    for text in [None, Some("owner = 1\n"), Some("[[zone")] {
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let output = dig("mail");
        assert!(output.code == 1 && output.stdout.contains("<<>> mail SRV"), "{output:?}");
        let said = "warning: whether `mail` is a service cannot be told for certain: ";
        assert!(output.stderr.starts_with(said) && output.stderr.contains("srvctl.toml"), "{output:?}");
    }
    // Nobody said that there was a configuration.
    assert_eq!(bare(&["dig", "mail", &at(&named)]).stderr, "");
}

#[test]
fn the_json_of_a_name_has_these_fields() {
    let named = named();
    let output = bare(&["dig", "_j._tcp.internal.local", &at(&named), "--json"]);
    let report: Value = serde_json::from_str(&output.stdout).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(
        keys(&report),
        "answers asked attempts consumer microseconds name reason server size status targets transport type verdict"
    );
    assert_eq!(
        keys(&report["attempts"][0]),
        "answers candidate edns microseconds milliseconds outcome server size status then transport warnings"
    );
    assert_eq!(keys(&report["answers"][0]), "data name ttl type");
    assert_eq!(keys(&report["targets"][0]), "address labels");
    assert_eq!(report["consumer"], json!("prometheus"));
    assert_eq!(report["targets"].as_array().map(Vec::len), Some(2), "{report}");
}

#[test]
fn colours_are_for_terminals() {
    let named = named();
    let command = format!("{} dig _j._tcp.internal.local {}", env!("CARGO_BIN_EXE_srvctl"), at(&named));
    // `script` gives the command a terminal, and shows what was written there.
    let on_terminal = |colours: &str| {
        let mut script = Command::new(find("script", "bsdutils"));
        script.env("NO_COLOR", colours).args(["--quiet", "--return", "--command", &command, "/dev/null"]);
        let output = run(&mut script, "");
        assert_eq!(output.code, 0, "{output:?}");
        output.stdout.replace('\r', "")
    };
    let verdict = ";; VERDICT: records; Prometheus would scrape 2 targets:";
    let coloured = on_terminal("");
    assert!(coloured.contains(&format!("\x1b[32m{verdict}\x1b[0m\n")), "{coloured}");
    assert!(coloured.contains("\x1b[2m;; ANSWER SECTION:\x1b[0m\n"), "{coloured}");
    let plain = on_terminal("1");
    assert!(plain.contains(verdict) && !plain.contains('\x1b'), "{plain}");
    let piped = bare(&["dig", "_j._tcp.internal.local", &at(&named)]).stdout;
    assert!(piped.contains(verdict) && !piped.contains('\x1b'), "{piped}");
}
