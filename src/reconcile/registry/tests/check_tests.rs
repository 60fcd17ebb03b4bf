use super::*;

fn proposal(host: &str) -> Proposal {
    let (addresses, metadata) = (Vec::new(), BTreeMap::new());
    Proposal { host: host.into(), port: 80, priority: 0, weight: 0, addresses, metadata, lease: None }
}

#[test]
fn an_offer_is_what_can_be_published() {
    let checked = |proposal: &Proposal| check_offer(proposal, &zone(), &[zone()]).map_err(|refusal| refusal.message);
    assert_eq!(checked(&proposal("h1")), Ok(offer("h1", 80)));
    let twice = Proposal { addresses: vec!["10.0.0.2".into(), "10.0.0.1".into(), "10.0.0.2".into()], ..proposal("h1") };
    assert_eq!(checked(&twice).unwrap().addresses.len(), 2);
    let addresses = |count: u8| (0..count).map(|number| format!("10.0.0.{}", number + 1)).collect();
    assert!(checked(&Proposal { addresses: addresses(32), ..proposal("h1") }).is_ok());
    for refused in [
        Proposal { port: 0, ..proposal("h1") },
        proposal("10.0.0.1"),
        proposal("h1.internal.local"),
        Proposal { addresses: vec!["10.0.0.1:80".into()], ..proposal("h1") },
        Proposal { addresses: addresses(33), ..proposal("h1") },
        Proposal { addresses: addresses(1), ..proposal("h1.example.com.") },
        Proposal { metadata: pairs("a=1 A=2"), ..proposal("h1") },
        Proposal { lease: Some(4), ..proposal("h1") },
        Proposal { lease: Some(2_592_001), ..proposal("h1") },
    ] {
        assert!(checked(&refused).is_err(), "{refused:?}");
    }
}

#[test]
fn an_id_may_be_written_as_a_host_is() {
    let checked = |text| check_id(text, &zone(), &[zone()]).map(|id| id.to_string()).map_err(|refusal| refusal.message);
    for (text, expected) in [
        ("h1:80", "h1.internal.local:80"),
        ("H1:080", "h1.internal.local:80"),
        ("h1.internal.local:80", "h1.internal.local:80"),
        ("h1.Internal.local.:80", "h1.internal.local:80"),
        ("db.example.com.:80", "db.example.com:80"),
        ("web-1", "web-1"),
    ] {
        assert_eq!(checked(text), Ok(expected.to_owned()), "{text}");
    }
    for text in ["", "h1:0", "10.0.0.1:80", "a_b:80", "a/b", "h1:80:80"] {
        assert!(checked(text).is_err(), "{text}");
    }
}

#[test]
fn settings_are_what_can_be_published() {
    assert_eq!(check_settings(&ttl(60), &service("web")), Ok(()));
    for refused in [ttl(0), ttl(604_801), Settings { metadata: pairs("a=1 A=2"), ..Settings::default() }] {
        assert!(check_settings(&refused, &service("web")).is_err(), "{refused:?}");
    }
}

#[test]
fn an_amendment_amends_something() {
    let of = |key: &str| Amendment { metadata: [(key.to_owned(), None)].into(), ..Amendment::default() };
    assert!(check_amendment(&weight(0)).is_ok() && check_amendment(&of("team")).is_ok());
    assert!(check_amendment(&Amendment::default()).is_err() && check_amendment(&of("a=b")).is_err());
}

fn document(text: &str) -> Result<Document, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

#[test]
fn a_document_says_which_service_is_wrong() {
    let text = "[[service]]\nname = 'web'\nttl = 60\nshards = 'auto'\nmetadata = { team = 'infra' }\n\
                [[service.instance]]\nhost = 'h1'\nport = 80\n[[service.instance]]\nid = 'x'\nhost = 'h2'\nport = 80\n";
    let settings = Settings { ttl: Some(60), shards: Shards::Auto, metadata: pairs("team=infra") };
    let services =
        vec![imported("web", settings, &[("h1.internal.local:80", offer("h1", 80)), ("x", offer("h2", 80))])];
    let read = document(text).unwrap();
    assert_eq!(check_import(&read, true, &[zone()]), Ok(Request::Import { services, replace: true }));
    assert_eq!(document(&toml::to_string(&read).unwrap()), Ok(read));
    for wrong in ["host = '.'\nport = 80", "host = 'h1'\nport = 0", "id = 'a/b'\nhost = 'h1'\nport = 1"] {
        let read = document(&format!("[[service]]\nname = 'web'\n[[service.instance]]\n{wrong}")).unwrap();
        let refusal = check_import(&read, false, &[zone()]).unwrap_err();
        assert!(refusal.message.starts_with("service `web`: "), "{}", refusal.message);
    }
}

#[test]
fn a_misspelt_key_is_not_overlooked() {
    let instance = "[[service]]\nname = 'web'\n[[service.instance]]\nhost = 'h1'\nport = 80\n";
    assert!(document(instance).is_ok());
    for wrong in [format!("{instance}wieght = 5"), "[[service]]\nname = 'web'\nttls = 5".to_owned(), "a = 1".to_owned()]
    {
        assert!(document(&wrong).is_err(), "{wrong}");
    }
}
