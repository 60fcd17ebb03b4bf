//! The arguments that begin with `+`.

/// What is shown of a look-up, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// The line with what was asked for.
    Command,
    /// Headings, the header and EDNS.
    Comments,
    Question,
    Answer,
    Authority,
    Additional,
    /// Time, server and size.
    Stats,
    /// What it means to the consumer, and its targets.
    Verdict,
}

impl Part {
    pub(super) const ALL: [Self; 8] = [
        Self::Command,
        Self::Comments,
        Self::Question,
        Self::Answer,
        Self::Authority,
        Self::Additional,
        Self::Stats,
        Self::Verdict,
    ];
}

/// What a switch is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    Short,
    Tcp,
    Steps,
    All,
    Part(Part),
    /// One of dig's that asks for what is done anyway.
    AsItIs,
}

const SWITCHES: [(&str, Switch); 13] = [
    ("short", Switch::Short),
    ("tcp", Switch::Tcp),
    ("vc", Switch::Tcp),
    ("trace-steps", Switch::Steps),
    ("all", Switch::All),
    ("cmd", Switch::Part(Part::Command)),
    ("comments", Switch::Part(Part::Comments)),
    ("question", Switch::Part(Part::Question)),
    ("answer", Switch::Part(Part::Answer)),
    ("authority", Switch::Part(Part::Authority)),
    ("additional", Switch::Part(Part::Additional)),
    ("stats", Switch::Part(Part::Stats)),
    ("verdict", Switch::Part(Part::Verdict)),
];

/// dig's, for what a look-up here does or leaves undone anyway.
const AS_IT_IS: [&str; 12] = [
    "rec", "recurse", "search", "defname", "edns=0", "class", "ttlid", "nocookie", "nodnssec", "nodo", "nofail",
    "noignore",
];

/// dig's, for another query than the consumers send, or another way of asking for it.
const OTHER_LOOKUP: [&str; 42] = [
    "aaflag",
    "aaonly",
    "adflag",
    "badcookie",
    "bufsize",
    "cdflag",
    "cookie",
    "coflag",
    "defname",
    "dnssec",
    "do",
    "domain",
    "edns",
    "ednsflags",
    "ednsnegotiation",
    "ednsopt",
    "expire",
    "fail",
    "header-only",
    "http-plain",
    "https",
    "ignore",
    "keepalive",
    "keepopen",
    "ndots",
    "nsid",
    "opcode",
    "padding",
    "proxy",
    "qid",
    "raflag",
    "rdflag",
    "rec",
    "recurse",
    "retry",
    "search",
    "subnet",
    "tcflag",
    "time",
    "timeout",
    "tls",
    "tries",
];

/// dig's, for another look of what came.
const OTHER_LOOK: [&str; 17] = [
    "besteffort",
    "class",
    "crypto",
    "expandaaaa",
    "identify",
    "idnin",
    "idnout",
    "multiline",
    "onesoa",
    "qr",
    "rrcomments",
    "split",
    "ttl",
    "ttlid",
    "ttlunits",
    "unknownformat",
    "yaml",
];

/// How alike two words must be to suggest one for the other.
const ALIKE: f64 = 0.75;

/// Reads what follows the `+`: a switch, and whether it is on. As with dig, a beginning will do.
pub(super) fn read(flag: &str) -> Result<(Switch, bool), String> {
    if AS_IT_IS.contains(&flag) {
        return Ok((Switch::AsItIs, true));
    }
    if let Some(switch) = exactly(flag) {
        return Ok((switch, true));
    }
    let negated = flag.strip_prefix("no");
    if let Some(switch) = negated.and_then(exactly) {
        return Ok((switch, false));
    }
    if let Some(why) = digs_own(flag) {
        return Err(format!("`+{flag}` is dig's and not offered here: {why}"));
    }
    let word = negated.unwrap_or(flag);
    match beginning(word).as_slice() {
        [(_, switch)] => Ok((*switch, negated.is_none())),
        [] => Err(unknown(flag, word)),
        several => Err(format!("`+{flag}` may be {}", listed(several.iter().map(|(name, _)| *name), " or "))),
    }
}

fn exactly(word: &str) -> Option<Switch> {
    SWITCHES.iter().find(|(name, _)| *name == word).map(|(_, switch)| *switch)
}

fn beginning(word: &str) -> Vec<(&'static str, Switch)> {
    SWITCHES.into_iter().filter(|(name, _)| !word.is_empty() && name.starts_with(word)).collect()
}

/// Why something that dig has is not here.
fn digs_own(flag: &str) -> Option<&'static str> {
    let word = flag.split('=').next().unwrap_or(flag);
    let is = |list: &[&str]| [Some(word), word.strip_prefix("no")].iter().flatten().any(|word| list.contains(word));
    if is(&["trace", "nssearch"]) {
        return Some("no consumer follows delegations; `+trace-steps` shows every attempt of the look-up");
    }
    if is(&OTHER_LOOKUP) {
        return Some("this look-up is the consumer's, which that would change");
    }
    is(&OTHER_LOOK).then_some("`--json` is for programs, `+noall +answer` for the records alone")
}

fn unknown(flag: &str, word: &str) -> String {
    let alike = |name: &str| strsim::jaro(word, name);
    let nearest = SWITCHES.iter().map(|(name, _)| *name).max_by(|one, other| alike(one).total_cmp(&alike(other)));
    match nearest.filter(|name| alike(name) > ALIKE) {
        Some(name) => {
            let no = if word == flag { "" } else { "no" };
            format!("there is no `+{flag}`; did you mean `+{no}{name}`?")
        }
        None => format!("there is no `+{flag}`; there are {}", listed(SWITCHES.iter().map(|(name, _)| *name), ", ")),
    }
}

fn listed(names: impl Iterator<Item = &'static str>, between: &str) -> String {
    names.map(|name| format!("+{name}")).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_read_as_dig_reads_them() {
        for (flag, read_as) in [
            ("short", (Switch::Short, true)),
            ("nostats", (Switch::Part(Part::Stats), false)),
            ("ans", (Switch::Part(Part::Answer), true)),
            ("nocomm", (Switch::Part(Part::Comments), false)),
            ("vc", (Switch::Tcp, true)),
            ("novc", (Switch::Tcp, false)),
            ("nocookie", (Switch::AsItIs, true)),
        ] {
            assert_eq!(read(flag), Ok(read_as), "{flag}");
        }
    }

    #[test]
    fn what_is_no_switch_says_what_to_write_instead() {
        for (flag, said) in [
            ("shrot", "did you mean `+short`?"),
            ("noansewr", "did you mean `+noanswer`?"),
            ("trace", "`+trace-steps`"),
            ("dnssec", "the consumer's"),
            ("time=3", "the consumer's"),
            ("yaml", "`--json`"),
            ("a", "+all or +answer or +authority or +additional"),
            ("xyzzy", "there are +short, +tcp"),
            ("", "there are +short"),
        ] {
            let error = read(flag).unwrap_err();
            assert!(error.contains(said), "{flag}: {error}");
        }
    }
}
