//! BIND's master files (RFC 1035 section 5), for the records that services are made of.
//!
//! Every entry of class IN is read as far as name, TTL and type; of SRV, TXT, A and AAAA the data too. The data of other
//! types stays unread, so that no type can stand in the way. A broken entry is told with its line and stops no other.

mod lexer;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;

use crate::model::{Diagnostic, MAX_STRING, Name, Rdata, Record, RecordType, Srv};
use crate::reconcile::migration::{Fate, Remark, Source};

use lexer::{Entry, Token};

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterFile {
    /// Its records with their lines; data that was not read is empty.
    pub records: Vec<(Record, Source)>,
    /// Entries that are broken, or that only BIND can read.
    pub remarks: Vec<Remark>,
}

/// What a number means that stands where a TTL may stand.
const MAX_TTL: u32 = 0x7fff_ffff;

/// Reads a file of the zone `origin`.
///
/// # Errors
/// When it cannot be read.
pub fn read(path: &Path, origin: &Name, ttl: u32) -> Result<MasterFile, Diagnostic> {
    Ok(parse(&path.to_string_lossy(), &super::text(path)?, origin, ttl))
}

/// Takes a text for the file of the zone `origin`. `ttl` holds until the text names one.
pub fn parse(file: &str, text: &str, origin: &Name, ttl: u32) -> MasterFile {
    let read = MasterFile { records: Vec::new(), remarks: Vec::new() };
    let (file, origin) = (file.into(), origin.clone());
    let mut reader = Reader { file, origin, owner: None, default_ttl: None, last_ttl: ttl, read };
    let (entries, broken) = lexer::entries(text);
    for entry in &entries {
        reader.entry(entry);
    }
    for (line, why) in broken {
        reader.refuse(line, "the file", &why, None);
    }
    reader.read
}

struct Reader {
    file: Arc<str>,
    origin: Name,
    owner: Option<Name>,
    /// `$TTL`.
    default_ttl: Option<u32>,
    /// That of the last record, which holds without a `$TTL` (RFC 1035 section 5.1).
    last_ttl: u32,
    read: MasterFile,
}

impl Reader {
    fn refuse(&mut self, line: u32, subject: &str, why: &str, help: Option<&str>) {
        let remark = Remark::new(Fate::Refused, &Source::line(&self.file, line), subject, why);
        self.read.remarks.push(Remark { help: help.map(str::to_owned), ..remark });
    }

    fn entry(&mut self, entry: &Entry) {
        let result = match entry.tokens.first() {
            Some(Token { text, quoted: false, .. }) if !entry.indented && text.starts_with('$') => {
                self.directive(entry)
            }
            _ => self.record(entry),
        };
        if let Err(why) = result {
            let subject = entry.tokens.first().map_or("", |token| token.text.as_str()).to_owned();
            // What an entry without a name belongs to is not known after a broken one.
            if !entry.indented {
                self.owner = None;
            }
            self.refuse(entry.line, &subject, &why, None);
        }
    }

    fn directive(&mut self, entry: &Entry) -> Result<(), String> {
        let argument = entry.tokens.get(1).map(|token| token.text.as_str());
        match (&*entry.tokens[0].text.to_ascii_uppercase(), argument) {
            ("$ORIGIN", Some(name)) => self.origin = self.name(name)?,
            ("$TTL", Some(ttl)) => {
                self.default_ttl = Some(read_ttl(ttl).ok_or_else(|| format!("`{ttl}` is not a TTL"))?);
            }
            (directive @ ("$INCLUDE" | "$GENERATE"), _) => {
                let why = format!("what {directive} stands for was not read");
                let help = "write the zone out with `named-compilezone -o WHOLE.zone ZONE FILE`, and import that file";
                self.refuse(entry.line, directive, &why, Some(help));
            }
            (directive, _) => return Err(format!("{directive} is not understood")),
        }
        Ok(())
    }

