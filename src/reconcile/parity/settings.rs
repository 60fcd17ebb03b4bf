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
pub(super) fn of_jobs(today: &Job, side: &Side, targets: &[String]) -> (Option<SettingDifference>, Vec<String>) {
    let (before, after) = (today.scrape.honor_labels, side.job.scrape.honor_labels);
    let difference = (before != after).then(|| SettingDifference {
        setting: "honor_labels",
        today: before.to_string(),
        dns: after.to_string(),
        targets: targets.to_vec(),
    });
    (difference, others(today, side))
}

/// Keys that are not read, by name only: there may be secrets in what they say.
fn others(today: &Job, side: &Side) -> Vec<String> {
    if today.name == side.job.name && side.service.is_none() {
        return Vec::new();
    }
    let lacking = |one: &Job, other: &Job| {
        let keys = one.unread.iter().filter(|key| !other.unread.contains(key)).map(String::as_str);
        keys.collect::<Vec<_>>().join(", ")
    };
    let is_other = |key: &&String| {
        let (before, after) = (today.unread_values.get(*key), side.job.unread_values.get(*key));
        before.zip(after).is_some_and(|(before, after)| before != after)
    };
    let others: Vec<_> = today.unread.iter().filter(is_other).map(String::as_str).collect();
    let whom = match &side.service {
        Some(_) => "what `srvctl render` writes".to_owned(),
        None => format!("job `{}`", side.job.name),
    };
    let (gone, new) = (lacking(today, &side.job), lacking(&side.job, today));
    let mut notes = Vec::new();
    if !gone.is_empty() {
        notes.push(format!("it also has {gone}, which {whom} has not: that is not compared"));
    }
    if !new.is_empty() {
        notes.push(format!("{whom} also has {new}, which it has not: that is not compared"));
    }
    if !others.is_empty() {
        notes.push(format!("{} of {whom} says something else: that is not compared further", others.join(", ")));
    }
    notes
}
