//! BIND's `key` statement: words, braces and semicolons, with comments in three styles.

use std::ops::Range;
use std::sync::Arc;

use data_encoding::BASE64;

use crate::model::{Diagnostic, Name};

use super::{Algorithm, Sha1, TsigKey};

/// What a person would have to write.
const FORM: &str = "write `key \"name\" { algorithm hmac-sha256; secret \"…\"; };`, as `tsig-keygen NAME` prints it";

/// Words that are shown in excerpts; everything else might be the secret, or a piece of it.
const HARMLESS: [&str; 9] =
    ["key", "algorithm", "secret", "hmac-md5", "hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"];

pub(super) fn parse(file: &Arc<str>, text: &str, sha1: Sha1) -> Result<TsigKey, Vec<Diagnostic>> {
    let (tokens, broken) = tokens(text);
    let redacted = redacted(text, &tokens);
    let mut parser = Parser { file, redacted, text, sha1, tokens, at: 0, errors: Vec::new() };
    if let Some((span, message)) = broken {
        return Err(vec![parser.diagnostic(span, message)]);
    }
    let key = parser.file();
    match key {
        Some(key) if parser.errors.is_empty() => Ok(key),
        _ => Err(parser.errors),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// A word, quoted or not.
    Word,
    /// One of `{`, `}`, `;`.
    Mark(u8),
}

#[derive(Debug, Clone)]
struct Token {
    kind: Kind,
    /// In the text, without quotes.
    span: Range<usize>,
}

type Broken = Option<(Range<usize>, &'static str)>;

/// Splits a text; stops at a quote or comment without end.
fn tokens(text: &str) -> (Vec<Token>, Broken) {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        let until = |stop: &[u8]| rest.windows(stop.len()).skip(1).position(|window| window == stop).map(|n| n + 1);
        at += match byte {
            _ if byte.is_ascii_whitespace() => 1,
            b'#' => until(b"\n").unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"//") => until(b"\n").unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => match rest[2..].windows(2).position(|window| window == b"*/") {
                Some(inside) => inside + 4,
                None => return (tokens, Some((at..at + 2, "this comment has no end"))),
            },
            b'{' | b'}' | b';' => {
                tokens.push(Token { kind: Kind::Mark(byte), span: at..at + 1 });
                1
            }
            b'"' => match until(b"\"") {
                Some(end) => {
                    tokens.push(Token { kind: Kind::Word, span: at + 1..at + end });
                    end + 1
                }
                None => return (tokens, Some((at..at + 1, "this quote has no end"))),
            },
            _ => {
                let ends = |byte: &u8| byte.is_ascii_whitespace() || b"{};\"#".contains(byte);
                let length = rest.iter().position(ends).unwrap_or(rest.len());
                tokens.push(Token { kind: Kind::Word, span: at..at + length });
                length
            }
        };
    }
    (tokens, None)
}

/// The text with every byte blotted out that is neither blank, mark nor harmless word. Offsets stay the same.
fn redacted(text: &str, tokens: &[Token]) -> Arc<str> {
    let blot = |byte: u8| if byte.is_ascii_whitespace() { byte } else { b'*' };
    let mut bytes: Vec<u8> = text.bytes().map(blot).collect();
    for token in tokens {
        let word = &text[token.span.clone()];
        if token.kind != Kind::Word || HARMLESS.contains(&word.to_ascii_lowercase().as_str()) {
            bytes[token.span.clone()].copy_from_slice(word.as_bytes());
        }
    }
    String::from_utf8_lossy(&bytes).into()
}

/// One `key` statement, taken apart.
struct Statement {
    start: Token,
    name: Token,
    algorithm: Option<Token>,
    secret: Option<Token>,
}

struct Parser<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    redacted: Arc<str>,
    sha1: Sha1,
    tokens: Vec<Token>,
    at: usize,
    errors: Vec<Diagnostic>,
}

