//! How targets are scraped, beside each other: what DNS cannot say, and jobs or labels have to.

use std::collections::BTreeMap;

use super::asked::Asked;
use super::report::SettingDifference;
use super::side::Side;
use crate::model::prometheus::Job;

/// Where targets are asked in another way: each with its address, as it is asked today, and as it would be.
pub(super) fn of_targets<'t>(
    targets: impl IntoIterator<Item = (&'t str, &'t Asked, &'t Asked)>,
) -> Vec<SettingDifference> {
    let mut differences: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for (address, today, dns) in targets {
        for (order, ((setting, today), (_, dns))) in today.settings().into_iter().zip(dns.settings()).enumerate() {
            if today != dns {
                differences.entry((order, setting, today, dns)).or_default().push(address.to_owned());
            }
        }
    }
    let told = |((_, setting, today, dns), targets)| SettingDifference { setting, today, dns, targets };
    differences.into_iter().map(told).collect()
}

/// Where the jobs differ, whatever their targets say; and what was not compared.
pub(super) fn of_jobs(today: &Job, side: &Side, targets: &[String]) -> (Option<SettingDifference>, Option<String>) {
    let (before, after) = (today.scrape.honor_labels, side.job.scrape.honor_labels);
    let difference = (before != after).then(|| SettingDifference {
        setting: "honor_labels",
        today: before.to_string(),
        dns: after.to_string(),
        targets: targets.to_vec(),
    });
    let not_there: Vec<_> =
        today.unread.iter().filter(|key| !side.job.unread.contains(key)).map(String::as_str).collect();
    let note = (!not_there.is_empty()).then(|| {
        let whom = match &side.service {
            Some(_) => "what `srvctl render` writes".to_owned(),
            None => format!("job `{}`", side.job.name),
        };
        format!("it also has {}, which {whom} has not: that is not compared", not_there.join(", "))
    });
    (difference, note)
}
