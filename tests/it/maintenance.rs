//! Who works on what, what changed about health, and who may say so and see it.

use serde_json::{Value, json};
use srvctl::model::health::{Condition, Transition};
use srvctl::store::{HealthBatch, Store};

use crate::support::{Api, Daemon, Named, Site, Workspace, grant, principal};

const JENKINS: &str = "/v1/services/jenkins/maintenance";

fn started() -> (Named, Workspace, Daemon, Api) {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let api = Api::connect(&workspace.socket()).unwrap();
    (named, workspace, daemon, api)
}

fn work(seconds: u32, why: &str) -> Value {
    json!({ "for": seconds, "why": why })
}

/// Kinds, names and reasons of everything that is worked on.
fn works(list: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let one = |one: &Value| [&one["of"]["kind"], &one["of"]["name"], &one["why"]].map(text).join(" ");
    list["maintenance"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn work_is_announced_shown_and_ended() {
    let (_named, workspace, daemon, mut api) = started();
    let set = api.expect(200, "PUT", JENKINS, Some(&work(7_200, " new kernel ")));
    assert_eq!((&set["changed"], &set["of"]["name"]), (&json!(true), &json!("_jenkins._tcp.internal.local.")));
    assert_eq!((&set["maintenance"]["why"], &set["maintenance"]["by"]), (&json!("new kernel"), &json!("root")));
    let host = api.expect(200, "PUT", "/v1/hosts/CentOS9-vm/maintenance", Some(&work(60, "new disk")));
    assert_eq!(host["services"], json!(["_jenkins._tcp.internal.local.", "_node-exporter._tcp.internal.local."]));
    let all = ["host centos9-vm.internal.local. new disk", "service _jenkins._tcp.internal.local. new kernel"];
    let lower = |list: &Value| works(list).iter().map(|work| work.to_ascii_lowercase()).collect::<Vec<_>>();
    assert_eq!(lower(&api.expect(200, "GET", "/v1/maintenance", None)), all);

    // It shows on what is not checked too.
    let jenkins = api.expect(200, "GET", "/v1/services/jenkins/health", None);
    assert_eq!(jenkins["maintenance"], set["maintenance"]);
    let instances = jenkins["instances"].as_array().unwrap();
    let of_instance = |one: &Value| (one["instance"].clone(), one["maintenance"]["why"].clone());
    assert_eq!(
        instances.iter().map(of_instance).collect::<Vec<_>>(),
        [
            (json!("centos9-vm.internal.local:8080"), json!("new disk")),
            (json!("centos9-vm2.internal.local:8080"), Value::Null)
        ]
    );
    let listed = api.expect(200, "GET", "/v1/health/services?limit=1", None);
    let (first, next) = (&listed["services"][0], listed["next"].as_str().unwrap());
    assert_eq!((&first["in_maintenance"], &first["unknown"], &first["failing"]), (&json!(2), &json!(2), &json!(0)));
    let rest = api.expect(200, "GET", &format!("/v1/health/services?limit=1&after={next}"), None);
    assert_eq!(rest["services"][0]["service"], "_node-exporter._tcp.internal.local.");
    assert_eq!((&rest["services"][0]["in_maintenance"], &rest["next"]), (&json!(1), &Value::Null));

    // It outlives the daemon.
    assert_eq!(daemon.stop(), 0);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let mut api = Api::connect(&workspace.socket()).unwrap();
    assert_eq!(lower(&api.expect(200, "GET", "/v1/maintenance", None)), all);
    assert_eq!(api.expect(200, "DELETE", "/v1/hosts/centos9-vm/maintenance", None)["changed"], true);
    let again = api.expect(200, "DELETE", "/v1/hosts/centos9-vm.internal.local./maintenance", None);
    assert_eq!((&again["changed"], &again["maintenance"]), (&json!(false), &Value::Null));
    assert_eq!(works(&api.expect(200, "GET", "/v1/maintenance", None)).len(), 1);
    let log = daemon.log();
    assert!(log.contains("a maintenance begins") && log.contains("a maintenance is ended"), "{log}");
}

#[test]
fn who_worked_on_what_is_in_the_history() {
    let (_named, workspace, mut daemon, mut api) = started();
    api.expect(200, "PUT", "/v1/hosts/centos9-vm/maintenance", Some(&work(1, "new disk")));
    api.expect(200, "PUT", JENKINS, Some(&work(7_200, "new kernel")));
    api.expect(200, "DELETE", JENKINS, None);
    daemon.wait_for("the end of the first", || works(&api.expect(200, "GET", "/v1/maintenance", None)).is_empty());
    let lines = |api: &mut Api, path: &str| -> Vec<String> {
        let history = api.expect(200, "GET", path, None);
        let one = |event: &Value| {
            let text = |key: &str| event[key].as_str().unwrap_or("-").to_owned();
            let why = event["after"]["why"].as_str().unwrap_or("ended");
            format!("{} {} {} {why}", text("by"), text("action"), text("id"))
        };
        history["events"].as_array().unwrap().iter().map(one).collect()
    };
    daemon.wait_for("the line of it", || lines(&mut api, "/v1/history").iter().any(|line| line.starts_with("time ")));
    let mut of_jenkins = lines(&mut api, "/v1/history?service=jenkins");
    of_jenkins.sort();
    let host = "centos9-vm.internal.local:8080";
    let expected = [
        "root maintain - ended".to_owned(),
        "root maintain - new kernel".to_owned(),
        format!("root maintain {host} new disk"),
        format!("time maintain {host} ended"),
    ];
    assert_eq!(of_jenkins, expected);
    assert_eq!(lines(&mut api, "/v1/history?service=node-exporter").len(), 2, "the host's other service");
    let shown = workspace.expect(0, &["history", "jenkins"]).stdout;
    let is_shown = |words: [&str; 3]| shown.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(is_shown(["root", "maintain", ": new kernel"]) && is_shown(["time", host, "ended"]), "{shown}");
}

#[test]
fn work_ends_by_itself() {
    let (_named, workspace, mut daemon, mut api) = started();
    api.expect(200, "PUT", JENKINS, Some(&work(1, "soon done")));
    daemon.wait_for("its end", || works(&api.expect(200, "GET", "/v1/maintenance", None)).is_empty());
    daemon.wait_for("the word of it", || workspace_log(&workspace).contains("a maintenance is over"));
    let state = workspace.path().join("state");
    assert!(srvctl::store::read(&state).unwrap().unwrap().health.maintenance.is_empty(), "it is still on the disk");
}

fn workspace_log(workspace: &Workspace) -> String {
    std::fs::read_to_string(workspace.daemon_log()).unwrap()
}

#[test]
fn work_that_makes_no_sense_is_refused() {
    let (_named, _workspace, _daemon, mut api) = started();
    let long = "x".repeat(201);
    let (jenkins, host) = (format!("PUT {JENKINS}"), "PUT /v1/hosts/centos9-vm/maintenance".to_owned());
    for (request, body, status, reason) in [
        (&jenkins, work(0, "x"), 422, "`for` must be from 1 s"),
        (&jenkins, work(2_592_001, "x"), 422, "`for` must be from 1 s"),
        (&host, work(1, "  "), 422, "`why` must be a line"),
        (&host, work(1, "a\nb"), 422, "`why` must be a line"),
        (&host, work(1, &long), 422, "`why` must be a line"),
        (&jenkins, json!({ "why": "x" }), 422, "missing field `for`"),
        (&jenkins, json!({ "for": 1, "why": "x", "by": "me" }), 422, "unknown field `by`"),
        (&"PUT /v1/services/jenkinz/maintenance".to_owned(), work(1, "x"), 404, "nobody offers `_jenkinz._tcp"),
        (&"PUT /v1/hosts/centos/maintenance".to_owned(), work(1, "x"), 404, "on the host `centos.internal.local"),
        (&"PUT /v1/hosts/a_b/maintenance".to_owned(), work(1, "x"), 422, "underscore"),
        (&"GET /v1/services/jenkinz/health".to_owned(), json!({}), 404, "nobody offers"),
        (&"GET /v1/health/services?after=_x".to_owned(), json!({}), 422, "not the name of a service"),
    ] {
        let answer = api.send(request, "", &body.to_string()).unwrap();
        assert_eq!(answer.status, status, "{request}: {}", answer.body);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(reason), "{request}: {detail}");
    }
    assert_eq!(works(&api.expect(200, "GET", "/v1/maintenance", None)), [""; 0]);
}

#[test]
fn a_person_announces_work() {
    let (_named, workspace, _daemon, mut api) = started();
    let said = workspace.expect(0, &["maintain", "jenkins", "--for", "2h", "--why", "new kernel"]).stdout;
    assert!(said.starts_with("service _jenkins._tcp.internal.local. is in maintenance until 20"), "{said}");
    let said = workspace.expect(0, &["maintain", "centos9-vm", "--for", "90s", "--why", "new disk"]).stdout;
    assert!(said.starts_with("host centos9-vm.internal.local is in maintenance until 20"), "{said}");
    assert!(said.contains("_jenkins._tcp.internal.local., _node-exporter._tcp.internal.local."), "{said}");
    let shown = workspace.expect(0, &["health"]).stdout;
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines[1].starts_with("_jenkins._tcp.internal.local.        unknown  0        0        2"), "{shown}");
    assert!(lines[1].contains("root: new kernel"), "{shown}");
    assert!(lines[2].contains("1 in maintenance"), "{shown}");
    assert!(shown.contains("host centos9-vm.internal.local "), "{shown}");
    let report = workspace.json(&["health", "--json"]);
    assert_eq!((report["services"].as_array().unwrap().len(), works(&report).len()), (2, 2));
    let one = workspace.expect(0, &["health", "jenkins"]).stdout;
    assert!(one.contains("policy: publish") && one.contains("maintenance until"), "{one}");

    for wrong in [
        &["maintain", "jenkins"][..],
        &["maintain", "jenkins", "--for", "2h"],
        &["maintain", "jenkins", "--end", "--for", "2h", "--why", "x"],
        &["health", "--limit", "5"],
        &["renew", "jenkins", "--id", "x", "--output", "text"],
        &["renew", "jenkins", "--id", "x", "--status", "unknown"],
    ] {
        workspace.expect(2, wrong);
    }
    let unknown = workspace.expect(1, &["maintain", "nothing", "--for", "2h", "--why", "x"]).stderr;
    assert!(unknown.contains("nobody offers a service `nothing`, nor anything on a host"), "{unknown}");

    // A service that is called like a host.
    api.expect(200, "POST", "/v1/services/centos9-vm/instances", Some(&json!({ "host": "other", "port": 1 })));
    let either = workspace.expect(1, &["maintain", "centos9-vm", "--end"]).stderr;
    assert!(either.contains("a host and a service"), "{either}");
    let ended = workspace.json(&["maintain", "centos9-vm", "--host", "--end", "--json"]);
    assert_eq!((&ended["changed"], &ended["of"]["kind"]), (&json!(true), &json!("host")));
    let said = workspace.expect(0, &["maintain", "centos9-vm", "--service", "--end"]).stdout;
    assert_eq!(said, "service _centos9-vm._tcp.internal.local. is not in maintenance\n");
    let said = workspace.expect(0, &["maintain", "_jenkins._tcp", "--end"]).stdout;
    assert_eq!(said, "the maintenance of service _jenkins._tcp.internal.local. has ended\n");
    let nothing = workspace.expect(0, &["health"]).stdout;
    assert!(nothing.starts_with("nothing is checked"), "{nothing}");
}

