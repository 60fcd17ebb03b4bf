//! A request for targets, a parameter per line, and behind an empty line a list that was written down: neither may panic,
//! and a list that is read is written again as it was understood.
#![no_main]

use libfuzzer_sys::fuzz_target;
use srvctl::model::Name;
use srvctl::reconcile::discovery::{Roster, Selection, read};

fuzz_target!(|text: &str| {
    let zones: Vec<Name> = ["internal.local", "sub.internal.local"].map(|zone| zone.parse().expect("a name")).into();
    let (request, list) = text.split_once("\n\n").unwrap_or((text, ""));
    let pairs = request.lines().filter_map(|line| line.split_once('='));
    let pairs: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let Ok(targets) = read(list.as_bytes()) else {
        let _ = Selection::of_request(&pairs, &zones);
        return;
    };
    let listing = Roster::restored(targets, &zones).listing();
    let everything = listing.json(&Selection::default(), |_| true);
    let again = Roster::restored(read(&everything).expect("it was written here"), &zones).listing();
    assert_eq!(again, listing);
    if let Ok(selection) = Selection::of_request(&pairs, &zones) {
        let wanted = listing.selected(&selection, |_| true).count();
        assert!(wanted <= listing.len());
        assert_eq!(read(&listing.json(&selection, |_| true)).map(|read| read.len()), Ok(wanted));
    }
});
