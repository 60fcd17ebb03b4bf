//! `/etc/resolv.conf` as Go reads it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::Release;
use crate::model::Server;
use crate::protocol::lookup::DEFAULT_NDOTS;

/// More servers are not taken (`net/dnsconfig_unix.go`).
const MAX_SERVERS: usize = 3;
/// Most dots that `ndots:` can ask for.
const MAX_NDOTS: usize = 15;
/// The largest number that Go reads (`net/parse.go`, `big`).
const BIG: u32 = 0x00FF_FFFF;

/// What a lookup takes from resolv.conf (`net/dnsconfig_unix.go`, `dnsReadConfig`).
///
/// Go looks at the file again after five seconds at the earliest; here it is given anew for each lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoConf {
    /// The first three `nameserver` lines that hold an IP address; 127.0.0.1 and `::1` when there is none.
    pub servers: Vec<Server>,
    /// The suffixes, with a dot at their end. Without any, the domain of the machine's name.
    pub search: Vec<String>,
    /// From how many dots on a name is tried as it stands first.
    pub ndots: usize,
    /// How long one exchange may take, connecting included.
    pub timeout: Duration,
    /// How many times the list of servers is gone through.
    pub attempts: u32,
    /// Whether each name begins with another server.
    pub rotate: bool,
    /// Whether TCP is used from the start.
    pub use_tcp: bool,
    /// Whether queries have AD set.
    pub trust_ad: bool,
}

impl GoConf {
    /// An explicit list of servers, no search list, and what Go does without a file: 5 seconds, twice.
    pub fn of_servers(servers: Vec<Server>) -> Self {
        Self {
            servers,
            search: Vec::new(),
            ndots: DEFAULT_NDOTS,
            timeout: Duration::from_secs(5),
            attempts: 2,
            rotate: false,
            use_tcp: false,
            trust_ad: false,
        }
    }

    /// Reads the file's text; none when it cannot be read, which Go forgives.
    ///
    /// `hostname` is the machine's name, and `port` goes with every server.
    pub fn parse(text: Option<&str>, hostname: &str, port: u16, release: Release) -> Self {
        let mut conf = Self::of_servers(Vec::new());
        for line in text.unwrap_or_default().lines().filter(|line| !line.starts_with([';', '#'])) {
            let words: Vec<_> = line.split([' ', '\t', '\r']).filter(|word| !word.is_empty()).collect();
            match &*words {
                ["nameserver", host, ..] if conf.servers.len() < MAX_SERVERS && is_address(host) => {
                    conf.servers.push(Server::new(*host, port));
                }
                ["domain", domain, ..] => conf.search = vec![rooted(domain)],
                ["search", suffixes @ ..] => conf.search = search(suffixes, release),
                ["options", options @ ..] => options.iter().for_each(|option| conf.option(option, release)),
                _ => {}
            }
        }
        if conf.servers.is_empty() {
            conf.servers = ["127.0.0.1", "::1"].map(|host| Server::new(host, port)).into();
        }
        if conf.search.is_empty() {
            let domain = hostname.split_once('.').map(|(_, domain)| domain).filter(|domain| !domain.is_empty());
            conf.search = domain.map(rooted).into_iter().collect();
        }
        conf
    }

    fn option(&mut self, option: &str, release: Release) {
        match option.split_once(':') {
            Some(("ndots", number)) => self.ndots = (leading_number(number) as usize).min(MAX_NDOTS),
            Some(("timeout", number)) => self.timeout = Duration::from_secs(leading_number(number).max(1).into()),
            Some(("attempts", number)) => self.attempts = leading_number(number).max(1),
            _ => {}
        }
        match option {
            "rotate" => self.rotate = true,
            "use-vc" | "usevc" | "tcp" => self.use_tcp = true,
            "trust-ad" => self.trust_ad = release != Release::Go1_19,
            _ => {}
        }
    }
}

fn search(suffixes: &[&str], release: Release) -> Vec<String> {
    let suffixes = suffixes.iter().map(|suffix| rooted(suffix));
    suffixes.filter(|suffix| suffix != "." || release == Release::Go1_19).collect()
}

/// An IP address, for IPv6 with a zone; no name, which would have to be looked up first.
fn is_address(host: &str) -> bool {
    let (address, zone) = host.split_once('%').map_or((host, None), |(address, zone)| (address, Some(zone)));
    match zone {
        None => address.parse::<Ipv4Addr>().is_ok() || address.parse::<Ipv6Addr>().is_ok(),
        Some(zone) => !zone.is_empty() && address.parse::<Ipv6Addr>().is_ok(),
    }
}