/// Work on a host whose last instance has gone can be ended all the same.
#[test]
fn work_on_an_empty_host_is_ended() {
    let (_named, workspace, _daemon, mut api) = started();
    let path = "/v1/services/web/instances";
    api.expect(200, "POST", path, Some(&json!({ "host": "h1", "port": 80 })));
    workspace.expect(0, &["maintain", "h1", "--for", "1h", "--why", "it goes"]);
    api.expect(200, "DELETE", &format!("{path}/h1:80"), None);
    let said = workspace.expect(0, &["maintain", "h1", "--end"]).stdout;
    assert_eq!(said, "the maintenance of host h1.internal.local has ended\n");
}

fn transition(service: &str, at: u64, to: Condition) -> Transition {
    let from = if to == Condition::Failing { Condition::Passing } else { Condition::Failing };
    let (service, instance) = (service.parse().unwrap(), "centos9-vm.internal.local:8080".parse().unwrap());
    let reason = format!("http: status {at}");
    Transition { at: at * 1_000, service, instance, from, to, reason, latency_ms: Some(7) }
}

#[test]
fn the_history_of_health_comes_in_pages() {
    let named = Named::start();
    let workspace = Workspace::example(&named);
    let (jenkins, other) = ("_jenkins._tcp.internal.local.", "_node-exporter._tcp.internal.local.");
    let written = (1..=9).map(|at| {
        let to = if at % 2 == 0 { Condition::Passing } else { Condition::Failing };
        transition(if at % 3 == 0 { other } else { jenkins }, at, to)
    });
    let (mut store, _) = Store::open(&workspace.path().join("state")).unwrap();
    store.commit_health(&[HealthBatch { transitions: written.collect(), ..HealthBatch::default() }]).unwrap();
    drop(store);
    let mut daemon = workspace.daemon();
    daemon.wait_in_sync();
    let mut api = Api::connect(&workspace.socket()).unwrap();
    let (mut seen, mut before) = (Vec::new(), String::new());
    loop {
        let page = api.expect(200, "GET", &format!("/v1/health/history?limit=4{before}"), None);
        let times = page["transitions"].as_array().unwrap().iter().map(|one| one["at"].as_u64().unwrap());
        seen.push(times.collect::<Vec<_>>());
        let Some(next) = page["next"].as_u64() else { break };
        before = format!("&before={next}");
    }
    assert_eq!(seen, [vec![9_000, 8_000, 7_000, 6_000], vec![5_000, 4_000, 3_000, 2_000], vec![1_000]]);
    let one = api.expect(200, "GET", "/v1/health/history?service=node-exporter&limit=1", None);
    assert_eq!(
        one["transitions"][0],
        json!({
            "sequence": 9, "at": 9_000, "service": other, "instance": "centos9-vm.internal.local:8080",
            "from": "passing", "to": "failing", "reason": "http: status 9", "latency_ms": 7
        })
    );
    let shown = workspace.expect(0, &["health", "jenkins", "--history", "--limit", "2"]).stdout;
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 3, "{shown}");
    assert!(lines[1].starts_with("1970-01-01T00:00:08Z  _jenkins._tcp.internal.local."), "{shown}");
    assert!(lines[1].ends_with("failing → passing  7 ms     http: status 8"), "{shown}");
    let report = workspace.json(&["health", "--history", "--json"]);
    assert_eq!((report["transitions"].as_array().unwrap().len(), &report["next"]), (9, &Value::Null));
}

