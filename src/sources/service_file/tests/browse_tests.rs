//! `[service.browse]`, and what the instances are called there.

use super::*;

const BROWSED: &str = "[[service]]\nname = \"s\"\n[service.browse]\nsubtypes = [\"ci\", \"Build_2\"]\n[[service.instance]]\n\
                       host = \"h\"\nport = 1\nname = \"Jenkins on h. \\\"1\\\"\"\nsubtypes = [\"spare\"]\n\
                       [[service.instance]]\nhost = \"i\"\nport = 1\n";

#[test]
fn a_service_can_be_browsed_when_it_says_so() {
    let services = parse_text(BROWSED).unwrap();
    let [service] = &services[..] else { panic!("{services:?}") };
    assert!(service.is_browsed());
    let names: Vec<_> = service.instance_names().into_iter().map(Option::unwrap).collect();
    assert_eq!(names, ["Jenkins on h. \"1\"", "i"]);
    let subtypes: Vec<_> = service.instances.iter().map(|instance| service.subtypes_of(instance)).collect();
    assert_eq!(subtypes[0].iter().copied().collect::<Vec<_>>(), ["Build_2", "ci", "spare"]);
    assert_eq!(subtypes[1].len(), 2);
    let plain = parse_text(SERVICE).unwrap();
    assert!(!plain[0].is_browsed(), "only then");
}

#[test]
fn what_could_not_be_browsed_is_refused() {
    let wide = (0..40).map(|key| format!("k{key} = \"{}\"", "x".repeat(240))).collect::<Vec<_>>();
    let (first, second) = (wide[..20].join(", "), wide[20..].join(", "));
    let too_much = format!("name = \"s\"\nmetadata = {{ {first} }}");
    let own = format!("host = \"i\"\nmetadata = {{ {second} }}");
    for (line, instead, expected) in [
        ("name = \"s\"", "name = \"s\"\nshards = 2", "a service that is spread by `shards` cannot be browsed"),
        ("name = \"s\"", "name = \"dns-sd\"", "the name under which DNS-SD lists types"),
        ("name = \"s\"", "name = \"sub\"", "`_sub` stands between a subtype and its service"),
        ("subtypes = [\"ci\", \"Build_2\"]", "subtypes = [\"_ci\"]", "write `ci`"),
        ("subtypes = [\"ci\", \"Build_2\"]", "subtypes = [\"Srvctl\"]", "has a meaning of its own"),
        ("subtypes = [\"ci\", \"Build_2\"]", "subtypes = [\"ci\", \"CI\"]", "`CI` is listed twice"),
        ("subtypes = [\"ci\", \"Build_2\"]", "subtype = [\"ci\"]", "did you mean `subtypes`?"),
        ("host = \"i\"", "host = \"i\"\nname = \"JENKINS on h. \\\"1\\\"\"", "the first is at s.toml:5:1"),
        ("host = \"i\"", "host = \"i\"\nname = \"\"", "the instance name is empty"),
        ("host = \"i\"", "host = \"i\"\nname = \"a\\tb\"", "control character"),
        ("host = \"i\"", "host = \"i\"\nname = \"_srvctl\"", "begins with an underscore"),
        ("[service.browse]\nsubtypes = [\"ci\", \"Build_2\"]\n", "", "`name` of an instance means nothing"),
    ] {
        let shown = shown(parse_text(&BROWSED.replacen(line, instead, 1)));
        assert!(shown.contains(expected), "{instead}\n{shown}");
        assert_eq!(shown.matches("error: ").count(), 1, "{instead}\n{shown}");
    }
    let text = BROWSED.replacen("name = \"s\"", &too_much, 1).replacen("host = \"i\"", &own, 1);
    let shown = shown(parse_text(&text));
    assert!(shown.contains("8900 is the limit"), "each alone is within it, together they are not: {shown}");
}

#[test]
fn names_of_instances_need_room_for_their_markers() {
    let zone = format!("{0}.{0}.{0}", "x".repeat(60));
    let parse = |length: usize| {
        let text = BROWSED.replace("Jenkins on h. \\\"1\\\"", &"n".repeat(length));
        super::parse(&"s.toml".into(), &text.as_str().into(), &zones(&[&zone]))
    };
    assert!(parse(40).is_ok());
    assert!(shown(parse(63)).contains("with the ownership marker"));
}
