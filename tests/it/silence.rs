//! A server that says nothing: "maybe made" is neither done nor lost, and the zone decides.

use std::fmt::Write;
use std::thread;

use crate::support::{EXAMPLE_RECORDS, Fault, Named, Proxy, Scene, Settings, Workspace, assert_lines};

const IMPATIENT: &str = "timeout = \"1s\"\n";

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let impatient = |settings| Settings { more: IMPATIENT.to_owned(), ..settings };
    let Scene { named, proxy: reading, mut workspace } = Scene::with(Named::start(), impatient);
    workspace.write_example();
    let before = named.zone_text();
    reading.script([Fault::HoldRequest]);
    let plan = workspace.expect(1, &["plan"]);
    assert!(plan.stderr.contains("did not answer within 1 s while transferring the zone"), "{plan:?}");
    assert!(plan.stdout.is_empty(), "nothing is planned from nothing: {plan:?}");

    let writing = Proxy::to(named.address());
    workspace.configure(&impatient(Settings::behind(&named, &writing)));
    writing.script([Fault::None, Fault::None, Fault::HoldRequest]);
    let apply = workspace.expect(1, &["apply"]);
    assert!(apply.stderr.contains("did not answer within 1 s while updating the zone"), "{apply:?}");
    writing.release();
    workspace.converge();
    let expected = EXAMPLE_RECORDS.iter().map(ToString::to_string).chain(before);
    assert_lines("after all", &named.zone_text(), expected);
}

/// Many at once on a server that works on one update at a time and drops the others without a word.
#[test]
fn updates_dropped_by_the_servers_quota_are_never_called_done() {
    const WRITERS: usize = 12;
    let named = Named::builder().options("update-quota 1;").start();
    let dropped = || named.log().contains("quota reached");
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let named = &named;
            scope.spawn(move || {
                let owner = format!("writer{writer}");
                let settings = Settings { owner, more: IMPATIENT.to_owned(), ..Settings::for_server(named) };
                let workspace = Workspace::with(&settings);
                for round in 0..4u16 {
                    let mut text = String::new();
                    for service in 0..60 {
                        let port = 9000 + round;
                        write!(text, "[[service]]\nname = \"w{writer}s{service}\"\n").unwrap();
                        write!(text, "[[service.instance]]\nhost = \"h{service}\"\nport = {port}\n").unwrap();
                    }
                    workspace.write_service("all.toml", &text);
                    let done = (0..30).any(|_| workspace.run(&["apply"]).code == 0);
                    assert!(done, "writer {writer} never came through");
                    // What was called done is there, whole.
                    workspace.expect(0, &["plan"]);
                }
            });
        }
    });
    assert!(dropped(), "the quota was never reached: this test has shown nothing");
}