    fn record(&mut self, entry: &Entry) -> Result<(), String> {
        let mut tokens = entry.tokens.iter();
        let owner = if entry.indented {
            self.owner.clone().ok_or("there is no name before it that it could belong to")?
        } else {
            let owner = tokens.next().ok_or("there is nothing in it")?;
            self.name(&owner.text)?
        };
        self.owner = Some(owner.clone());
        let (mut ttl, mut class) = (None, None);
        let record_type = loop {
            let token = tokens.next().ok_or("it has no record type")?;
            let word = token.text.to_ascii_uppercase();
            if ttl.is_none() && token.text.starts_with(|first: char| first.is_ascii_digit()) {
                ttl = Some(read_ttl(&token.text).ok_or_else(|| format!("`{}` is not a TTL", token.text))?);
            } else if class.is_none() && ["IN", "CH", "HS", "CS"].contains(&&*word) {
                class = Some(word);
            } else {
                break word.parse::<RecordType>().map_err(|error| error.to_string())?;
            }
        };
        let ttl = ttl.or(self.default_ttl).unwrap_or(self.last_ttl);
        self.last_ttl = ttl;
        if class.is_some_and(|class| class != "IN") {
            return Err("it is not of class IN".to_owned());
        }
        let data: Vec<_> = tokens.collect();
        let rdata = self.rdata(record_type, &data)?;
        let source = Source::line(&self.file, entry.line);
        self.read.records.push((Record { name: owner, ttl, rdata }, source));
        Ok(())
    }

    fn rdata(&self, record_type: RecordType, data: &[&Token]) -> Result<Rdata, String> {
        let wrong = |what: &str| format!("the data of its {record_type} record is not {what}");
        let texts: Vec<_> = data.iter().map(|token| token.text.as_str()).collect();
        if texts.first() == Some(&"\\#") {
            return Err(format!(
                "the data of its {record_type} record is written in hex (RFC 3597), which was not read"
            ));
        }
        match (record_type, &texts[..]) {
            (RecordType::A, [text]) => text.parse::<Ipv4Addr>().map(Rdata::a).map_err(|_| wrong("an IPv4 address")),
            (RecordType::AAAA, [text]) => {
                text.parse::<Ipv6Addr>().map(Rdata::aaaa).map_err(|_| wrong("an IPv6 address"))
            }
            (RecordType::SRV, [priority, weight, port, target]) => {
                let number =
                    |text: &str| text.parse::<u16>().map_err(|_| wrong("three numbers up to 65535 and a name"));
                let (priority, weight, port) = (number(priority)?, number(weight)?, number(port)?);
                Ok(Rdata::srv(&Srv { priority, weight, port, target: self.name(target)? }))
            }
            (RecordType::TXT, [_, ..]) => {
                let strings: Vec<_> = data
                    .iter()
                    .map(|token| lexer::unescaped(&token.text))
                    .collect::<Option<_>>()
                    .ok_or_else(|| wrong("properly escaped"))?;
                if strings.iter().any(|string| string.len() > MAX_STRING) {
                    return Err(wrong("strings of at most 255 bytes"));
                }
                Ok(Rdata::txt(strings))
            }
            (RecordType::A | RecordType::AAAA | RecordType::SRV | RecordType::TXT, _) => Err(wrong("complete")),
            (other, _) => Ok(Rdata::from_wire(other, [])),
        }
    }

    fn name(&self, text: &str) -> Result<Name, String> {
        Name::parse_relative(text, &self.origin).map_err(|error| format!("the name `{text}` {error}"))
    }
}

/// Seconds, or BIND's `1h30m`.
fn read_ttl(text: &str) -> Option<u32> {
    let (mut total, mut number) = (0u64, None::<u64>);
    for byte in text.bytes() {
        if byte.is_ascii_digit() {
            number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(u64::from(byte - b'0'))?);
            continue;
        }
        let each = match byte.to_ascii_lowercase() {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(each)?)?;
    }
    let total = u32::try_from(total.checked_add(number.unwrap_or(0))?).ok()?;
    (!text.is_empty() && total <= MAX_TTL).then_some(total)
}
