//! The proof of the whole: a real Prometheus discovers what `verify` says it will.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::{EXAMPLE, JENKINS, Named, Prometheus, Workspace, in_private_network, strings};

const JOBS: [(&str, &str); 2] =
    [("jenkins", "_jenkins._tcp.internal.local"), ("node-exporter", "_node-exporter._tcp.internal.local")];

/// The targets that `srvctl verify` reports for a name.
fn verified(workspace: &Workspace, name: &str) -> BTreeSet<String> {
    let report = workspace.json(&["verify", "--json"]);
    assert_eq!(report["in_sync"], json!(true), "{report}");
    let checks = report["checks"].as_array().unwrap();
    let of_name = checks.iter().filter(|check| check["name"] == format!("{name}.") && check["type"] == "SRV");
    of_name.flat_map(|check| strings(&check["targets"])).collect()
}

fn discovers_what_is_verified(prometheus: &mut Prometheus, workspace: &Workspace) -> BTreeSet<String> {
    let expected = JOBS.map(|(job, name)| (job.to_owned(), verified(workspace, name)));
    prometheus.wait_until(&expected.clone().into());
    expected.into_iter().flat_map(|(_, targets)| targets).collect()
}

#[test]
fn discovers_exactly_what_verify_reports() {
    in_private_network("prometheus::discovers_exactly_what_verify_reports", || {
        let named = Named::builder().listen(([127, 0, 0, 1], 53).into()).start();
        let workspace = Workspace::new(&named);
        for (file, text) in EXAMPLE {
            workspace.write_service(file, text);
        }
        workspace.converge();
        let mut prometheus = Prometheus::start(&JOBS);
        let targets = discovers_what_is_verified(&mut prometheus, &workspace);
        let example = [
            "centos9-vm.internal.local:8080",
            "centos9-vm.internal.local:9100",
            "centos9-vm2.internal.local:8080",
            "centos9-vm2.internal.local:9100",
        ];
        assert_eq!(targets, example.map(str::to_owned).into());

        let third = "\n[[service.instance]]\nhost = \"centos9-vm3\"\nport = 8080\naddresses = [\"192.168.188.144\"]\n";
        workspace.write_service("jenkins.toml", &(JENKINS.replacen("8080", "8443", 1) + third));
        workspace.converge();
        let targets = discovers_what_is_verified(&mut prometheus, &workspace);
        assert!(targets.contains("centos9-vm.internal.local:8443"), "{targets:?}");
        assert!(targets.contains("centos9-vm3.internal.local:8080"), "{targets:?}");
        assert!(!targets.contains("centos9-vm.internal.local:8080"), "{targets:?}");
    });
}

#[test]
fn discovers_a_set_that_needs_tcp() {
    in_private_network("prometheus::discovers_a_set_that_needs_tcp", || {
        let named = Named::builder().listen(([127, 0, 0, 1], 53).into()).start();
        let workspace = Workspace::new(&named);
        let instance =
            |host: u8| format!("[[service.instance]]\nhost = \"a-rather-long-host-name-{host}\"\nport = 8080\n");
        let instances: String = (0..100).map(instance).collect();
        workspace.write_service("many.toml", &format!("[[service]]\nname = \"jenkins\"\n{instances}"));
        workspace.converge();
        let (job, name) = JOBS[0];
        let mut prometheus = Prometheus::start(&[(job, name)]);
        let targets = verified(&workspace, name);
        assert_eq!(targets.len(), 100);
        prometheus.wait_until(&[(job.to_owned(), targets)].into());
    });
}
