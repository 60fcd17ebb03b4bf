//! Who may do what, over TLS and on the socket.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use nix::unistd::getuid;
use serde_json::{Value, json};

use crate::support::{
    Authority, Client, Reply, Settings, Site, TOKEN, assert_golden, bare, find, free_address, grant, principal,
    request, run, send_local, settings,
};

fn principals() -> String {
    [
        principal("team-a", &grant("ci-*", "hosts = [\"*.a.internal.local\"]\nzones = [\"internal.local\"]")),
        principal("team-b", &grant("db", "hosts = [\"*.b.internal.local\"]")),
        principal("reader", &grant("*", "access = \"read\"")),
        principal("nobody", ""),
        principal("hasty", "rate = 2"),
        principal("admin", "admin = true"),
        principal("host1", "certificates = [\"Host1.example\"]")
            + &grant("node-exporter", "hosts = [\"host1.internal.local\"]"),
    ]
    .concat()
}

fn offer(host: &str, address: &str) -> Value {
    json!({ "host": host, "port": 8080, "addresses": [address] })
}

const CI: &str = "/v1/services/ci-runner/instances";
const DB: &str = "/v1/services/db/instances";

#[test]
fn a_team_changes_what_is_its_own_and_nothing_else() {
    let (site, mut daemon) = Site::started(&principals());
    let (team_a, team_b) = (site.client("team-a"), site.client("team-b"));
    assert_eq!(team_a.post(CI, &offer("h1.a", "192.0.2.1")).status, 200);
    assert_eq!(team_b.post(DB, &offer("h1.b", "192.0.2.2")).status, 200);
    let line = "_ci-runner._tcp.internal.local. 300 IN SRV 0 0 8080 h1.a.internal.local.";
    daemon.wait_for("the registration in the zone", || site.named.zone_text().iter().any(|found| found == line));
    let before = site.catalogue();
    for (method, path, body, why) in [
        ("POST", DB, Some(offer("h2.a", "192.0.2.3")), "may not change the service `_db._tcp"),
        ("DELETE", "/v1/services/db/instances/h1.b:8080", None, "may not change the service `_db._tcp"),
        ("DELETE", "/v1/services/db", None, "may not change the service `_db._tcp"),
        ("PUT", "/v1/services/db", Some(json!({})), "may not change the service `_db._tcp"),
        ("POST", CI, Some(offer("h1.b", "192.0.2.3")), "may not name the host `h1.b.internal.local"),
        ("POST", CI, Some(offer("h2.a", "192.0.2.2")), "may not publish an address of `h1.b.internal.local"),
        ("POST", CI, Some(offer("h2.a", "192.168.188.142")), "may not publish an address of `centos9-vm"),
        ("POST", "/v1/plans/0123456789abcdef/accept", None, "may not accept plans"),
        ("GET", "/v1/services/db", None, "may not see the service `_db._tcp"),
        ("GET", "/v1/plans", None, "may not see plans"),
    ] {
        let reply = team_a.send(method, path, body.as_ref());
        let reason = reply.problem(403);
        assert!(reason.starts_with("team-a ") && reason.contains(why), "{method} {path}: {reason}");
        let logged = |line: &&str| line.contains("a request was denied") && line.contains("team-a");
        let log = daemon.log();
        assert!(log.lines().filter(logged).any(|line| line.contains(why)), "{why} is not in the log:\n{log}");
    }
    assert_eq!(site.catalogue(), before, "what was denied changed something");
    assert!(!daemon.log().contains(TOKEN), "the log shows a token");
}

#[test]
fn who_may_read_does_not_write_and_who_has_no_grant_sees_the_status() {
    let (site, _daemon) = Site::started(&principals());
    assert_eq!(site.client("team-a").post(CI, &offer("h1.a", "192.0.2.1")).status, 200);
    let reader = site.client("reader");
    for path in ["/v1/services", "/v1/instances", "/v1/catalogue", "/v1/history", "/v1/services/ci-runner"] {
        let reply = reader.get(path);
        assert!(reply.status == 200 && reply.text.contains("ci-runner"), "{path}: {reply:?}");
    }
    assert_eq!(reader.get("/v1/plans").status, 200);
    assert!(reader.post(CI, &offer("h2.a", "192.0.2.3")).problem(403).contains("reader may not change"));
    let nobody = site.client("nobody");
    assert_eq!(nobody.get("/v1/status").status, 200);
    for path in ["/v1/services", "/v1/instances", "/v1/catalogue", "/v1/history"] {
        let reply = nobody.get(path);
        assert!(reply.status == 200 && !reply.text.contains("ci-runner"), "{path}: {reply:?}");
    }
    nobody.get("/v1/services/ci-runner").problem(403);
    nobody.post(CI, &offer("h2.a", "192.0.2.3")).problem(403);
}

