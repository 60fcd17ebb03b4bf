//! What came of comparing, as people and scripts read it. Part of the stable JSON.

use serde::Serialize;

/// How the targets that a job has today stand against DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The job has its targets from DNS already.
    FromDns,
    /// It has no target that could be compared: other discoveries have their own directories.
    NotCompared,
    /// DNS gives the same.
    Match,
    /// DNS gives something else.
    Different,
    /// Nothing in DNS is known to correspond to it.
    Unpaired,
    /// Something could not be read or looked up.
    Unknown,
}

/// One job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobParity {
    /// Its name.
    pub job: String,
    /// Where it takes targets from: `static_configs`, …
    pub discoveries: Vec<String>,
    /// How it stands.
    pub outcome: Outcome,
    /// How many targets it has today, those from DNS not counted.
    pub targets: usize,
    /// What is compared with it.
    pub counterpart: Option<Counterpart>,
    /// What DNS gives, through each server.
    pub views: Vec<View>,
    /// Labels that its targets have, and would not have, or have differently.
    pub labels: Vec<LabelDifference>,
    /// How it is scraped, where that would differ.
    pub settings: Vec<SettingDifference>,
    /// What whoever migrates should know.
    pub notes: Vec<String>,
    /// Why something is not known.
    pub problems: Vec<String>,
}

/// What a job is compared with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counterpart {
    /// Services of ours.
    pub services: Vec<String>,
    /// Jobs that Prometheus has, and that take their targets from DNS.
    pub jobs: Vec<String>,
    /// The names that are looked up.
    pub names: Vec<String>,
    /// Why this.
    pub reason: String,
}

/// What one server gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct View {
    /// `host:port`; `resolv.conf` for the system's resolvers, `prometheus` for what Prometheus itself has discovered.
    pub server: String,
    /// [`Outcome::Match`], [`Outcome::Different`] or [`Outcome::Unknown`]; labels and settings are not in it.
    pub outcome: Outcome,
    /// How many targets there are.
    pub targets: usize,
    /// Targets of today that are not there.
    pub missing: Vec<String>,
    /// Targets that are there, and that the job has not.
    pub extra: Vec<String>,
    /// The same targets, spelt in another way: their series would get another `instance`.
    pub spelled: Vec<Spelling>,
    /// Why nothing is known.
    pub error: Option<String>,
}

/// One target in two spellings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Spelling {
    /// As the job has it.
    pub today: String,
    /// As DNS has it.
    pub dns: String,
    /// In what they differ.
    pub in_what: Form,
}

/// In what two spellings differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Upper and lower case, a final dot, or a port that goes without saying.
    Letters,
    /// The job leaves the domain to the search list.
    ShortName,
    /// The job has the address of the host.
    Address,
}

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabelDifference {
    /// Its name.
    pub label: String,
    /// Its value today.
    pub today: String,
    /// Its value with targets from DNS; none when it would be missing.
    pub dns: Option<String>,
    /// The targets that have it today.
    pub targets: Vec<String>,
}

/// One thing about how targets are asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingDifference {
    /// `scheme`, `metrics_path`, …
    pub setting: &'static str,
    /// What it is today.
    pub today: String,
    /// What it is in the counterpart.
    pub dns: String,
    /// The targets of which that is so.
    pub targets: Vec<String>,
}
