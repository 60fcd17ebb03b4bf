//! What the arguments of `dig` ask for.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::switches::{self, Part, Switch};
use crate::cli::args::DigArgs;
use crate::model::{DNS_PORT, RecordType, Server, ServerError, UnknownType};
use crate::protocol::lookup::Consumer;

/// What to look up, where, and how to show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// As it was given: without a final dot, the search list goes with it.
    pub(super) name: String,
    /// Whether the name may stand for a service. One that was given as a name, by `-q` or `-x`, does not.
    pub(super) may_be_service: bool,
    pub(super) record_type: RecordType,
    pub(super) server: Option<Server>,
    /// The port of the servers in resolv.conf.
    pub(super) system_port: u16,
    /// The port that goes with addresses, as `port:` in `dns_sd_configs`.
    pub(super) target_port: u16,
    pub(super) consumer: Consumer,
    pub(super) tcp: bool,
    pub(super) show: Show,
}

/// How to show what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Show {
    pub(super) short: bool,
    /// Every attempt of the look-up.
    pub(super) steps: bool,
    parts: BTreeSet<Part>,
}

impl Show {
    pub(super) fn has(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }

    fn set(&mut self, switch: Switch, on: bool) {
        match switch {
            Switch::Short => self.short = on,
            Switch::Steps => self.steps = on,
            Switch::All if on => self.parts = Part::ALL.into(),
            Switch::All => self.parts.clear(),
            Switch::Part(part) if on => {
                self.parts.insert(part);
            }
            Switch::Part(part) => {
                self.parts.remove(&part);
            }
            Switch::Tcp | Switch::AsItIs => {}
        }
    }
}

impl Question {
    /// Reads the arguments, which come in any order.
    pub(super) fn parse(args: &DigArgs) -> Result<Self, String> {
        let mut words = Vec::new();
        let mut servers = Vec::new();
        let mut tcp = false;
        let mut show = Show { short: false, steps: false, parts: Part::ALL.into() };
        for argument in &args.arguments {
            if let Some(server) = argument.strip_prefix('@') {
                servers.push(server);
            } else if let Some(flag) = argument.strip_prefix('+') {
                let (switch, on) = switches::read(flag)?;
                if switch == Switch::Tcp {
                    tcp = on;
                }
                show.set(switch, on);
            } else {
                words.push(argument.as_str());
            }
        }
        let (name, may_be_service, record_type) = subject(args, &words)?;
        Ok(Self {
            name,
            may_be_service,
            record_type,
            server: server(&servers, args.server_port)?,
            system_port: args.server_port.unwrap_or(DNS_PORT),
            target_port: args.port,
            consumer: args.consumer,
            tcp,
            show,
        })
    }
}

/// Name, whether that may be a service, and type.
fn subject(args: &DigArgs, words: &[&str]) -> Result<(String, bool, RecordType), String> {
    let given_type = args.record_type.as_deref().map(record_type).transpose()?;
    if let Some(address) = args.reverse {
        let own = type_alone(words)?.or(given_type).unwrap_or(RecordType::PTR);
        return Ok((reverse(address), false, own));
    }
    if let Some(name) = &args.query_name {
        let own = type_alone(words)?.or(given_type).unwrap_or(RecordType::SRV);
        return Ok((name.clone(), false, own));
    }
    let (name, own) = name_and_type(words)?;
    Ok((name.to_owned(), true, own.or(given_type).unwrap_or(RecordType::SRV)))
}

/// The type, where the name is given elsewhere.
fn type_alone(words: &[&str]) -> Result<Option<RecordType>, String> {
    match without_class(words)?.as_slice() {
        [] => Ok(None),
        [word] => record_type(word).map(Some).map_err(|error| format!("{error}, and the name is given already")),
        [_, more, ..] => Err(too_many(more)),
    }
}

/// Either may come first. A word alone is a name, even if a type is called so too.
fn name_and_type<'a>(words: &[&'a str]) -> Result<(&'a str, Option<RecordType>), String> {
    match without_class(words)?.as_slice() {
        [] => Err("a name to look up is missing".to_owned()),
        [name] => Ok((*name, None)),
        [first, second] => match (record_type(first), record_type(second)) {
            (_, Ok(second)) => Ok((*first, Some(second))),
            (Ok(first), Err(_)) => Ok((*second, Some(first))),
            (Err(_), Err(error)) => Err(error),
        },
        [_, _, more, ..] => Err(too_many(more)),
    }
}

/// The words without the class, which dig's users may write between name and type.
fn without_class<'a>(words: &[&'a str]) -> Result<Vec<&'a str>, String> {
    let mut rest = Vec::new();
    for (index, &word) in words.iter().enumerate() {
        let after_name = index > 0;
        match word.to_ascii_uppercase().as_str() {
            "IN" if after_name => {}
            "CH" | "CHAOS" | "HS" | "HESIOD" if after_name => {
                return Err(format!("there is no class {word} here: services are looked up in class IN"));
            }
            _ => rest.push(word),
        }
    }
    Ok(rest)
}

