//! Whose a name is, and whether it is wholly theirs.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use srvctl::model::{Marker, Name, RecordType, Sets, Zone};

/// What a name says: one owner's data of one kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct State {
    pub(crate) owner: String,
    pub(crate) port: u16,
}

impl State {
    /// What the service's TXT record says, so that all its records tell the same story.
    pub(crate) fn text(&self) -> String {
        format!("state={}-{}", self.owner, self.port)
    }
}

/// A service file's entry with two instances, that publishes this state.
pub(crate) fn service(name: &str, state: &State) -> String {
    let State { owner, port } = state;
    let mut text = format!("[[service]]\nname = \"{name}\"\nmetadata = {{ state = \"{owner}-{port}\" }}\n");
    for host in ["h1", "h2"] {
        let _ = write!(text, "[[service.instance]]\nhost = \"{host}\"\nport = {port}\n");
    }
    text
}

/// The owner name of a service in the test zone.
pub(crate) fn owner_name(service: &str) -> Name {
    format!("_{service}._tcp.internal.local").parse().unwrap()
}

/// What a zone says at a name.
///
/// # Panics
/// When the name is not wholly in one state: marker without data, data without marker, or parts of two states.
pub(crate) fn state_of(zone: &Zone, name: &Name) -> Option<State> {
    let shown = || format!("{name} at serial {}: {:?}", zone.serial(), zone.at(name));
    let types: BTreeSet<_> = zone.at(name).into_iter().flat_map(Sets::types).collect();
    let Some(marker) = zone.rrset(&Marker::name_for(name).unwrap(), RecordType::TXT) else {
        assert!(types.is_empty(), "data without a marker: {}", shown());
        return None;
    };
    let [marker] = marker.rdatas() else { panic!("two markers: {marker:?}, {}", shown()) };
    let marker = Marker::from_rdata(marker).unwrap();
    assert_eq!(marker.types, types, "marker and data: {}", shown());
    let srv = zone.rrset(name, RecordType::SRV).unwrap();
    let srv = srv.rdatas();
    assert_eq!(srv.len(), 2, "both instances or none: {}", shown());
    let ports: BTreeSet<_> = srv.iter().map(|rdata| rdata.as_srv().unwrap().port).collect();
    assert_eq!(ports.len(), 1, "two states: {}", shown());
    let state = State { owner: marker.owner.to_string(), port: *ports.first().unwrap() };
    let txt = zone.rrset(name, RecordType::TXT).unwrap();
    let txt = txt.rdatas();
    assert!(txt.len() == 1 && txt[0].as_txt().unwrap() == [state.text().as_bytes()], "{state:?}: {}", shown());
    Some(state)
}
