//! Coming from elsewhere: what other tools say of services and targets, as services of ours, with a remark on
//! everything that was mapped, guessed, left alone or refused.
//!
//! One file per kind of origin, all of which fill drafts. One thing that cannot be mapped stops no
//! other. Reading the foreign files is for [`crate::sources::migration`], writing ours for [`crate::sources::write`].

pub mod consul;
mod drafts;
pub mod inventory;
mod kept;
pub mod records;
mod remark;
pub mod scrape_jobs;
mod terms;

pub use drafts::{Migrated, Outcome};
pub use kept::{Tells, keep};
pub use remark::{Fate, Remark, Source};
pub use terms::Terms;
