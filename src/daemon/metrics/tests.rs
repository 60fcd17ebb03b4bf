//! What is written, in both formats.

use super::*;
use crate::model::{HealthSummary, HeldStatus, NotifyStatus, Outcome, ServerStatus, VerificationStatus, ZoneStatus};

fn status() -> DaemonStatus {
    let server = ServerStatus {
        server: "127.0.0.1:53".to_owned(),
        serial: Some(6),
        behind: Some(1),
        in_sync: 4,
        stale: 1,
        last_answer: Some(1_700_000_003),
        ..ServerStatus::default()
    };
    let held = HeldStatus {
        id: "0123".to_owned(),
        reasons: Vec::new(),
        removed: 12,
        names: Vec::new(),
        additions_proceed: true,
        no_room: Vec::new(),
    };
    let zone = ZoneStatus {
        zone: "internal.local".parse().unwrap(),
        primary: "127.0.0.1:53".to_owned(),
        owner: "dns1".to_owned(),
        outcome: Outcome::Held,
        serial: Some(u32::MAX),
        records: 20,
        owned_names: 5,
        pending_names: 3,
        conflicts: 2,
        last_in_sync: None,
        last_run: Some(1_700_000_001),
        changes: 0,
        full_transfers: 0,
        incremental_transfers: 0,
        notifies: Some(NotifyStatus { accepted: 7, refused: 1, ..NotifyStatus::default() }),
        error: None,
        problems: vec![String::new(); 4],
        held: Some(held),
        next_run: None,
        verification: VerificationStatus { servers: vec![server], ..VerificationStatus::default() },
        health: HealthSummary { failing: 3, withdrawn: 2, floor_held: vec![Name::root()], ..HealthSummary::default() },
    };
    DaemonStatus { version: "1.2.3".to_owned(), instances: 9, zones: vec![zone], ..DaemonStatus::default() }
}

fn lines(metrics: &Metrics, exposition: Exposition) -> Vec<String> {
    metrics.render(status(), exposition).lines().map(str::to_owned).collect()
}

fn has(lines: &[String], wanted: &str) {
    assert!(lines.iter().any(|line| line == wanted), "no line `{wanted}` in\n{}", lines.join("\n"));
}

#[test]
fn the_status_is_told() {
    let lines = lines(&Metrics::new(), Exposition::OpenMetrics);
    for wanted in [
        "srvctl_build_info{version=\"1.2.3\"} 1",
        "srvctl_instances 9",
        "srvctl_zone_serial{zone=\"internal.local.\"} 4294967295",
        "srvctl_zone_in_sync{zone=\"internal.local.\"} 0",
        "srvctl_zone_outcome{zone=\"internal.local.\",outcome=\"held\"} 1",
        "srvctl_zone_outcome{zone=\"internal.local.\",outcome=\"in_sync\"} 0",
        "srvctl_zone_last_run_timestamp_seconds{zone=\"internal.local.\"} 1700000001",
        "# UNIT srvctl_zone_last_run_timestamp_seconds seconds",
        "srvctl_zone_pending_names{zone=\"internal.local.\"} 3",
        "srvctl_zone_held{zone=\"internal.local.\"} 1",
        "srvctl_zone_held_records{zone=\"internal.local.\"} 12",
        "srvctl_zone_conflicts{zone=\"internal.local.\"} 2",
        "srvctl_zone_problems{zone=\"internal.local.\"} 4",
        "srvctl_health_instances{zone=\"internal.local.\",condition=\"failing\"} 3",
        "srvctl_health_instances{zone=\"internal.local.\",condition=\"passing\"} 0",
        "srvctl_health_withdrawn_instances{zone=\"internal.local.\"} 2",
        "srvctl_health_floor_held_services{zone=\"internal.local.\"} 1",
        "srvctl_health_isolated 0",
        "# TYPE srvctl_notifies counter",
        "srvctl_notifies_total{zone=\"internal.local.\",result=\"refused\"} 1",
        "srvctl_verification_rrsets{zone=\"internal.local.\",server=\"127.0.0.1:53\",state=\"in_sync\"} 4",
        "srvctl_verification_rrsets{zone=\"internal.local.\",server=\"127.0.0.1:53\",state=\"wrong\"} 0",
        "srvctl_server_behind{zone=\"internal.local.\",server=\"127.0.0.1:53\"} 1",
        // What has never been has no time, but a name.
        "# TYPE srvctl_zone_last_in_sync_timestamp_seconds gauge",
    ] {
        has(&lines, wanted);
    }
    assert!(!lines.iter().any(|line| line.starts_with("srvctl_zone_last_in_sync_timestamp_seconds")));
    assert_eq!(lines.last().unwrap(), "# EOF");
}