#[test]
fn nothing_but_the_health_is_told_without_credentials() {
    let (site, daemon) = Site::started(&principals());
    let (nobody, unknown) = (site.anybody(), site.anybody().bearer("unknown"));
    let document = serde_json::to_value(srvctl::api::openapi()).unwrap();
    let mut asked = vec![("GET".to_owned(), "/v1/openapi.json".to_owned()), ("GET".to_owned(), "/".to_owned())];
    for (path, methods) in document["paths"].as_object().unwrap() {
        let path = path.replace(['{', '}'], "");
        asked.extend(methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())));
    }
    assert!(asked.len() > 15, "{asked:?}");
    for (method, path) in asked {
        for client in [&nobody, &unknown] {
            let reply = client.send(&method, &path, Some(&json!({})));
            reply.problem(401);
            assert!(reply.head.contains("www-authenticate: bearer"), "{reply:?}");
        }
    }
    let health = nobody.get("/v1/health");
    assert_eq!((health.status, &*health.text), (200, "ok\n"));
    let log = daemon.log();
    assert!(log.contains("this token is not known") && log.contains("a request was refused"), "{log}");
    assert!(!log.contains("Bearer unknown"), "{log}");
}

#[test]
fn a_client_certificate_is_as_good_as_a_token() {
    let (site, mut daemon) = Site::started(&principals());
    let path = "/v1/services/node-exporter/instances";
    let host1 = site.with_certificate(&site.clients.certify(&["other.example", "HOST1.example"]));
    assert_eq!(host1.post(path, &offer("host1", "192.0.2.1")).status, 200);
    assert!(host1.post(path, &offer("host2", "192.0.2.2")).problem(403).contains("host1 may not name"));
    let stranger = site.with_certificate(&site.clients.certify(&["host2.example"]));
    assert!(stranger.get("/v1/status").problem(401).contains("no principal has a certificate for host2.example"));
    for refused in [site.clients.certify_in_the_past(&["host1.example"]), Authority::new().certify(&["host1.example"])]
    {
        let answer = site.with_certificate(&refused).try_send("GET", "/v1/health", None);
        assert!(answer.is_err(), "{answer:?}");
    }
    // The client hears of it before the log does. The other authority has the same name, and another key.
    for reason in ["Expired", "BadSignature"] {
        let path = site.workspace.daemon_log();
        let log = || fs::read_to_string(&path).unwrap();
        let refused = |line: &str| line.contains("a client certificate was refused") && line.contains(reason);
        daemon.wait_for(reason, || log().lines().any(refused));
    }
    daemon.wait_in_sync();
}

#[test]
fn sighup_takes_tokens_away_and_certificates_up_and_refuses_nobody() {
    let (mut site, mut daemon) = Site::started(&principals());
    let first = site.client("team-b").get("/v1/status");
    assert_eq!(first.status, 200);
    let (done, anybody) = (AtomicBool::new(false), site.anybody());
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut answers = 0;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(anybody.get("/v1/health").status, 200);
                answers += 1;
            }
            answers
        });
        let all = principals();
        let start = all.find("[[principal]]\nname = \"team-b\"").unwrap();
        let end = start + all[start..].find("[[principal]]\nname = \"reader\"").unwrap();
        site.write_certificate();
        site.configure(&[&all[..start], &all[end..]].concat());
        daemon.signal("HUP");
        daemon.wait_for("another certificate", || anybody.get("/v1/health").certificate != first.certificate);
        assert!(site.client("team-b").get("/v1/status").problem(401).contains("not any more"));
        assert_eq!(site.client("team-a").get("/v1/status").status, 200);
        done.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 0);
    });
    daemon.wait_in_sync();
}

