//! What happens between reading a zone and changing it: another writer, or an exchange that breaks.

use std::thread;

use crate::support::{EXAMPLE_RECORDS, Fault, JENKINS, Named, Output, Scene, assert_lines};

impl Scene {
    /// Does this to the update that the next run sends, after it has read the zone on a connection of its own.
    fn fault(&self, fault: Fault) {
        self.proxy.script([Fault::None, Fault::None, fault]);
    }

    /// Runs `apply`; while its update is under way, somebody else does this to the zone.
    fn apply_while(&self, commands: &str) -> Output {
        self.fault(Fault::HoldRequest);
        thread::scope(|scope| {
            let apply = scope.spawn(|| self.workspace.run(&["apply"]));
            self.proxy.wait_held();
            self.named.nsupdate(&format!("zone internal.local\n{commands}"));
            self.proxy.release();
            apply.join().unwrap()
        })
    }
}

/// The example without Jenkins' own name.
fn others() -> impl Iterator<Item = &'static str> {
    EXAMPLE_RECORDS.iter().copied().filter(|line| !line.contains("_jenkins"))
}

#[test]
fn an_alias_appears_at_a_name_that_is_being_claimed() {
    // BIND drops what is added beside a CNAME and says NOERROR; the marker, at another name, would stay.
    let scene = Scene::example(Named::start());
    let output = scene.apply_while("update add _jenkins._tcp.internal.local 60 CNAME elsewhere.example.net.");
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("_jenkins._tcp.internal.local.: an alias is in the way"), "{output:?}");
    let alias = "_jenkins._tcp.internal.local. 60 IN CNAME elsewhere.example.net.";
    assert_lines("all else, and no marker without data", &scene.named.zone_text(), others().chain([alias]));
    scene.named.nsupdate("zone internal.local\nupdate delete _jenkins._tcp.internal.local CNAME");
    scene.workspace.converge();
    assert_lines("once the way is free", &scene.named.zone_text(), EXAMPLE_RECORDS);
}

#[test]
fn another_owner_claims_the_name_first() {
    let scene = Scene::example(Named::start());
    let output = scene.apply_while(
        "update add _srvctl._jenkins._tcp.internal.local 60 TXT \"v=1 owner=other-site types=SRV\"\n\
         update add _jenkins._tcp.internal.local 60 SRV 1 1 1 elsewhere.example.net.",
    );
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("owner \"other-site\""), "{output:?}");
    let theirs = [
        "_srvctl._jenkins._tcp.internal.local. 60 IN TXT \"v=1 owner=other-site types=SRV\"",
        "_jenkins._tcp.internal.local. 60 IN SRV 1 1 1 elsewhere.example.net.",
    ];
    assert_lines("theirs stays, ours lands elsewhere", &scene.named.zone_text(), others().chain(theirs));
}

#[test]
fn foreign_records_appear_where_we_claim() {
    let scene = Scene::example(Named::start());
    let output = scene.apply_while("update add _jenkins._tcp.internal.local 60 SRV 1 1 1 elsewhere.example.net.");
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("foreign records are in the way"), "{output:?}");
    let theirs = ["_jenkins._tcp.internal.local. 60 IN SRV 1 1 1 elsewhere.example.net."];
    assert_lines("theirs stays, ours lands elsewhere", &scene.named.zone_text(), others().chain(theirs));
}

#[test]
fn a_name_of_ours_is_given_to_somebody_else() {
    let scene = Scene::example(Named::start());
    scene.workspace.converge();
    scene.workspace.write_service("jenkins.toml", &JENKINS.replace("8080", "8443"));
    let output = scene.apply_while(
        "update delete _srvctl._jenkins._tcp.internal.local TXT\n\
         update add _srvctl._jenkins._tcp.internal.local 300 TXT \"v=1 owner=other-site types=SRV,TXT\"",
    );
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stderr.contains("owner \"other-site\""), "{output:?}");
    let handed_over = |line: &&str| {
        let marker = line.starts_with("_srvctl._jenkins.");
        if marker { line.replace("test1", "other-site") } else { (*line).to_owned() }
    };
    assert_lines("their data is as we left it", &scene.named.zone_text(), EXAMPLE_RECORDS.iter().map(handed_over));
}

#[test]
fn what_others_do_elsewhere_does_not_matter() {
    let scene = Scene::example(Named::start());
    let output = scene.apply_while("update add www.internal.local 60 A 192.0.2.1");
    assert_eq!(output.code, 0, "{output:?}");
    scene.workspace.expect(0, &["plan"]);
}

#[test]
fn an_update_that_was_made_unheard_is_no_failure() {
    let scene = Scene::example(Named::start());
    scene.fault(Fault::CutAnswer(0));
    let output = scene.workspace.expect(0, &["apply"]);
    assert!(output.stderr.contains("made all the same"), "the broken exchange is told: {output:?}");
    assert_lines("all is there", &scene.named.zone_text(), EXAMPLE_RECORDS);
    assert_eq!(scene.named.serial(), 2, "it was not sent twice");
}

#[test]
fn an_update_that_got_lost_is_a_failure_until_the_next_run() {
    // As when `update-quota` is full: BIND drops the request without a word.
    let scene = Scene::example(Named::start());
    scene.fault(Fault::LoseRequest);
    let output = scene.workspace.expect(1, &["apply"]);
    assert!(output.stderr.contains("may or may not have been made"), "{output:?}");
    assert_eq!(scene.named.serial(), 1);
    scene.workspace.converge();
}

#[test]
fn a_forged_answer_to_an_update_is_not_believed() {
    for offset in [5, 40, 80] {
        let scene = Scene::example(Named::start());
        scene.fault(Fault::Flip(offset, 1));
        let output = scene.workspace.expect(0, &["apply"]);
        assert!(output.stderr.contains("made all the same"), "byte {offset}: {output:?}");
        assert_eq!(scene.named.serial(), 2);
    }
}