fn rooted(name: &str) -> String {
    if name.ends_with('.') { name.to_owned() } else { format!("{name}.") }
}

/// The number that a text begins with, cut at [`BIG`]; 0 when it begins with none (`net/parse.go`, `dtoi`).
fn leading_number(text: &str) -> u32 {
    let mut number = 0;
    for digit in text.chars().map_while(|character| character.to_digit(10)) {
        number = number * 10 + digit;
        if number >= BIG {
            return BIG;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> GoConf {
        GoConf::parse(Some(text), "host", 53, Release::Current)
    }

    fn hosts(text: &str) -> Vec<String> {
        parse(text).servers.into_iter().map(|server| server.host).collect()
    }

    #[test]
    fn three_addresses_count_and_no_names() {
        let text = "nameserver dns.example\nnameserver 192.0.2.1\nnameserver fe80::1%eth0 rest\nnameserver\n\
                    nameserver 010.0.0.1\nnameserver 1.2.3.4%eth0\nnameserver ::1\nnameserver 192.0.2.4\n";
        assert_eq!(hosts(text), ["192.0.2.1", "fe80::1%eth0", "::1"]);
    }

    #[test]
    fn without_addresses_this_machine_is_asked() {
        for text in ["", "nameserver dns.example", "# nameserver 192.0.2.1", "nameserver #"] {
            assert_eq!(hosts(text), ["127.0.0.1", "::1"], "{text}");
        }
        let unreadable = GoConf::parse(None, "host.example.org", 53, Release::Current);
        assert_eq!((unreadable.servers.len(), &*unreadable.search), (2, &["example.org.".to_owned()][..]));
    }

    #[test]
    fn the_last_search_or_domain_wins_but_a_bare_domain_changes_nothing() {
        assert_eq!(parse("search a b.\ndomain c d\n").search, ["c."]);
        assert_eq!(parse("domain c\nsearch a b\n").search, ["a.", "b."]);
        assert_eq!(parse("search a b\ndomain\n").search, ["a.", "b."]);
        assert!(parse("domain a\nsearch\n").search.is_empty());
    }

    #[test]
    fn the_machines_domain_is_searched_when_nothing_else_is() {
        let of = |text, hostname| GoConf::parse(Some(text), hostname, 53, Release::Current).search;
        assert_eq!(of("", "host.example.org"), ["example.org."]);
        assert_eq!(of("search .", "host.example.org"), ["example.org."]);
        assert_eq!(of("search corp", "host.example.org"), ["corp."]);
        assert!(of("", "host").is_empty() && of("", "host.").is_empty());
    }

    #[test]
    fn the_search_dot_is_skipped_now() {
        assert_eq!(parse("search . corp").search, ["corp."]);
        assert_eq!(GoConf::parse(Some("search . corp"), "", 53, Release::Go1_19).search, [".", "corp."]);
    }

    #[test]
    fn numbers_are_read_as_far_as_they_go() {
        for (number, ndots, timeout, attempts) in
            [("3x", 3, 3, 3), ("", 0, 1, 1), ("-1", 0, 1, 1), ("99999999999", 15, BIG, BIG), ("0", 0, 1, 1)]
        {
            let conf = parse(&format!("options ndots:{number} timeout:{number} attempts:{number}"));
            assert_eq!((conf.ndots, conf.attempts), (ndots, attempts), "{number:?}");
            assert_eq!(conf.timeout, Duration::from_secs(timeout.into()), "{number:?}");
        }
    }

    #[test]
    fn options_are_heeded() {
        let conf = parse("options rotate use-vc trust-ad edns0 no-aaaa\n");
        assert!(conf.rotate && conf.use_tcp && conf.trust_ad);
        assert!(!GoConf::parse(Some("options trust-ad"), "", 53, Release::Go1_19).trust_ad);
        let plain = parse("nameserver 192.0.2.1\n");
        assert_eq!((plain.attempts, plain.timeout, plain.ndots), (2, Duration::from_secs(5), 1));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_configuration(text in "(\\PC|\n|options ndots:|search |nameserver ){0,60}") {
            let conf = parse(&text);
            proptest::prop_assert!(conf.ndots <= MAX_NDOTS && (1..=MAX_SERVERS).contains(&conf.servers.len()));
        }
    }
}