/// Who waits for DNS is told what is seen, and holds up nobody.
#[test]
fn a_request_that_waits_is_answered_when_the_configuration_changes() {
    let mut site = Site::new(&principals());
    // Nobody can be asked whether a change is seen.
    let blind = |site: &Site, principals: &str| Settings {
        verify: vec![free_address().to_string()],
        ..settings(&site.named, site.address, principals)
    };
    site.workspace.configure(&blind(&site, &principals()));
    let mut daemon = site.workspace.daemon();
    daemon.wait_in_sync();
    let (team, admin) = (site.client("team-a"), site.client("admin"));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| team.post(&format!("{CI}?wait=300"), &offer("h1.a", "192.0.2.1")));
        daemon.wait_for("the registration", || admin.get("/v1/catalogue").text.contains("h1.a"));
        let began = Instant::now();
        site.workspace.configure(&blind(&site, &(principals() + &principal("new", ""))));
        daemon.signal("HUP");
        daemon.wait_for("the new configuration", || site.client("new").get("/v1/status").status == 200);
        let reply = waiting.join().unwrap();
        assert!(reply.status == 200 && reply.json()["verified"]["ok"] == false, "{reply:?}");
        assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    });
    assert!(admin.get("/v1/catalogue").text.contains("h1.a"), "what was acknowledged is kept");
}

#[test]
fn a_port_that_somebody_else_has() {
    let (mut site, mut daemon) = Site::started(&principals());
    let taken = TcpListener::bind(free_address()).unwrap();
    let address = taken.local_addr().unwrap();
    site.workspace.configure(&settings(&site.named, address, &principals()));
    daemon.signal("HUP");
    let says = |status: &Value| status["config_error"].as_str().unwrap_or_default().contains(&address.to_string());
    daemon.wait_until("the error to show", says);
    assert_eq!(site.client("admin").get("/v1/status").status, 200, "the old configuration stays in force");
    let everywhere = SocketAddr::from(([0, 0, 0, 0], site.address.port()));
    site.workspace.configure(&settings(&site.named, everywhere, &principals()));
    daemon.signal("HUP");
    let says = |status: &Value| status["config_error"].as_str().unwrap_or_default().contains("restart it to move");
    daemon.wait_until("the same port at another address", says);
    // Another port, and no port.
    let other = free_address();
    site.workspace.configure(&settings(&site.named, other, &principals()));
    daemon.signal("HUP");
    let moved = Client::new(other, &site.servers, None);
    daemon.wait_for("the other port", || moved.try_send("GET", "/v1/health", None).is_ok());
    assert!(site.anybody().try_send("GET", "/v1/health", None).is_err(), "the port is closed");
    site.workspace.configure(&Settings::for_server(&site.named));
    daemon.signal("HUP");
    daemon.wait_for("no port", || moved.try_send("GET", "/v1/health", None).is_err());
    assert_eq!(daemon.stop(), 0);
    site.workspace.configure(&settings(&site.named, address, &principals()));
    let failed = site.workspace.expect(1, &["daemon"]);
    assert!(failed.stderr.contains(&format!("{address} cannot be listened on")), "{failed:?}");
}

#[test]
fn nobody_asks_more_often_than_they_may_and_no_more_at_once() {
    let (site, _daemon) = Site::started(&principals());
    let replies: Vec<_> = (0..6).map(|_| site.client("hasty").get("/v1/status")).collect();
    let refused = replies.iter().find(|reply| reply.status != 200).expect("six requests at two per second");
    assert!(refused.problem(429).contains("hasty may ask 2 times per second"));
    assert!(refused.head.contains("retry-after: 1"));
    assert_eq!(site.client("admin").get("/v1/status").status, 200);
    let large = json!({ "host": "h1.a", "port": 1, "metadata": { "x": "y".repeat(70_000) } });
    site.client("team-a").post(CI, &large).problem(413);
}

/// As another user of this machine, who may open the socket.
fn send_as(uid: u32, site: &Site, text: &str) -> Reply {
    let script = "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(shift) or die $!; \
                  print $s shift; $s->flush; print while <$s>;";
    let mut command = Command::new(find("setpriv", "util-linux"));
    command.args(["--reuid", &uid.to_string(), "--regid", "0", "--clear-groups"]);
    command.arg(find("perl", "perl-base")).args(["-e", script]).arg(site.workspace.socket()).arg(text);
    let output = run(&mut command, "");
    assert_eq!(output.code, 0, "{output:?}");
    Reply::parse(&output.stdout).unwrap()
}

