//! srvctl keeps the SRV, TXT and address records of a DNS zone equal to a desired set of services, and proves
//! with Prometheus' own lookup that they can be discovered.
//!
//! # The way of one record through the house
//!
//! 1. Somebody writes a service into `services.d/jenkins.toml`. [`sources`] reads and checks the file; what
//!    cannot be published is an error with file, line and caret. What is good is a [`model::Service`].
//!    Or an instance registers itself: [`api`] takes it, [`reconcile::registry`] decides what becomes of it, and
//!    [`store`] has it on the disk before anybody hears that it is done.
//! 2. [`reconcile`] turns all services into the records that each zone shall hold ([`reconcile::desired`]).
//! 3. [`dns`] reads the live zone from its primary, [`protocol::transfer`] judging every message on the way,
//!    and gives a [`model::Zone`]; once as a whole, and then what has changed in it. NOTIFYs tell when.
//! 4. [`reconcile::Reconciler`] keeps the difference between the two, restricted to what our markers in the zone say
//!    is ours: a change on either side is a look at the names that it touches. A service too large for one name is
//!    spread over several there, each instance staying where the zone has it; one that can be browsed has names of its own
//!    for each instance ([`model::browse`]), and what belongs to one of them goes together. What is to do is made of
//!    [`model::Change`]s, grouped by owner name with the prerequisites that guard them.
//! 5. [`protocol::update`] packs them into messages by bytes; [`dns`] signs, sends and verifies the answers.
//! 6. The zone is read back: NOERROR is not success. [`daemon::cycle`] is this whole way, and `plan`, `apply`
//!    and the daemon all take it.
//! 7. [`daemon::verification`] looks the record up as Prometheus would: [`protocol::lookup`] decides,
//!    [`dns`] moves the bytes, [`reconcile`] compares what came with what shall be.
//!
//! What DNS cannot say of it, Prometheus is told over HTTP and in files: [`reconcile::discovery`] has the labels, and who
//! stays listed as long as it is not certain that they went on purpose.
//!
//! Services of other tools come in at step 1: [`sources::migration`] reads their files, [`reconcile::migration`] says what
//! they mean here, and [`sources::write`] makes service files of that.
//! What Prometheus scrapes today and what it would have from DNS are brought together by [`daemon::comparison`] and
//! compared by [`reconcile::parity`].
//!
//! [`daemon::doctor`] goes this way with names of its own, and [`reconcile::doctor`] says what is wrong on it.
//!
//! # The rooms
//!
//! ```text
//! main → cli → daemon → config → { dns, sources, probes, store, api } → { reconcile → protocol → model }
//! ```
//! Arrows are "may import"; nothing points left, and no shell imports another. The rooms in the last braces are
//! pure: no async, clock, log, file or randomness in them; these come in as arguments, and decisions come out
//! as data. A test holds the walls (`tests/it/walls.rs`).
//!
//! | Room | Owns |
//! |---|---|
//! | [`model`] | the nouns: names, records, RRsets, zone, change, service, marker, status |
//! | [`protocol`] | what the RFCs and the consumers' code say: messages, TSIG, transfers, NOTIFY, updates, the lookup |
//! | [`reconcile`] | our policy: desired set, shards, plan, what a person has to accept, takeovers, what to set aside, verdicts, scrape configuration, what foreign files mean, whether DNS has what is scraped today |
//! | [`dns`] | sockets to name servers, and the only place that knows the DNS library |
//! | [`sources`] | service files: reading, checking, watching, keeping the last good content, writing; and the files of other tools |
//! | [`probes`] | health checks over the wire: when each is made, and what came of it |
//! | [`store`] | registrations, and what is known of health, on the disk; files that others read |
//! | [`api`] | HTTP, both ends: who asks, what they may ask, and how they are answered |
//! | [`config`] | `srvctl.toml` and its defaults |
//! | [`daemon`] | assembly: tasks, channels, signals, systemd; the only place where shells meet |
//! | [`cli`] | arguments, commands, what people and scripts read |

pub mod api;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod dns;
pub mod model;
pub mod probes;
pub mod protocol;
pub mod reconcile;
pub mod sources;
pub mod store;