#[test]
fn work_is_announced_by_whoever_may_change_all_of_it() {
    let principals = [
        principal("team-a", &grant("ci-*", "hosts = [\"*.a.internal.local\"]")),
        principal("jenkins", &grant("jenkins", "hosts = [\"centos9-vm*.internal.local\"]")),
        principal("reader", &grant("*", "access = \"read\"")),
        principal("nobody", ""),
        principal("admin", "admin = true"),
    ]
    .concat();
    let (site, _daemon) = Site::started(&principals);
    let (team_a, jenkins, reader) = (site.client("team-a"), site.client("jenkins"), site.client("reader"));
    let (nobody, admin) = (site.client("nobody"), site.client("admin"));
    let host = "/v1/hosts/centos9-vm/maintenance";
    let body = work(60, "new kernel");
    for (client, path, why) in [
        (&team_a, JENKINS, "team-a may not change the service `_jenkins._tcp"),
        (&team_a, host, "team-a may not change what is on the host `centos9-vm.internal.local"),
        (&reader, JENKINS, "reader may not change the service `_jenkins._tcp"),
        (&reader, host, "reader may not change what is on the host"),
        (&nobody, "/v1/services/unknown/maintenance", "nobody may not change the service"),
        (&nobody, "/v1/hosts/unknown/maintenance", "nobody may not change what is on the host"),
    ] {
        assert!(client.send("PUT", path, Some(&body)).problem(403).contains(why), "{path} {why}");
        assert!(client.send("DELETE", path, None).problem(403).contains(why), "{path} {why}");
    }
    assert_eq!(jenkins.send("PUT", JENKINS, Some(&body)).status, 200);
    let set = jenkins.send("PUT", host, Some(&body));
    assert_eq!((set.status, &set.json()["maintenance"]["by"]), (200, &json!("jenkins")));
    // Somebody else's instance comes to the host.
    let offer = json!({ "host": "centos9-vm", "port": 5432 });
    assert_eq!(admin.post("/v1/services/db/instances", &offer).status, 200);
    let why = "may not change the service `_db._tcp.internal.local.`, which is on the host";
    assert!(jenkins.send("PUT", host, Some(&body)).problem(403).contains(why));
    assert_eq!(admin.send("PUT", host, Some(&body)).status, 200);

    assert_eq!(works(&reader.get("/v1/maintenance").json()).len(), 2);
    assert_eq!(works(&jenkins.get("/v1/maintenance").json()).len(), 2);
    for stranger in [&nobody, &team_a] {
        assert_eq!(works(&stranger.get("/v1/maintenance").json()), [""; 0]);
        assert_eq!(stranger.get("/v1/health/services").json()["services"], json!([]));
        assert_eq!(stranger.get("/v1/health/history").json()["transitions"], json!([]));
        stranger.get("/v1/services/jenkins/health").problem(403);
        stranger.get("/v1/health/history?service=jenkins").problem(403);
    }
    assert_eq!(reader.get("/v1/services/jenkins/health").json()["instances"].as_array().unwrap().len(), 2);
    assert_eq!(site.anybody().get("/v1/health").text, "ok\n", "who only wants to know whether somebody is here");
}