#[test]
fn what_happens_is_counted_and_timed() {
    let metrics = Arc::new(Metrics::new());
    let zone = metrics.of_zone(&"internal.local".parse().unwrap());
    zone.updated(Duration::from_millis(3));
    zone.transferred(TransferKind::Incremental, 300);
    zone.transferred(TransferKind::Incremental, 200);
    zone.changed(3, 1);
    zone.repaired(2);
    metrics.looked_up("resolv.conf", State::Unknown, Duration::from_secs(20));
    metrics.propagated("resolv.conf", Duration::from_mins(10));
    metrics.probed("http", &ProbeResult::new(Verdict::Failing, Duration::from_millis(7), "no"));
    let open = lines(&metrics, Exposition::OpenMetrics);
    for wanted in [
        "srvctl_update_duration_seconds_count{zone=\"internal.local.\"} 1",
        "srvctl_update_duration_seconds_bucket{le=\"0.0025\",zone=\"internal.local.\"} 0",
        "srvctl_update_duration_seconds_bucket{le=\"0.005\",zone=\"internal.local.\"} 1",
        "srvctl_transfers_total{zone=\"internal.local.\",kind=\"incremental\"} 2",
        "srvctl_transfer_bytes_total{zone=\"internal.local.\",kind=\"incremental\"} 500",
        "srvctl_changed_records_total{zone=\"internal.local.\",operation=\"add\"} 3",
        "srvctl_drift_repaired_records_total{zone=\"internal.local.\"} 2",
        "srvctl_lookups_total{server=\"resolv.conf\",state=\"unknown\"} 1",
        "srvctl_lookup_duration_seconds_sum{server=\"resolv.conf\"} 20.0",
        "srvctl_probes_total{type=\"http\",verdict=\"failing\"} 1",
        "srvctl_probe_duration_seconds_bucket{le=\"0.01\",type=\"http\"} 1",
        "srvctl_propagation_duration_seconds_bucket{le=\"900.0\",server=\"resolv.conf\"} 1",
    ] {
        has(&open, wanted);
    }
    let text = lines(&metrics, Exposition::Text);
    has(&text, "# TYPE srvctl_transfer_bytes_total counter");
    has(&text, "srvctl_build_info{version=\"1.2.3\"} 1");
    assert!(!text.iter().any(|line| line.contains("EOF") || line.contains("UNIT")), "{text:?}");
}

#[test]
fn nothing_is_told_of_zones_that_are_gone() {
    let metrics = Arc::new(Metrics::new());
    let zone = |name: &str| metrics.of_zone(&name.parse().unwrap()).repaired(1);
    zone("old.local");
    metrics.expect(&[]);
    zone("new.local");
    assert!(metrics.render(status(), Exposition::Text).contains("old.local"), "nothing has changed");
    *metrics.known.lock().unwrap() = Known { zones: BTreeSet::from(["old.local.".to_owned()]), ..Known::default() };
    metrics.expect(&[]);
    assert!(!metrics.render(status(), Exposition::Text).contains("old.local"));
}
