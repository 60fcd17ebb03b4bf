use serde_json::json;

use super::*;

fn inventory() -> Inventory {
    let group = |value: Value| serde_json::from_value::<Group>(value).unwrap();
    let variables = |value: Value| serde_json::from_value::<Variables>(value).unwrap();
    Inventory {
        source: Source::file("inventory.json"),
        hostvars: [
            (
                "centos9-vm".to_owned(),
                variables(json!({
                    "ansible_host": "192.168.188.142", "team": "devops", "jenkins_port": "{{ base_port }}80", "base_port": 80,
                    "secret": { "__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\n3132" },
                    "srvctl_services": [
                        { "name": "node-exporter", "port": 9100, "weight": 10, "metadata": { "team": "{{ team }}", "os": "el9" } },
                        { "name": "old", "port": 1, "state": "absent" },
                        { "name": "odd", "port": "{{ ports | first }}" },
                        "nonsense"
                    ]
                })),
            ),
            ("vm2.example.com".to_owned(), variables(json!({ "team": "qa", "jenkins_port": 8080 }))),
            ("10.0.0.9".to_owned(), variables(json!({}))),
            ("db1".to_owned(), variables(json!({}))),
        ]
        .into(),
        groups: [
            ("all".to_owned(), group(json!({ "children": ["ungrouped", "jenkins", "databases"] }))),
            ("jenkins".to_owned(), group(json!({ "children": ["jenkins_masters", "jenkins"] }))),
            (
                "jenkins_masters".to_owned(),
                group(json!({ "hosts": ["centos9-vm", "vm2.example.com", "10.0.0.9"], "vars": { "environment": "production", "jenkins_port": 1 } })),
            ),
            ("databases".to_owned(), group(json!({ "hosts": ["db1"] }))),
        ]
        .into(),
    }
}

fn rule(port: Port) -> Rule {
    Rule {
        group: "jenkins".into(),
        service: "jenkins".into(),
        port,
        host_variable: None,
        address_variable: None,
        metadata: ["team", "environment", "product=secret", "nothing"].map(metadata_word).into(),
        source: Source::line(&"rules.toml".into(), 1),
    }
}

fn terms() -> Terms {
    Terms { addresses: true, ..Terms::of_zone("internal.local".parse().unwrap()) }
}

#[test]
fn rules_say_what_the_hosts_of_a_group_offer() {
    let outcome = map(&terms(), &inventory(), &[rule(Port::Variable("jenkins_port".into()))]);
    let jenkins = &outcome.services.iter().find(|migrated| migrated.service.key.name == "jenkins").unwrap().service;
    let offered: Vec<_> = jenkins
        .instances
        .iter()
        .map(|instance| format!("{}:{} {:?}", instance.host, instance.port, instance.metadata))
        .collect();
    assert_eq!(
        offered,
        [
            r#"vm2.example.com.:8080 {"team": "qa"}"#.to_owned(),
            r#"centos9-vm.internal.local.:8080 {"team": "devops"}"#.to_owned()
        ]
    );
    assert_eq!(jenkins.metadata, [("environment".to_owned(), "production".to_owned())].into());
    assert_eq!(jenkins.instances[1].addresses.len(), 1);
    let refused: Vec<_> = outcome.remarks.iter().filter(|remark| remark.fate == Fate::Refused).collect();
    let is_refused =
        |words: &str| refused.iter().any(|remark| format!("{} {}", remark.subject, remark.message).contains(words));
    for words in [
        "10.0.0.9",
        "`secret` is in a vault",
        "entry 3 of `srvctl_services`",
        "entry 4 of",
        "group databases nothing says what `db1`",
    ] {
        assert!(is_refused(words), "{words}: {refused:#?}");
    }
    assert!(!format!("{outcome:?}").contains("3132"), "a vault is not shown");
}

#[test]
fn what_the_role_registers_needs_no_rules() {
    let outcome = map(&terms(), &inventory(), &[]);
    let [migrated] = &outcome.services[..] else { panic!("{outcome:#?}") };
    assert_eq!(migrated.service.key.name, "node-exporter");
    let instance = &migrated.service.instances[0];
    assert_eq!((instance.port.get(), instance.weight, instance.addresses.len()), (9100, 10, 1));
    assert_eq!(migrated.service.metadata["team"], "devops");
    assert!(outcome.remarks.iter().any(|remark| remark.fate == Fate::Left && remark.message.contains("absent")));
}

#[test]
fn templates_that_turn_in_circles_are_refused() {
    let mut inventory = inventory();
    let variables = inventory.hostvars.get_mut("db1").unwrap();
    variables.insert("a".into(), json!("{{ b }}"));
    variables.insert("b".into(), json!("{{ a }}"));
    variables.insert("c".into(), json!("{{ inventory_hostname }}.x{{ d }}"));
    variables.insert("d".into(), json!({ "__ansible_unsafe": "{{" }));
    assert!(inventory.text("db1", "a").unwrap_err().contains("only Ansible"));
    assert_eq!(inventory.text("db1", "c").unwrap().unwrap(), "db1.x{{");
    assert_eq!(inventory.text("db1", "nothing"), Ok(None));
}
