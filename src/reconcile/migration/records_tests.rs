use super::*;

fn name(text: &str) -> Name {
    Name::parse_relative(text, &"internal.local".parse().unwrap()).unwrap()
}

fn srv(target: &str, port: u16) -> Rdata {
    Rdata::srv(&Srv { priority: 10, weight: 10, port, target: name(target) })
}

fn mapped(terms: &Terms, records: &[(&str, u32, Rdata)]) -> Outcome {
    let file = "internal.local.zone".into();
    let record = |(line, (owner, ttl, rdata)): (u32, &(&str, u32, Rdata))| {
        (Record { name: name(owner), ttl: *ttl, rdata: rdata.clone() }, Source::line(&file, line))
    };
    map(terms, &Listing { records: (1..).zip(records).map(record).collect() })
}

fn terms() -> Terms {
    Terms::of_zone("internal.local".parse().unwrap())
}

fn says(outcome: &Outcome, fate: Fate, words: &str) -> bool {
    outcome
        .remarks
        .iter()
        .any(|remark| remark.fate == fate && format!("{} {}", remark.subject, remark.message).contains(words))
}

#[test]
fn the_zone_of_the_study_becomes_its_services() {
    let address = |last: u8| Rdata::a([192, 168, 188, last].into());
    let records = [
        ("_jenkins._tcp", 300, srv("centos9-vm", 8080)),
        ("_jenkins._tcp", 300, srv("centos9-vm2", 8080)),
        ("_node-exporter._tcp", 60, srv("centos9-vm", 9100)),
        ("_jenkins._tcp", 300, Rdata::txt(["team=devops"])),
        ("_jenkins._tcp", 300, Rdata::txt(["environment=production"])),
        ("centos9-vm", 300, address(142)),
        ("centos9-vm2", 300, address(143)),
        ("@", 300, Rdata::from_wire(RecordType::MX, [])),
    ];
    let outcome = mapped(&terms(), &records);
    let [jenkins, exporter] = &outcome.services[..] else { panic!("{outcome:#?}") };
    assert_eq!((jenkins.service.instances.len(), jenkins.service.ttl, exporter.service.ttl), (2, None, Some(60)));
    assert_eq!(jenkins.service.metadata["team"], "devops");
    let first = &jenkins.service.instances[0];
    assert_eq!((first.priority, first.weight, first.port.get(), first.addresses.len()), (10, 10, 8080, 0));
    assert_eq!(outcome.adopt, [name("_jenkins._tcp"), name("_node-exporter._tcp")]);
    assert!(says(&outcome, Fate::Guessed, "2 TXT records") && says(&outcome, Fate::Left, "1 MX"));
    let outcome = mapped(&Terms { addresses: true, ..terms() }, &records);
    assert_eq!(outcome.services[0].service.instances[0].addresses.len(), 1);
    assert_eq!(outcome.adopt.len(), 4);
}

#[test]
fn what_is_ours_or_no_service_is_told() {
    let marker = Rdata::txt(["v=1 owner=dns1 types=SRV"]);
    let records = [
        ("_ours._tcp", 300, srv("a", 1)),
        ("_srvctl._ours._tcp", 300, marker),
        ("_ldap._tcp.dc._msdcs", 300, srv("a", 389)),
        ("_sip._tls", 300, srv("a", 5061)),
        ("Printer._ipp._tcp", 300, srv("a", 631)),
        ("_none._tcp", 300, srv(".", 1)),
        ("_zero._tcp", 0, srv("a", 0)),
        ("_zero._tcp", 0, srv("b", 1)),
        ("_zero._tcp", 0, srv("b", 1)),
        ("_zero._tcp", 0, Rdata::txt(["no pair", "a=1", "A=2", "a=3"])),
    ];
    let outcome = mapped(&terms(), &records);
    let [zero] = &outcome.services[..] else { panic!("{outcome:#?}") };
    assert_eq!((zero.service.instances.len(), zero.service.ttl), (1, None));
    assert_eq!(zero.service.metadata.len(), 1);
    assert!(says(&outcome, Fate::Left, "owner \"dns1\"") && says(&outcome, Fate::Guessed, "TTL 0"));
    for words in
        ["_msdcs", "_sip._tls", "Printer", "`.` says", "port 0", "no pair", "there twice", "the first was taken"]
    {
        assert!(says(&outcome, Fate::Refused, words), "{words}: {outcome:#?}");
    }
    assert!(!outcome.adopt.contains(&name("_ours._tcp")));
}

#[test]
fn shards_are_joined() {
    let records =
        [("_node._tcp", 300, srv("a", 1)), ("_node._tcp.shard-1", 300, srv("b", 1)), ("_Node._tcp", 300, srv("c", 1))];
    let outcome = mapped(&terms(), &records);
    let [node] = &outcome.services[..] else { panic!("{outcome:#?}") };
    assert_eq!((node.service.instances.len(), node.service.shards), (3, Shards::Auto));
    assert_eq!(outcome.adopt.len(), 2);
}

#[test]
fn names_of_which_nothing_was_taken_are_not_to_be_adopted() {
    let records = [
        ("_a._tcp", 300, srv("vm1", 1)),
        ("_b._tcp", 300, srv(".", 0)),
        ("_c._tcp", 300, srv("vm2", 1)),
        ("_d._tcp", 300, srv("vm1", 1)),
        ("_d._tcp.shard-1", 300, srv("vm1", 2)),
        ("vm1", 300, Rdata::a([192, 0, 2, 1].into())),
        ("vm2", 300, Rdata::a([192, 0, 2, 2].into())),
    ];
    let mut outcome = mapped(&Terms { addresses: true, ..terms() }, &records);
    let names = |names: &[&str]| names.iter().map(|text| name(text)).collect::<BTreeSet<_>>();
    let adopt = |outcome: &Outcome| outcome.adopt.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(adopt(&outcome), names(&["_a._tcp", "_c._tcp", "_d._tcp", "_d._tcp.shard-1", "vm1", "vm2"]));
    let refused = outcome.services.iter().map(|migrated| migrated.service.key.clone());
    let refused = refused.filter(|key| key.name != "a").collect();
    outcome.refuse(&refused);
    assert_eq!(adopt(&outcome), names(&["_a._tcp", "vm1"]));
    assert!(!outcome.remarks.iter().any(|remark| remark.fate == Fate::Mapped && remark.subject == "c"));
}
