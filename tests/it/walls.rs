//! The walls of the house, as `lib.rs` draws them: read from the source itself.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each room may import. A room may always use itself.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("protocol", &["model"]),
    ("reconcile", &["model", "protocol"]),
    ("dns", &["model", "protocol", "reconcile"]),
    ("sources", &["model", "protocol", "reconcile"]),
    ("probes", &["model", "protocol", "reconcile"]),
    ("store", &["model", "protocol", "reconcile"]),
    ("api", &["model", "protocol", "reconcile"]),
    ("config", &["model", "protocol", "reconcile", "dns", "sources", "probes", "store", "api"]),
    ("daemon", &["model", "protocol", "reconcile", "dns", "sources", "probes", "store", "api", "config"]),
    ("cli", &["model", "protocol", "reconcile", "dns", "sources", "probes", "store", "api", "config", "daemon"]),
];

const PURE: &[&str] = &["model", "protocol", "reconcile"];

/// Words that a pure room has no use for: async, clocks, logs, files, sockets, randomness, printing.
const IMPURE: &[&str] = &[
    "tokio",
    "async ",
    ".await",
    "SystemTime",
    "Instant::",
    "tracing",
    "std::fs",
    "std::io",
    "std::env",
    "rand::",
    "std::thread",
    "TcpStream",
    "UdpSocket",
    "println!",
    "hickory",
    "HashMap",
    "HashSet",
];

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The lines of a room's files that are code and not tests.
fn code(room: &str) -> Vec<(String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room);
    let paths = files(&source);
    assert!(!paths.is_empty(), "the room {room} has moved");
    let mut lines = Vec::new();
    for path in paths.iter().filter(|path| !path.to_string_lossy().ends_with("tests.rs")) {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            lines.push((format!("{}:{}", path.display(), number + 1), line.to_owned()));
        }
    }
    lines
}

/// The rooms that a line names after `crate::`, one or several in braces.
fn imported_rooms(line: &str) -> BTreeSet<String> {
    let first_word = |rest: &str| {
        rest.trim().split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap().to_owned()
    };
    let mut words = BTreeSet::new();
    for rest in line.match_indices("crate::").map(|(at, found)| &line[at + found.len()..]) {
        match rest.strip_prefix('{') {
            Some(several) => words.extend(several.split(',').map(first_word)),
            None => {
                words.insert(first_word(rest));
            }
        }
    }
    words.retain(|word| MAY_IMPORT.iter().any(|(room, _)| room == word));
    words
}

#[test]
fn imports_are_seen_in_every_spelling() {
    let rooms = |line| imported_rooms(line).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(rooms("use crate::dns::Primary;"), "dns");
    assert_eq!(rooms("use crate::{config, daemon::cycle};"), "config daemon");
    assert_eq!(rooms("fn f(zone: &crate::model::Zone, plan: crate::reconcile::Plan)"), "model reconcile");
}

#[test]
fn arrows_point_only_where_lib_rs_draws_them() {
    for (room, allowed) in MAY_IMPORT {
        for (place, line) in code(room) {
            for imported in imported_rooms(&line) {
                assert!(imported == *room || allowed.contains(&&*imported), "{place}: {room} imports {imported}");
            }
        }
    }
}

#[test]
fn pure_rooms_have_no_clock_no_io_and_no_map_order() {
    for room in PURE {
        // The two that keep a hash table tell in order what they hold, or say "unsorted".
        let tables = |place: &str| ["model/name_map.rs", "model/table.rs"].iter().any(|table| place.contains(table));
        for (place, line) in code(room) {
            for word in IMPURE.iter().filter(|word| **word != "HashMap" || !tables(&place)) {
                assert!(!line.contains(word), "{place}: the pure room {room} uses `{word}`");
            }
        }
    }
}

#[test]
fn the_dns_library_stays_in_its_room() {
    for (room, _) in MAY_IMPORT.iter().filter(|(room, _)| *room != "dns") {
        for (place, line) in code(room) {
            assert!(!line.contains("hickory"), "{place}: {room} uses the DNS library");
        }
    }
}

#[test]
fn every_room_is_on_the_map() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(source).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        let room = entry.file_name().into_string().unwrap();
        assert!(MAY_IMPORT.iter().any(|(known, _)| *known == room), "src/{room} is on no map");
    }
}

#[test]
fn files_stay_short_enough_to_read_in_one_sitting() {
    for path in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 600, "{} has {lines} lines", path.display());
    }
}
