//! What is checked, how often, and how many results in a row change an instance's condition.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use regex::bytes::{Regex, RegexBuilder};

use super::status::Condition;
use super::template::Template;
use crate::model::{Name, RecordType, Server};

/// Several checks of one instance, shared by all instances that have the same: all have to pass.
pub type Checks = Box<[Arc<Check>]>;

/// One check, as it was configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is done.
    pub kind: CheckKind,
    /// From the start of one to the start of the next. For a lease, how long a word of the instance holds.
    pub interval: Duration,
    /// How long one may take as a whole, names and connection included; not more than the interval. Of no meaning for a
    /// lease.
    pub timeout: Duration,
    /// So many in a row have to pass for a failing instance to be passing again; at least 1.
    pub rise: u32,
    /// So many in a row have to fail for a passing instance to be failing; at least 1.
    pub fall: u32,
    /// What holds for an instance that appears, until there were so many results.
    pub initial: Condition,
}

/// What a check does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckKind {
    /// Makes an HTTP request.
    Http(HttpCheck),
    /// Opens a TCP connection.
    Tcp(TcpCheck),
    /// Asks a DNS question.
    Dns(DnsCheck),
    /// Calls `grpc.health.v1.Health/Check`.
    Grpc(GrpcCheck),
    /// Runs a program, as monitoring plugins are run.
    Command(CommandCheck),
    /// Nothing: the instance says itself how it is.
    Lease(LeaseCheck),
}

impl CheckKind {
    /// The type, as in service files and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Http(_) => "http",
            Self::Tcp(_) => "tcp",
            Self::Dns(_) => "dns",
            Self::Grpc(_) => "grpc",
            Self::Command(_) => "command",
            Self::Lease(_) => "lease",
        }
    }
}

/// A request, and the answers that pass. Redirects are not followed: they are answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCheck {
    /// `http://` or `https://`, without user and fragment.
    pub url: Template,
    /// The method.
    pub method: HttpMethod,
    /// The status codes that pass, at least one range.
    pub status: Vec<RangeInclusive<u16>>,
    /// What the body has to have in it.
    pub body: Option<BodyPattern>,
    /// A file with `Name: value` lines that go into the request; read again when it changes.
    pub headers_file: Option<PathBuf>,
    /// How the server proves who it is, when the URL is `https://`.
    pub tls: CheckTls,
}

impl HttpCheck {
    /// Whether an answer with this status code passes.
    pub fn accepts(&self, status: u16) -> bool {
        self.status.iter().any(|range| range.contains(&status))
    }

    /// Whether it goes over TLS.
    pub fn is_https(&self) -> bool {
        self.url.as_str().starts_with("https://")
    }
}

/// Methods that ask for something and change nothing, and POST for those who want it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HttpMethod {
    /// The default.
    #[default]
    Get,
    /// Without a body in the answer.
    Head,
    /// As GET, for servers that want it so.
    Options,
    /// With an empty body.
    Post,
}

impl HttpMethod {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Get, Self::Head, Self::Options, Self::Post];

    /// As in a request.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
        }
    }
}

/// A regular expression that has to match somewhere in a body. Compared by its text.
#[derive(Clone)]
pub struct BodyPattern(Regex);

/// Bytes that a compiled pattern may take: thousands of services may have one each.
const MAX_PATTERN: usize = 256 * 1024;

impl BodyPattern {
    /// Compiles it.
    ///
    /// # Errors
    /// Why it is no regular expression, or that it is too large.
    pub fn new(text: &str) -> Result<Self, String> {
        let compiled = RegexBuilder::new(text).size_limit(MAX_PATTERN).build();
        compiled.map(Self).map_err(|error| {
            let said = error.to_string();
            let last = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("`{text}` is not a regular expression: {last}")
        })
    }

    /// Whether it matches somewhere.
    pub fn is_in(&self, body: &[u8]) -> bool {
        self.0.is_match(body)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl PartialEq for BodyPattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for BodyPattern {}

impl fmt::Debug for BodyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// How a server proves who it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckTls {
    /// PEM file with the CAs that are believed; the system's when absent.
    pub ca_file: Option<PathBuf>,
    /// The name in its certificate; the host that is asked when absent.
    pub server_name: Option<String>,
    /// Whether any certificate is good enough.
    pub insecure: bool,
}

/// A connection that is opened and closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpCheck {
    /// Another port than the instance's.
    pub port: Option<NonZeroU16>,
}

/// A question that has to be answered with at least one record of that type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsCheck {
    /// The name asked for.
    pub name: Name,
    /// The type asked for.
    pub record: RecordType,
    /// Whom to ask; the instance when absent.
    pub server: Option<Server>,
}

/// A call of the gRPC health protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcCheck {
    /// The service asked about; empty for the server as a whole.
    pub service: String,
    /// Another port than the instance's.
    pub port: Option<NonZeroU16>,
    /// TLS, when it is spoken.
    pub tls: Option<CheckTls>,
}

/// A program that is run without a shell: exit status 0 is passing, 1 warning, 2 failing, all else unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandCheck {
    /// The program, an absolute path in which nothing is filled in, and its arguments; at least the program.
    pub command: Vec<Template>,
    /// Environment variables that it gets; it inherits none.
    pub environment: BTreeMap<String, Template>,
}

/// The instance says itself how it is, with each `srvctl renew --status`, and its silence is a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseCheck;
