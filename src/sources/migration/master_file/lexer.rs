//! The words of a master file: entries over several lines in parentheses, quoted strings, comments.

/// What stands between two ends of lines, parentheses taken into account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it begins, from 1.
    pub(super) line: u32,
    /// Whether it begins with a blank: it has no name of its own.
    pub(super) indented: bool,
    /// At least one.
    pub(super) tokens: Vec<Token>,
}

/// One word, with its escapes as they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    pub(super) quoted: bool,
}

/// All entries, and what is wrong with the text itself, by line.
pub(super) fn entries(text: &str) -> (Vec<Entry>, Vec<(u32, String)>) {
    let mut lexer = Lexer { entries: Vec::new(), broken: Vec::new(), current: None, depth: 0, line: 1 };
    let mut letters = text.chars().peekable();
    let mut at_start = true;
    while let Some(letter) = letters.next() {
        match letter {
            '\n' => {
                if lexer.depth == 0 {
                    lexer.end();
                    at_start = true;
                }
                lexer.line += 1;
                continue;
            }
            ';' => {
                while letters.next_if(|&letter| letter != '\n').is_some() {}
                continue;
            }
            '(' => lexer.depth += 1,
            ')' => match lexer.depth.checked_sub(1) {
                Some(depth) => lexer.depth = depth,
                None => lexer.broken.push((lexer.line, "a `)` without its `(`".to_owned())),
            },
            blank if blank.is_whitespace() => {
                if at_start {
                    lexer.begin(true);
                }
            }
            first => {
                lexer.begin(false);
                lexer.word(first, &mut letters);
            }
        }
        at_start = false;
    }
    if lexer.depth > 0 {
        lexer.broken.push((lexer.line, "a `(` that is never closed: what follows it was not read".to_owned()));
        lexer.current = None;
    }
    lexer.end();
    (lexer.entries, lexer.broken)
}

struct Lexer {
    entries: Vec<Entry>,
    broken: Vec<(u32, String)>,
    current: Option<Entry>,
    depth: usize,
    line: u32,
}

impl Lexer {
    fn begin(&mut self, indented: bool) {
        let line = self.line;
        self.current.get_or_insert_with(|| Entry { line, indented, tokens: Vec::new() });
    }

    fn end(&mut self) {
        self.entries.extend(self.current.take().filter(|entry| !entry.tokens.is_empty()));
    }

    fn word(&mut self, first: char, letters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
        let quoted = first == '"';
        let mut text = if quoted { String::new() } else { first.to_string() };
        let mut escaped = first == '\\';
        let ends = |letter: char| {
            if quoted { letter == '\n' || letter == '"' } else { letter.is_whitespace() || "();\"".contains(letter) }
        };
        while let Some(letter) = letters.next_if(|&letter| (escaped && letter != '\n') || !ends(letter)) {
            escaped = letter == '\\' && !escaped;
            text.push(letter);
        }
        if quoted && letters.next_if_eq(&'"').is_none() {
            self.broken.push((self.line, "a `\"` that is not closed on its line".to_owned()));
            self.current = None;
            self.depth = 0;
        }
        if let Some(entry) = &mut self.current {
            entry.tokens.push(Token { text, quoted });
        }
    }
}

/// The bytes of a character-string; none when an escape is broken.
pub(super) fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut unescaped = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            unescaped.push(byte);
            continue;
        }
        let first = bytes.next()?;
        if !first.is_ascii_digit() {
            unescaped.push(first);
            continue;
        }
        let mut value = u16::from(first - b'0');
        for _ in 0..2 {
            value = value * 10 + u16::from(bytes.next().filter(u8::is_ascii_digit)? - b'0');
        }
        unescaped.push(u8::try_from(value).ok()?);
    }
    Some(unescaped)
}