#[test]
fn a_user_on_the_socket_may_be_narrowed() {
    let (mut site, mut daemon) = Site::started(&principals());
    let socket = site.workspace.socket();
    let status = send_local(&socket, "POST", DB, Some(&offer("h9", "192.0.2.9")));
    assert_eq!(status.status, 200, "who may open the socket may do everything: {status:?}");
    let other = 61_234;
    // When we are root there is another user to narrow; ourselves otherwise.
    let uid = if getuid().is_root() { other } else { getuid().as_raw() };
    let lines = format!("users = [{uid}]\n{}", grant("ci-*", "hosts = [\"*.a.internal.local\"]"));
    site.configure(&(principals() + &principal("deploy", &lines)));
    daemon.signal("HUP");
    let ask = |site: &Site, path: &str, body: &Value| {
        if getuid().is_root() {
            send_as(other, site, &request("POST", path, None, Some(body)))
        } else {
            send_local(&socket, "POST", path, Some(body))
        }
    };
    fs::set_permissions(site.workspace.path(), fs::Permissions::from_mode(0o755)).unwrap();
    daemon.wait_for("the new configuration", || ask(&site, DB, &offer("h8", "192.0.2.8")).status == 403);
    assert!(ask(&site, DB, &offer("h8", "192.0.2.8")).problem(403).contains("deploy may not change"));
    assert_eq!(ask(&site, CI, &offer("h1.a", "192.0.2.1")).status, 200);
    if getuid().is_root() {
        assert_eq!(send_local(&socket, "POST", DB, Some(&offer("h7", "192.0.2.7"))).status, 200);
    }
}

#[test]
fn a_token_of_srvctl_is_one() {
    let (mut site, mut daemon) = Site::started(&principals());
    let file = site.workspace.path().join("token");
    let out = file.to_str().unwrap();
    let made = bare(&["token", "--out", out]);
    assert_eq!(made.code, 0, "{made:?}");
    let token = fs::read_to_string(&file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(token.trim_end().len() == 43 && !made.stdout.contains(token.trim_end()), "{made:?}");
    assert_eq!(bare(&["token", "--out", out]).code, 1, "a token in use is not overwritten");
    assert_eq!(fs::read_to_string(&file).unwrap(), token);
    let printed = bare(&["token"]);
    let lines: Vec<_> = printed.stdout.lines().collect();
    let hash = HEXLOWER.encode(&srvctl::api::hash(lines[0]));
    assert_eq!(lines[1..], [format!("token_sha256 = [\"{hash}\"]")]);
    let json: Value = serde_json::from_str(&bare(&["token", "--json"]).stdout).unwrap();
    assert_eq!(json["token_sha256"], HEXLOWER.encode(&srvctl::api::hash(json["token"].as_str().unwrap())));
    site.configure(&format!("[[principal]]\nname = \"new\"\n{}admin = true\n", made.stdout));
    daemon.signal("HUP");
    let new = site.anybody().bearer(token.trim_end());
    daemon.wait_for("the token to be known", || new.get("/v1/status").status == 200);
}

/// Who connects and says nothing does not hold up a reload.
#[test]
fn a_silent_connection_holds_up_nothing() {
    let (site, mut daemon) = Site::started(&principals());
    let silent = TcpStream::connect(site.address).unwrap();
    let before = site.anybody().get("/v1/health").certificate;
    site.write_certificate();
    let began = Instant::now();
    daemon.signal("HUP");
    daemon.wait_for("another certificate", || site.anybody().get("/v1/health").certificate != before);
    assert!(began.elapsed() < Duration::from_secs(8), "it took {:?}", began.elapsed());
    drop(silent);
}

#[test]
fn the_api_is_described_as_in_the_golden_file() {
    let (site, _daemon) = Site::started(&principals());
    let served = site.client("nobody").get("/v1/openapi.json").json();
    let schemes = &served["components"]["securitySchemes"];
    assert_eq!((&schemes["bearer"]["scheme"], &schemes["mutualTLS"]["type"]), (&json!("bearer"), &json!("mutualTLS")));
    assert_eq!(served["security"], json!([{ "bearer": [] }, { "mutualTLS": [] }]));
    assert_golden("openapi.json", &(serde_json::to_string_pretty(&served).unwrap() + "\n"));
}
