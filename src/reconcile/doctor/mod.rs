//! What is sound and what is not about the way of a record from us to Prometheus: facts in, findings out.
//!
//! Experiments are made elsewhere, see [`crate::daemon::doctor`]; here is only what they mean, and what to do.

mod answers;
mod local_domain;
mod markers;
mod primary;
mod resolv_conf;
mod scratch;
mod secondaries;
mod ttl;

use crate::model::{Finding, Severity};

pub use answers::{Large, limit_of_primary, through};
pub use local_domain::{Host, local_domain};
pub use markers::markers;
pub use primary::{
    Heard, Incremental, KeyUse, Listening, Permission, clock, incremental, interfered, notified, permissions, stored,
};
pub use resolv_conf::{ResolvConfFile, resolv_conf};
pub use scratch::{Scratch, leftovers};
pub use secondaries::{Reached, Seen, propagation, server, without_address};
pub use ttl::{Ttls, ttls};

/// The worst of them; everything is well when there is none.
pub fn worst(findings: &[Finding]) -> Severity {
    findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Ok)
}

/// The worst first, otherwise in their order.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
}

/// `1 record`, `2 records`.
fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
