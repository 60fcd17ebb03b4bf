//! The form of the documents, before anything of what they say is judged.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::written::Written;

/// `prometheus.yml`, and a file of `scrape_config_files`. What is written and then left empty is absent.
#[derive(Deserialize)]
pub(super) struct Document {
    pub(super) global: Option<Global>,
    pub(super) scrape_configs: Option<Vec<WrittenJob>>,
    pub(super) scrape_config_files: Option<Vec<Spanned<String>>>,
}

#[derive(Default, Deserialize)]
pub(super) struct Global {
    pub(super) scrape_interval: Option<Spanned<String>>,
    pub(super) scrape_timeout: Option<Spanned<String>>,
}

pub(super) type WrittenJob = Spanned<JobKeys>;

#[derive(Deserialize)]
pub(super) struct JobKeys {
    pub(super) job_name: Option<Spanned<String>>,
    pub(super) scheme: Option<Spanned<String>>,
    pub(super) metrics_path: Option<String>,
    pub(super) scrape_interval: Option<Spanned<String>>,
    pub(super) scrape_timeout: Option<Spanned<String>>,
    pub(super) honor_labels: Option<bool>,
    pub(super) params: Option<BTreeMap<String, Option<Vec<String>>>>,
    pub(super) static_configs: Option<Vec<Spanned<Group>>>,
    pub(super) file_sd_configs: Option<Vec<FileSdKeys>>,
    pub(super) dns_sd_configs: Option<Vec<DnsSdKeys>>,
    pub(super) http_sd_configs: Option<Vec<HttpSdKeys>>,
    pub(super) relabel_configs: Option<Vec<Spanned<RelabelKeys>>>,
}

/// Those of [`JobKeys`], which says nothing of others.
pub(super) const KNOWN_KEYS: [&str; 12] = [
    "job_name",
    "scheme",
    "metrics_path",
    "scrape_interval",
    "scrape_timeout",
    "honor_labels",
    "params",
    "static_configs",
    "file_sd_configs",
    "dns_sd_configs",
    "http_sd_configs",
    "relabel_configs",
];

/// A group of targets, with a key too many refused as Prometheus refuses it: it is a misspelt one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) targets: Option<Vec<Spanned<String>>>,
    pub(super) labels: Option<BTreeMap<String, Option<String>>>,
}

#[derive(Deserialize)]
pub(super) struct FileSdKeys {
    pub(super) files: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
pub(super) struct DnsSdKeys {
    pub(super) names: Option<Vec<String>>,
    #[serde(rename = "type")]
    pub(super) record_type: Option<Spanned<String>>,
    pub(super) port: Option<u16>,
}

#[derive(Deserialize)]
pub(super) struct HttpSdKeys {
    pub(super) url: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RelabelKeys {
    pub(super) source_labels: Option<Vec<String>>,
    pub(super) separator: Option<String>,
    pub(super) regex: Option<String>,
    pub(super) modulus: Option<u64>,
    pub(super) target_label: Option<String>,
    pub(super) replacement: Option<String>,
    pub(super) action: Option<Spanned<String>>,
}

/// Keys whose default somebody may write out, as a Prometheus does that is asked for its configuration.
pub(super) const DEFAULTS: [(&str, &str); 18] = [
    ("follow_redirects", "true"),
    ("enable_http2", "true"),
    ("enable_compression", "true"),
    ("honor_timestamps", "true"),
    ("track_timestamps_staleness", "false"),
    ("scrape_classic_histograms", "false"),
    ("always_scrape_classic_histograms", "false"),
    ("convert_classic_histograms_to_nhcb", "false"),
    ("scrape_native_histograms", "false"),
    ("extra_scrape_metrics", "false"),
    ("body_size_limit", "0"),
    ("body_size_limit", "0B"),
    ("sample_limit", "0"),
    ("target_limit", "0"),
    ("label_limit", "0"),
    ("label_name_length_limit", "0"),
    ("label_value_length_limit", "0"),
    ("native_histogram_bucket_limit", "0"),
];

/// The same document, as the keys of its jobs alone.
#[derive(Deserialize)]
pub(super) struct Keys {
    scrape_configs: Option<Vec<BTreeMap<String, Written>>>,
}

impl Keys {
    pub(super) fn of_jobs(self) -> impl Iterator<Item = BTreeMap<String, Written>> {
        self.scrape_configs.unwrap_or_default().into_iter()
    }
}