impl Parser<'_> {
    fn file(&mut self) -> Option<TsigKey> {
        if self.tokens.is_empty() {
            let empty = Diagnostic::about_file(Arc::clone(self.file), "there is no key in this file");
            self.errors.push(empty.help(FORM));
            return None;
        }
        let statement = self.statement()?;
        if let Some(next) = self.tokens.get(self.at).cloned() {
            if self.word(&next).eq_ignore_ascii_case("key") {
                self.error(next.span, "this is a second key", "keep one key in a file, and name that file");
            } else {
                self.error(next.span, "there is more in this file than one key", FORM);
            }
        }
        self.values(statement)
    }

    fn statement(&mut self) -> Option<Statement> {
        let start = self.next()?;
        if !self.word(&start).eq_ignore_ascii_case("key") {
            self.error(start.span, "a key file starts with the word `key`", FORM);
            return None;
        }
        let name = self.expect_word("the name of the key")?;
        self.expect_mark(b'{')?;
        let mut statement = Statement { start, name, algorithm: None, secret: None };
        loop {
            let next = self.next()?;
            if next.kind == Kind::Mark(b'}') {
                break;
            }
            let is_algorithm = match self.word(&next).to_ascii_lowercase().as_str() {
                "algorithm" => true,
                "secret" => false,
                _ => {
                    self.error(next.span, "a key has only `algorithm` and `secret`", FORM);
                    return None;
                }
            };
            let value = self.expect_word("a value")?;
            let slot = if is_algorithm { &mut statement.algorithm } else { &mut statement.secret };
            if slot.replace(value).is_some() {
                self.error(next.span, "this is said twice", "keep one of the two");
            }
            self.expect_mark(b';')?;
        }
        self.expect_mark(b';')?;
        Some(statement)
    }

    fn values(&mut self, statement: Statement) -> Option<TsigKey> {
        let Statement { start, name, algorithm, secret } = statement;
        for (what, value) in [("algorithm", &algorithm), ("secret", &secret)] {
            if value.is_none() {
                self.error(start.span.clone(), &format!("the key has no `{what}`"), FORM);
            }
        }
        let key_name = match self.word(&name).parse::<Name>() {
            Ok(key_name) => Some(key_name),
            Err(error) => {
                self.error(name.span, &format!("the name of the key {error}"), FORM);
                None
            }
        };
        let algorithm = algorithm.and_then(|token| self.algorithm(&token));
        let secret = secret.and_then(|token| self.secret(&token));
        Some(TsigKey::new(key_name?, algorithm?, secret?))
    }

    fn algorithm(&mut self, token: &Token) -> Option<Algorithm> {
        let mut help = "make a new key with `tsig-keygen -a hmac-sha256 NAME`, for the server and for this file";
        let refused = match self.word(token).to_ascii_lowercase().trim_end_matches('.') {
            "hmac-sha256" => return Some(Algorithm::HmacSha256),
            "hmac-sha384" => return Some(Algorithm::HmacSha384),
            "hmac-sha512" => return Some(Algorithm::HmacSha512),
            "hmac-md5" | "hmac-md5.sig-alg.reg.int" => "hmac-md5 is refused: it must not be used (RFC 8945)",
            "hmac-sha1" if self.sha1 == Sha1::Allowed => return Some(Algorithm::HmacSha1),
            "hmac-sha1" => {
                help = "make a new key with `tsig-keygen -a hmac-sha256 NAME`, for the server and for this file; for a \
                        server that knows nothing better, say `allow_hmac_sha1 = true` in its `[[zone]]`";
                "hmac-sha1 is refused: it is not recommended any more (RFC 8945)"
            }
            "hmac-sha224" => "hmac-sha224 is refused: srvctl signs with hmac-sha256 or longer",
            _ => "this is not an algorithm that srvctl signs with: hmac-sha256, hmac-sha384 or hmac-sha512",
        };
        self.error(token.span.clone(), refused, help);
        None
    }

    fn secret(&mut self, token: &Token) -> Option<Vec<u8>> {
        let help = "copy the secret again, as `tsig-keygen NAME` printed it";
        match BASE64.decode(self.word(token).as_bytes()) {
            Ok(secret) if !secret.is_empty() => return Some(secret),
            Ok(_) => self.error(token.span.clone(), "the secret is empty", help),
            Err(_) => self.error(token.span.clone(), "the secret is not base64 (not shown here)", help),
        }
        None
    }

    fn word(&self, token: &Token) -> &str {
        &self.text[token.span.clone()]
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        if token.is_none() {
            let end = self.text.trim_end().len();
            self.error(end..end, "the file ends in the middle of a key", FORM);
        }
        token
    }

    fn expect_word(&mut self, what: &str) -> Option<Token> {
        let token = self.next()?;
        if token.kind == Kind::Word {
            return Some(token);
        }
        self.error(token.span, &format!("{what} is missing here"), FORM);
        None
    }

    fn expect_mark(&mut self, mark: u8) -> Option<()> {
        let token = self.next()?;
        if token.kind == Kind::Mark(mark) {
            return Some(());
        }
        self.error(token.span, &format!("`{}` is missing before this", char::from(mark)), FORM);
        None
    }

    fn error(&mut self, span: Range<usize>, message: &str, help: &str) {
        let diagnostic = self.diagnostic(span, message).help(help);
        self.errors.push(diagnostic);
    }

    fn diagnostic(&self, span: Range<usize>, message: &str) -> Diagnostic {
        Diagnostic::at(self.file, &self.redacted, span, message)
    }
}
