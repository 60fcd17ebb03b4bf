//! Zones under `.local`, which belongs to multicast DNS (RFC 6762 section 3).

use super::resolv_conf::ResolvConfFile;
use crate::model::{Finding, Name, Severity};

/// How a host looks names up.
#[derive(Debug, Clone, Copy)]
pub struct Host<'a> {
    /// Its resolv.conf.
    pub resolv_conf: Option<ResolvConfFile<'a>>,
    /// Its nsswitch.conf.
    pub nsswitch: Option<ResolvConfFile<'a>>,
}

/// Looks at a zone's name, and at what a host does with names like it. Nothing for other zones.
pub fn local_domain(zone: &Name, host: Host<'_>) -> Option<Finding> {
    let is_local = zone.labels().last().is_some_and(|label| label.eq_ignore_ascii_case(b"local"));
    if !is_local {
        return None;
    }
    let hosts = host.nsswitch.and_then(|file| Some((file, hosts_line(file.text)?)));
    let has =
        |word: &str| hosts.is_some_and(|(_, line)| line.split_whitespace().any(|source| source.starts_with(word)));
    let resolved = has("resolve") || host.resolv_conf.is_some_and(ResolvConfFile::asks_resolved);
    let mut evidence = Vec::new();
    evidence.extend(hosts.map(|(file, line)| format!("{}: {line}", file.path)));
    let stub = host.resolv_conf.filter(|file| file.asks_resolved());
    evidence.extend(stub.map(|file| format!("{} names systemd-resolved's address", file.path)));
    let shown = zone.without_final_dot();
    let (severity, problem, remedy) = if resolved {
        (
            Severity::Warning,
            "systemd-resolved keeps names under `.local` for multicast DNS unless it is told where the zone is",
            format!(
                "in /etc/systemd/resolved.conf: `DNS=ADDRESS` of a server that has the zone, and `Domains=~{shown}`; then \
                 `systemctl restart systemd-resolved`"
            ),
        )
    } else if has("mdns") {
        (
            Severity::Warning,
            "the host looks names under `.local` up by multicast DNS before it asks a name server: Prometheus may not find \
             the addresses of its targets",
            format!(
                "in /etc/nsswitch.conf, put `dns` before `mdns…` on the `hosts:` line, or take a zone not under `.local` \
                     instead of {shown}"
            ),
        )
    } else {
        (
            Severity::Note,
            "the zone lies under `.local`, which RFC 6762 gives to multicast DNS: hosts with systemd-resolved or Avahi need \
             a rule for it",
            format!(
                "nothing while nobody uses those; for a new zone, a name under a domain of your own or `.internal` in \
                 place of {shown}"
            ),
        )
    };
    let finding = Finding::new("local-domain", severity, zone, problem).remedy(remedy);
    Some(evidence.iter().fold(finding, Finding::seen))
}

/// The line of nsswitch.conf that says how host names are looked up.
fn hosts_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| line.starts_with("hosts:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(zone: &str, resolv_conf: &str, nsswitch: &str) -> Option<Severity> {
        let file = |path, text| Some(ResolvConfFile { path, text });
        let host = Host { resolv_conf: file("resolv.conf", resolv_conf), nsswitch: file("nsswitch.conf", nsswitch) };
        local_domain(&zone.parse().unwrap(), host).map(|finding| finding.severity)
    }

    #[test]
    fn who_takes_local_names_for_themselves() {
        let (dns, plain) = ("nameserver 192.0.2.1\n", "hosts: files dns\n");
        assert_eq!(found("example.net", "nameserver 127.0.0.53\n", "hosts: files mdns4_minimal dns"), None);
        assert_eq!(found("internal.LOCAL", dns, plain), Some(Severity::Note));
        assert_eq!(found("internal.local", "nameserver 127.0.0.53\n", plain), Some(Severity::Warning));
        assert_eq!(found("internal.local", dns, "# hosts: mdns\nhosts: files resolve dns"), Some(Severity::Warning));
        let mdns = "hosts: files mdns4_minimal [NOTFOUND=return] dns";
        assert_eq!(found("internal.local", dns, mdns), Some(Severity::Warning));
    }
}