fn too_many(word: &str) -> String {
    format!("`{word}` is one argument too many: NAME [TYPE] [@SERVER[:PORT]] [+SWITCH…]")
}

fn record_type(word: &str) -> Result<RecordType, String> {
    match word.parse().map_err(|error: UnknownType| error.to_string())? {
        RecordType::AXFR | RecordType::IXFR => Err(format!("{word} is a transfer, no look-up: use dig for it")),
        RecordType::OPT | RecordType::TSIG => Err(format!("{word} belongs to messages, it is not to be looked up")),
        usual => Ok(usual),
    }
}

/// One server, with the port that stands beside it or in `-p`.
fn server(servers: &[&str], port: Option<u16>) -> Result<Option<Server>, String> {
    match servers {
        [] => Ok(None),
        [one] => {
            let server = Server::parse(one, port.unwrap_or(DNS_PORT));
            server.map(Some).map_err(|error: ServerError| error.to_string())
        }
        [_, more, ..] => Err(format!("`@{more}` is a second server, and only one is asked")),
    }
}

/// The name that an address' PTR records stand at (RFC 1035 section 3.5, RFC 3596 section 2.5).
fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa.")
        }
        IpAddr::V6(address) => {
            let nibbles = address.octets().into_iter().rev().flat_map(|octet| [octet & 0xf, octet >> 4]);
            nibbles.map(|nibble| format!("{nibble:x}")).collect::<Vec<_>>().join(".") + ".ip6.arpa."
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(words: &str) -> Result<Question, String> {
        let cli = Cli::try_parse_from(format!("srvctl dig {words}").split_whitespace()).unwrap();
        let Command::Dig(args) = cli.command else { panic!("{words}") };
        Question::parse(&args)
    }

    #[test]
    fn arguments_come_in_any_order() {
        for words in ["@127.0.0.1:5300 +tcp _j._tcp txt +short", "txt IN +short _j._tcp -p 5300 @127.0.0.1 +vc"] {
            let question = parse(words).unwrap();
            assert_eq!((question.name.as_str(), question.record_type), ("_j._tcp", RecordType::TXT), "{words}");
            assert_eq!(question.server, Some("127.0.0.1:5300".parse().unwrap()), "{words}");
            assert!(question.tcp && question.show.short && question.may_be_service, "{words}");
        }
        assert_eq!(parse("_j._tcp").unwrap().record_type, RecordType::SRV);
        assert_eq!(parse("-t TYPE65280 a").unwrap().record_type, RecordType(65280));
        assert_eq!(parse("a -p 5300").unwrap().system_port, 5300);
    }

    #[test]
    fn a_word_alone_is_a_name() {
        for word in ["mx", "any", "in"] {
            let question = parse(word).unwrap();
            assert_eq!((question.name.as_str(), question.record_type), (word, RecordType::SRV));
        }
        assert_eq!(parse("mx a").unwrap().name, "mx");
        let question = parse("-q mx any").unwrap();
        assert_eq!(
            (question.name.as_str(), question.record_type, question.may_be_service),
            ("mx", RecordType::ANY, false)
        );
    }

    #[test]
    fn addresses_are_turned_around() {
        let v4 = parse("-x 192.168.188.142").unwrap();
        assert_eq!((v4.name.as_str(), v4.record_type), ("142.188.168.192.in-addr.arpa.", RecordType::PTR));
        let v6 = parse("-x 2001:db8::1f ANY").unwrap();
        let name = "f.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.";
        assert_eq!((v6.name.as_str(), v6.record_type), (name, RecordType::ANY));
    }

    #[test]
    fn switches_hold_from_left_to_right() {
        let question = parse("a +noall +answer +tcp +notcp").unwrap();
        assert!(question.show.has(Part::Answer) && !question.show.has(Part::Verdict) && !question.tcp);
        let question = parse("a +answer +noall").unwrap();
        assert!(Part::ALL.into_iter().all(|part| !question.show.has(part)));
    }

    #[test]
    fn wrong_arguments_say_what_is_wrong() {
        for (words, said) in [
            ("+tcp", "missing"),
            ("web NOTYPE", "`NOTYPE`"),
            ("a SRV b", "too many"),
            ("-x 10.0.0.1 a b", "too many"),
            ("a +shrt", "did you mean `+short`"),
            ("a @x:0", "x:0"),
            ("a @x @y", "second server"),
            ("a CH TXT", "class IN"),
            ("web AXFR", "no look-up"),
        ] {
            let error = parse(words).unwrap_err();
            assert!(error.contains(said), "{words}: {error}");
        }
    }
}
