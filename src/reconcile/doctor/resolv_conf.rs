//! What in a resolv.conf leads Prometheus, or others that look up the same names, astray.

use std::net::IpAddr;

use crate::model::{Finding, Name, Severity};
use crate::protocol::lookup::ResolvConf;

/// Where systemd-resolved listens for who reads resolv.conf.
const STUBS: [&str; 2] = ["127.0.0.53", "127.0.0.54"];
/// Go's own resolver takes so many servers of the file.
const SERVERS_OF_GO: usize = 3;

/// A file and its text.
#[derive(Debug, Clone, Copy)]
pub struct ResolvConfFile<'a> {
    /// How people call it.
    pub path: &'a str,
    /// What is in it.
    pub text: &'a str,
}

impl ResolvConfFile<'_> {
    fn finding(self, code: &'static str, severity: Severity, problem: impl Into<String>) -> Finding {
        Finding::new(code, severity, self.path, problem)
    }

    /// The lines that begin with one of these words, numbered.
    fn with_lines(self, finding: Finding, keywords: &[&str]) -> Finding {
        let lines = self.text.lines().enumerate();
        let named =
            lines.filter(|(_, line)| line.split_whitespace().next().is_some_and(|word| keywords.contains(&word)));
        named.fold(finding, |finding, (number, line)| finding.seen(format!("line {}: {}", number + 1, line.trim())))
    }

    /// Whether whoever reads it asks systemd-resolved.
    pub(super) fn asks_resolved(self) -> bool {
        ResolvConf::parse(self.text).servers.iter().any(|server| STUBS.contains(&server.as_str()))
    }
}

/// Looks at a file through which names of these zones are looked up.
pub fn resolv_conf(file: ResolvConfFile<'_>, zones: &[Name]) -> Vec<Finding> {
    let conf = ResolvConf::parse(file.text);
    let mut findings = servers(file, &conf.servers);
    findings.extend(search(file, &conf, zones));
    let examined = [
        ("resolv-nameserver", "every server is one that Prometheus can ask"),
        ("resolv-search", "no search list gets in the way"),
        ("resolv-ndots", "the zones' names are tried as they stand first"),
    ];
    for (code, problem) in examined {
        if !findings.iter().any(|finding| finding.code == code) {
            let finding = file.finding(code, Severity::Ok, problem);
            findings.push(file.with_lines(finding, &["nameserver", "search", "domain", "options"]));
        }
    }
    findings
}

fn servers(file: ResolvConfFile<'_>, servers: &[String]) -> Vec<Finding> {
    let finding = |severity, problem: &str| {
        file.with_lines(file.finding("resolv-nameserver", severity, problem), &["nameserver"])
    };
    let mut findings = Vec::new();
    if servers.is_empty() {
        let problem = "no `nameserver` line: every look-up of Prometheus fails, it has no default server";
        let evidence = format!("{} lines, none of which names a server", file.text.lines().count());
        findings.push(finding(Severity::Error, problem).seen(evidence).remedy(format!(
            "add `nameserver ADDRESS` to {}, with the address of a resolver that answers for the zone",
            file.path
        )));
    }
    let address = |server: &String| server.split('%').next().is_some_and(|server| server.parse::<IpAddr>().is_ok());
    if let Some(name) = servers.iter().find(|server| !address(server)) {
        let problem = format!(
            "`nameserver {name}` is no address: Prometheus has the system look it up first, and Go's own resolver \
             (VictoriaMetrics, Thanos) leaves the line out"
        );
        findings.push(finding(Severity::Warning, &problem).remedy("write the server's address in its place"));
    }
    if servers.len() > SERVERS_OF_GO {
        let problem = format!(
            "{} servers: Prometheus asks all of them one after the other, 2 s each when they are silent; glibc and Go \
             (VictoriaMetrics, Thanos) know the first three only",
            servers.len()
        );
        findings.push(finding(Severity::Warning, &problem).remedy("keep three `nameserver` lines at most"));
    }
    if file.asks_resolved() {
        let problem = "systemd-resolved is asked, which routes names to servers by rules of its own";
        findings
            .push(finding(Severity::Note, problem).seen("`resolvectl query --type=SRV NAME` shows what it answers"));
    }
    findings
}

