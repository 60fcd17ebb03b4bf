use super::*;
use crate::model::{Name, Place, ServiceKey};

fn place() -> Place {
    Place { file: "services.d/node.toml".into(), line: 2, column: 1 }
}

fn service(hosts: &[&str]) -> Service {
    let zone: Name = "internal.local".parse().unwrap();
    let key = ServiceKey { name: "node".into(), proto: "tcp".into(), zone };
    let port = std::num::NonZeroU16::new(9100).unwrap();
    let instance = |host: &&str| Instance::new(host.parse().unwrap(), port, place());
    Service { instances: hosts.iter().map(instance).collect(), ..Service::new(key, place()) }
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn told(remarks: &[Remark]) -> Vec<String> {
    remarks.iter().map(|remark| format!("{} {}", remark.fate, remark.message)).collect()
}

#[test]
fn what_the_origin_does_not_say_stays_and_what_it_says_is_taken() {
    let mut there = service(&["a.internal.local.", "b.internal.local."]);
    (there.ttl, there.shards) = (Some(60), Shards::Fixed(2));
    there.metadata = labels(&[("owner", "me"), ("Team", "old"), ("env", "prod")]);
    let scrape = Scrape { job_name: Some("old".into()), honor_labels: true, ..Scrape::default() };
    there.scrape = Some(scrape.into());
    (there.instances[0].priority, there.instances[1].priority) = (10, 10);
    there.instances[0].addresses = ["192.0.2.1".parse().unwrap()].into_iter().collect();
    there.instances[0].metadata = labels(&[("rack", "7")]);
    there.health = HealthPolicy::Deprioritise { priority: Some(9), weight: None };

    let mut new = service(&["a.internal.local.", "c.internal.local."]);
    new.metadata = labels(&[("team", "new")]);
    new.instances[1].metadata = labels(&[("env", "qa")]);
    let remarks = keep(&mut new, &there, Tells { job_name: true, preference: false });
    assert_eq!((new.ttl, new.shards, new.health), (Some(60), Shards::Fixed(2), HealthPolicy::Publish));
    assert_eq!(new.metadata, labels(&[("owner", "me"), ("team", "new")]));
    assert_eq!(new.scrape.as_deref(), Some(&Scrape { honor_labels: true, ..Scrape::default() }));
    let first = &new.instances[0];
    assert_eq!((first.priority, first.addresses.len(), &first.metadata), (10, 1, &labels(&[("rack", "7")])));
    let expected = [
        "kept `ttl`, `shards`, `honor_labels`, `metadata.owner`: said in the file, and not in what was imported",
        "kept `priority`, `addresses`, `metadata.rack` of a.internal.local:9100: said in the file, and not in what was \
         imported",
        "left `[service.health]` goes with the instances that were checked",
        "left b.internal.local:9100 is in the file and not in what was imported: out of the service",
    ];
    assert_eq!(told(&remarks), expected);

    let again = keep(&mut new.clone(), &new, Tells::default());
    assert!(again.is_empty(), "{again:?}");
    let mut of_zone = service(&["a.internal.local.", "b.internal.local."]);
    keep(&mut of_zone, &there, Tells { preference: true, ..Tells::default() });
    assert_eq!(of_zone.instances[0].priority, 0, "a zone says it");
}
