//! The API as a program sees it: pages, conditions, errors, limits.

use std::collections::BTreeSet;
use std::thread;

use serde_json::{Value, json};

use crate::support::{Api, Daemon, Named, Workspace, strings};

fn started(named: &Named) -> (Workspace, Daemon, Api) {
    let workspace = Workspace::example(named);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let api = Api::connect(&workspace.socket()).unwrap();
    (workspace, daemon, api)
}

fn instance(host: &str) -> Value {
    json!({ "host": host, "port": 8080 })
}

#[test]
fn long_lists_come_in_pages() {
    let named = Named::start();
    let (_workspace, _daemon, mut api) = started(&named);
    for service in 0..3 {
        for host in 0..7 {
            let path = format!("/v1/services/svc{service}/instances");
            api.expect(200, "POST", &path, Some(&instance(&format!("h{host}"))));
        }
    }
    let (mut seen, mut pages, mut after) = (BTreeSet::new(), 0, String::new());
    loop {
        let page = api.expect(200, "GET", &format!("/v1/instances?limit=4{after}"), None);
        let instances = page["instances"].as_array().unwrap();
        assert!(instances.len() <= 4, "{page}");
        seen.extend(instances.iter().map(|one| format!("{} {}", one["service"], one["id"])));
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!((seen.len(), pages), (25, 7), "21 registered and 4 of files, each once: {seen:?}");
    let first = api.expect(200, "GET", "/v1/services?limit=3", None);
    let rest = api.expect(200, "GET", &format!("/v1/services?limit=3&after={}", first["next"].as_str().unwrap()), None);
    let names = |page: &Value| page["services"].as_array().unwrap().iter().map(|one| one["service"].clone()).collect();
    let both: Vec<Vec<Value>> = vec![names(&first), names(&rest)];
    let expected = ["_jenkins", "_node-exporter", "_svc0", "_svc1", "_svc2"]
        .map(|name| json!(format!("{name}._tcp.internal.local.")));
    assert_eq!(both.concat(), expected);
    assert_eq!(rest["next"], Value::Null);
    let on_host = api.expect(200, "GET", "/v1/instances?host=h3", None);
    assert_eq!(on_host["instances"].as_array().unwrap().len(), 3);
    let of_file = api.expect(200, "GET", "/v1/instances?service=jenkins&host=centos9-vm.internal.local.", None);
    let place = of_file["instances"][0]["place"].as_str().unwrap();
    assert!(place.contains("jenkins.toml:"), "{of_file}");
    api.expect(422, "GET", "/v1/instances?after=nonsense", None);
}

#[test]
fn the_careful_change_what_they_have_seen() {
    let named = Named::start();
    let (_workspace, _daemon, mut api) = started(&named);
    let path = "/v1/services/web/instances/w1";
    let body = instance("h1").to_string();
    let put = format!("PUT {path}");
    let created = api.send(&put, "if-none-match: *\r\n", &body).unwrap();
    assert_eq!((created.status, &created.body["changed"]), (200, &json!(true)));
    let tag = created.headers["etag"].clone();
    assert_eq!(api.send(&put, "if-none-match: *\r\n", &body).unwrap().status, 412);
    let weight = json!({ "weight": 5 }).to_string();
    let patch = format!("PATCH {path}");
    let changed = api.send(&patch, &format!("if-match: {tag}\r\n"), &weight).unwrap();
    assert_eq!((changed.status, &changed.body["after"]["weight"]), (200, &json!(5)));
    assert_ne!(changed.headers["etag"], tag);
    let stale = api.send(&patch, &format!("if-match: {tag}\r\n"), &json!({ "weight": 6 }).to_string()).unwrap();
    assert_eq!((stale.status, &stale.body["type"]), (412, &json!("urn:srvctl:changed")));
    assert_eq!(api.send(&format!("DELETE {path}"), &format!("if-match: {tag}\r\n"), "").unwrap().status, 412);
    let shown = api.ask("GET", path, None);
    assert_eq!((&shown.body["weight"], &shown.headers["etag"]), (&json!(5), &changed.headers["etag"]));
    let again = api.send(&put, "", &json!({ "host": "h1", "port": 8080, "weight": 5 }).to_string()).unwrap();
    assert_eq!(
        (again.status, &again.body["changed"], &again.headers["etag"]),
        (200, &json!(false), &changed.headers["etag"])
    );
    assert_eq!(api.send(&put, "if-match: 5\r\n", &body).unwrap().status, 422);
}

#[test]
fn what_would_be_is_told_and_not_done() {
    let named = Named::start();
    let (_workspace, _daemon, mut api) = started(&named);
    let serial = named.serial();
    let asked = api.expect(200, "POST", "/v1/services/web/instances?dry_run=true&wait=30", Some(&instance("h1")));
    assert_eq!((&asked["changed"], &asked["dry_run"], &asked["verified"]), (&json!(true), &json!(true), &Value::Null));
    api.expect(404, "GET", "/v1/services/web", None);
    api.expect(404, "POST", "/v1/services/web/instances/h1:8080/renew", None);
    assert_eq!(named.serial(), serial);
    api.expect(200, "POST", "/v1/services/web/instances?wait=30", Some(&instance("h1")));
    let asked = api.expect(200, "DELETE", "/v1/services/web/instances/h1:8080?dry_run=true", None);
    assert_eq!((&asked["changed"], &asked["before"]["port"]), (&json!(true), &json!(8080)));
    api.expect(200, "GET", "/v1/services/web/instances/h1:8080", None);
}

#[test]
fn errors_are_problems_with_a_reason() {
    let named = Named::start();
    let (workspace, _daemon, mut api) = started(&named);
    let add = "POST /v1/services/web/instances";
    let large = format!("{{\"host\":\"{}\"}}", "x".repeat(70_000));
    let (host, port) = ("{\"host\":\"a_b\",\"port\":1}", "{\"host\":\"h\",\"port\":0}");
    for (request, body, status, reason) in [
        ("GET /v1/nothing", "", 404, "/v1/openapi.json"),
        ("DELETE /v1/status", "", 405, "/v1/openapi.json"),
        (add, "", 400, "EOF"),
        (add, "{\"host\":", 400, "EOF"),
        (add, "{\"host\":\"h\"}", 422, "missing field `port`"),
        (add, "{\"host\":\"h\",\"port\":1,\"wieght\":1}", 422, "unknown field `wieght`"),
        (add, "{\"host\":\"h\",\"port\":70000}", 422, "70000"),
        (add, host, 422, "underscore"),
        (add, port, 422, "`port` must be from 1 to 65535"),
        (add, &large, 413, "length limit"),
        ("POST /v1/services/web/instances?dryrun=1", "{}", 400, "dryrun"),
        ("GET /v1/services/_web", "", 422, "not the name of a service"),
        ("GET /v1/services/_web._tcp.elsewhere.", "", 422, "not a managed zone"),
        ("GET /v1/services/web/instances/a%20b", "", 422, "not the id of an instance"),
        ("DELETE /v1/services/jenkins/instances/centos9-vm:8080", "", 409, "jenkins.toml:"),
        ("PUT /v1/services/jenkins", "{\"ttl\":30}", 409, "jenkins.toml:"),
        ("PUT /v1/services/web", "{\"ttl\":0}", 422, "`ttl` must be from 1"),
        ("PUT /v1/services/web", "{\"shards\":500}", 422, "`shards` must be a number"),
    ] {
        let answer = api.send(request, "", body).unwrap_or_else(|| panic!("no answer to {request}"));
        assert_eq!(answer.status, status, "{request}: {}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/problem+json", "{request}");
        assert_eq!(answer.body["status"], status, "{request}");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(reason), "{request}: {detail}");
        if answer.headers.get("connection").is_some_and(|connection| connection == "close") || status == 413 {
            api = Api::connect(&workspace.socket()).unwrap();
        }
    }
}