fn search(file: ResolvConfFile<'_>, conf: &ResolvConf, zones: &[Name]) -> Vec<Finding> {
    let finding = |severity, problem: &str| {
        file.with_lines(file.finding("resolv-search", severity, problem), &["search", "domain"])
    };
    let mut findings = Vec::new();
    let absolute = "write the names in `dns_sd_configs` with a final dot: then no search list applies";
    if conf.search.iter().any(|suffix| suffix == ".") {
        let problem = "`search .` makes Prometheus ask for `NAME..`, which cannot be sent: a name that does not exist \
                       becomes an error, and its old targets stay";
        findings.push(finding(Severity::Warning, problem).remedy(format!("remove the line, or {absolute}")));
    }
    let comment = |suffix: &&String| suffix.starts_with(['#', ';']);
    if let Some(at) = conf.search.iter().position(|suffix| comment(&suffix)) {
        let words = conf.search[at..].join("`, `");
        let problem = format!(
            "what looks like a comment is part of the search list: Prometheus tries the suffixes `{words}` too"
        );
        findings.push(finding(Severity::Warning, &problem).remedy("move the comment to a line of its own"));
    }
    if findings.is_empty() && !conf.search.is_empty() {
        let problem = format!(
            "a name without a final dot that does not exist is tried again under {}; when one of these answers with an \
             error, Prometheus keeps the old targets",
            conf.search.join(", ")
        );
        findings.push(finding(Severity::Note, &problem).remedy(absolute));
    }
    // A service's name has two labels before the zone's: so many dots when it is written without the last one.
    let dots = zones.iter().map(|zone| zone.labels().count() + 1).min().unwrap_or(0);
    if conf.ndots > dots && !conf.search.is_empty() {
        let problem = format!(
            "`ndots:{}` is more than the {dots} dots of `_jenkins._tcp.{}`: the search list is tried before the name \
             itself, and an answer there, be it an empty one, is taken",
            conf.ndots,
            zones.iter().min_by_key(|zone| zone.labels().count()).map(Name::without_final_dot).unwrap_or_default()
        );
        let finding = file.finding("resolv-ndots", Severity::Warning, problem);
        findings.push(file.with_lines(finding, &["options", "search", "domain"]).remedy(absolute));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(&'static str, Severity)> {
        let findings = resolv_conf(ResolvConfFile { path: "resolv.conf", text }, &["internal.local".parse().unwrap()]);
        let bad = findings.into_iter().filter(|finding| finding.severity != Severity::Ok);
        bad.map(|finding| (finding.code, finding.severity)).collect()
    }

    #[test]
    fn traps() {
        use Severity::{Error, Note, Warning};
        assert_eq!(found("nameserver 192.0.2.1\n"), []);
        assert_eq!(found("nameserver fe80::1%eth0\n"), []);
        assert_eq!(found("search\n"), [("resolv-nameserver", Error)]);
        assert_eq!(found("nameserver dns.example\n"), [("resolv-nameserver", Warning)]);
        assert_eq!(found(&"nameserver 192.0.2.1\n".repeat(3)), []);
        assert_eq!(found(&"nameserver 192.0.2.1\n".repeat(4)), [("resolv-nameserver", Warning)]);
        assert_eq!(found("nameserver 127.0.0.53\n"), [("resolv-nameserver", Note)]);
        let with = |lines: &str| found(&format!("nameserver 192.0.2.1\n{lines}\n"));
        assert_eq!(with("search ."), [("resolv-search", Warning)]);
        assert_eq!(with("search corp # the office"), [("resolv-search", Warning)]);
        assert_eq!(with("search corp"), [("resolv-search", Note)]);
        assert_eq!(with("search corp\noptions ndots:3"), [("resolv-search", Note)]);
        assert_eq!(with("search corp\noptions ndots:5"), [("resolv-search", Note), ("resolv-ndots", Warning)]);
        assert_eq!(with("options ndots:5"), [], "nothing to be tried first");
    }

    #[test]
    fn the_lines_are_shown() {
        let text = "# ours\nnameserver 192.0.2.1\n  search . \n";
        let findings = resolv_conf(ResolvConfFile { path: "resolv.conf", text }, &[]);
        let search = findings.iter().find(|finding| finding.severity == Severity::Warning).unwrap();
        assert_eq!(search.evidence, ["line 3: search ."]);
    }
}
