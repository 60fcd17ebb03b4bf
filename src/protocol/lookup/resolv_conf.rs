//! `/etc/resolv.conf` as Prometheus' library reads it, which is neither glibc's reading nor Go's own.

use super::candidates::DEFAULT_NDOTS;

/// Most dots that `ndots:` can ask for; more is cut to this (miekg/dns `clientconfig.go`).
const MAX_NDOTS: usize = 15;

/// What a lookup takes from resolv.conf (miekg/dns `clientconfig.go`, `ClientConfigFromReader`).
///
/// Everything else in the file is ignored: `timeout:` and `attempts:` are parsed there but never used by
/// Prometheus, and `rotate`, `use-vc`, `edns0`, `trust-ad` have no meaning to it. There is no default
/// server: a file without `nameserver` lines makes every lookup fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvConf {
    /// The second word of each `nameserver` line, in order; as many as there are, and not validated.
    pub servers: Vec<String>,
    /// The words of the last `search` or `domain` line; comment words on that line are suffixes too.
    pub search: Vec<String>,
    /// From how many dots on a name is tried as it stands first.
    pub ndots: usize,
}

impl ResolvConf {
    /// Reads the file's text. Every text is valid.
    pub fn parse(text: &str) -> Self {
        let mut conf = Self { servers: Vec::new(), search: Vec::new(), ndots: DEFAULT_NDOTS };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => conf.servers.extend(words.next().map(str::to_owned)),
                Some("domain") => conf.search = words.take(1).map(str::to_owned).collect(),
                Some("search") => conf.search = words.map(str::to_owned).collect(),
                Some("options") => {
                    if let Some(number) = words.filter_map(|word| word.strip_prefix("ndots:")).next_back() {
                        conf.ndots = parse_ndots(number);
                    }
                }
                _ => {}
            }
        }
        conf
    }
}

/// Go's `strconv.Atoi` with its error ignored, then clamped: no number is 0, one too large is the largest.
fn parse_ndots(text: &str) -> usize {
    use std::num::IntErrorKind::PosOverflow;
    match text.parse::<i64>() {
        Ok(number) => usize::try_from(number).unwrap_or(0).min(MAX_NDOTS),
        Err(error) if *error.kind() == PosOverflow => MAX_NDOTS,
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Vec<String> {
        ResolvConf::parse(text).servers
    }

    fn search(text: &str) -> Vec<String> {
        ResolvConf::parse(text).search
    }

    #[test]
    fn nameservers_are_unlimited_and_not_validated() {
        let text = "nameserver 192.0.2.1\nnameserver fe80::1%eth0 rest\nnameserver dns.example\nnameserver ::1\n\
                    nameserver\nnameserver #\n";
        assert_eq!(servers(text), ["192.0.2.1", "fe80::1%eth0", "dns.example", "::1", "#"]);
    }

    #[test]
    fn the_last_search_or_domain_line_wins() {
        assert_eq!(search("search a b\ndomain c d\n"), ["c"]);
        assert_eq!(search("domain c\nsearch a b\n"), ["a", "b"]);
        assert!(search("search a b\ndomain\n").is_empty());
        assert!(search("domain a\nsearch\n").is_empty());
        assert_eq!(search("search .\n"), ["."]);
    }

    #[test]
    fn comment_words_on_a_search_line_are_suffixes() {
        assert_eq!(search("search corp # the office\n"), ["corp", "#", "the", "office"]);
    }

    #[test]
    fn ndots_is_clamped_and_nonsense_is_zero() {
        // miekg/dns clientconfig_test.go, then Atoi's own corners.
        for (number, expected) in [
            ("0", 0),
            ("1", 1),
            ("15", 15),
            ("16", 15),
            ("-1", 0),
            ("", 0),
            ("two", 0),
            ("+2", 2),
            ("99999999999999999999", 15),
            ("-99999999999999999999", 0),
        ] {
            assert_eq!(ResolvConf::parse(&format!("options ndots:{number}\n")).ndots, expected, "{number:?}");
        }
        assert_eq!(ResolvConf::parse("").ndots, 1);
        assert_eq!(ResolvConf::parse("options ndots:3 ndots:4\noptions timeout:1\n").ndots, 4);
    }

    #[test]
    fn other_options_change_nothing() {
        let plain = ResolvConf::parse("nameserver 192.0.2.1\n");
        let text = "nameserver 192.0.2.1\noptions timeout:9 attempts:9 rotate use-vc edns0 trust-ad no-aaaa\n";
        assert_eq!(ResolvConf::parse(text), plain);
    }

    #[test]
    fn nothing_is_made_up() {
        for text in ["", "# nameserver 192.0.2.1\n", "; search corp\n#search corp", "sortlist 192.0.2.0\n"] {
            assert_eq!(ResolvConf::parse(text), ResolvConf { servers: vec![], search: vec![], ndots: 1 });
        }
    }

    #[test]
    fn leading_blanks_and_windows_line_ends_are_allowed() {
        assert_eq!(servers(" \tnameserver\t192.0.2.1\r\n  nameserver 192.0.2.2"), ["192.0.2.1", "192.0.2.2"]);
        assert_eq!(search("  search corp\r\n"), ["corp"]);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_configuration(text in "(\\PC|\n|options ndots:|search |nameserver ){0,60}") {
            proptest::prop_assert!(ResolvConf::parse(&text).ndots <= MAX_NDOTS);
        }
    }
}