#[test]
fn what_waits_when_the_daemon_stops_is_answered() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let exported = Api::connect(&workspace.socket()).unwrap().expect(200, "GET", "/v1/catalogue", None);
    assert_eq!(exported, json!({ "service": [] }));
    let socket = workspace.socket();
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let socket = socket.clone();
            thread::spawn(move || {
                let mut api = Api::connect(&socket).unwrap();
                let mut acknowledged = Vec::new();
                for number in 0.. {
                    let host = format!("c{client}n{number}");
                    match api.try_ask("POST", "/v1/services/web/instances", Some(&instance(&host))) {
                        Some(answer) if answer.status == 200 => acknowledged.push(host),
                        Some(answer) => assert!([409, 503].contains(&answer.status), "{answer:?}"),
                        None => break,
                    }
                }
                acknowledged
            })
        })
        .collect();
    daemon.wait_until("some are registered", |status| status["instances"].as_u64() > Some(20));
    assert_eq!(daemon.stop(), 0);
    let acknowledged: BTreeSet<_> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let mut api = Api::connect(&socket).unwrap();
    let listed = api.expect(200, "GET", "/v1/instances?service=web&limit=1000", None);
    let hosts: Vec<_> = listed["instances"].as_array().unwrap().iter().map(|one| one["host"].clone()).collect();
    let hosts: BTreeSet<_> =
        strings(&Value::Array(hosts)).iter().map(|host| host.split('.').next().unwrap().to_owned()).collect();
    assert_eq!(hosts, acknowledged);
}