#[test]
fn a_word_is_taken_of_who_is_asked_for_it() {
    let principals = [
        principal("web", &grant("web", "hosts = [\"h*.internal.local\"]")),
        principal("other", &grant("web", "hosts = [\"x*.internal.local\"]")),
        principal("reader", &grant("*", "access = \"read\"")),
    ]
    .concat();
    let site = Site::new(&principals);
    let file = "[[service]]\nname = \"web\"\n[[service.check]]\ntype = \"lease\"\n\
                [[service.instance]]\nhost = \"h1\"\nport = 80\n[[service.instance]]\nhost = \"h2\"\nport = 80\ncheck = []\n";
    site.workspace.write_service("web.toml", file);
    let mut daemon = site.workspace.daemon();
    daemon.wait_in_sync();
    let web = site.client("web");
    let instances = "/v1/services/web/instances";
    let renew = |id: &str| format!("{instances}/{id}/renew");
    let word = json!({ "status": "warning", "output": "the disk fills up" });
    assert_eq!(web.post(instances, &json!({ "host": "h3", "port": 80, "lease": 600 })).status, 200);
    for id in ["h1:80", "h3:80"] {
        let taken = web.post(&renew(id), &word);
        assert_eq!((taken.status, &taken.json()["port"]), (200, &json!(80)), "{id}");
    }
    assert_eq!(web.send("POST", &renew("h3:80"), None).status, 200, "a renewal alone");
    let nothing = web.send("POST", &renew("h1:80"), None);
    assert!(nothing.problem(404).contains("not registered"), "what is in a file has no lease of its own");
    assert!(web.post(&renew("h2:80"), &word).problem(409).contains("no check of `h2.internal.local:80`"));
    web.post(&renew("h4:80"), &word).problem(404);
    assert!(web.post(&renew("h1:80"), &json!({ "status": "ill" })).problem(422).contains("unknown variant"));
    assert!(web.post(&renew("h1:80"), &json!({ "output": "x" })).problem(422).contains("goes with `status`"));
    for id in ["h1:80", "h3:80"] {
        let denied = site.client("other").post(&renew(id), &word).problem(403);
        assert!(denied.starts_with("other may not ") && denied.contains(&id[..2]), "{id}: {denied}");
        assert!(site.client("reader").post(&renew(id), &word).problem(403).contains("reader may not change"), "{id}");
    }
}
