//! GRUB's script as tokens (grub-core/script/yylex.l describes the language; the manual's chapter "Shell-like scripting").

/// The most pieces that one word may have.
const MAX_PIECES: usize = 4096;

/// A word, and what it is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Word(pub Vec<Piece>);

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it stands, without quotes.
    Bare(String),
    /// As it stands, in quotes or behind a backslash; may be empty.
    Quoted(String),
    /// What a variable has. Without quotes it is split at blanks.
    Variable {
        /// `name`, `1`, `@`, `?`.
        name: String,
        /// Whether it stands in double quotes.
        quoted: bool,
    },
}

impl Word {
    /// The text of a word that is nothing but text without quotes: a keyword, a name.
    pub fn bare(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Piece::Bare(text)] => Some(text),
            _ => None,
        }
    }
}

/// What the script is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    Newline,
    Semicolon,
    Open,
    Close,
    End,
}

/// Reads tokens off a script.
#[derive(Debug)]
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// From 1.
    line: u32,
}

impl<'t> Lexer<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The line that is being read, from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += character.len_utf8();
        if character == '\n' {
            self.line += 1;
        }
        Some(character)
    }

    /// Takes characters as long as they are `part`.
    fn run(&mut self, part: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let len = rest.find(|character| !part(character)).unwrap_or(rest.len());
        let run = rest.get(..len).unwrap_or_default();
        self.line = self.line.saturating_add(u32::try_from(run.matches('\n').count()).unwrap_or(0));
        self.at += len;
        run
    }

    /// Leaves out what is left of the line, and its end.
    pub fn skip_line(&mut self) {
        self.run(|character| character != '\n');
        self.take();
    }

    /// The next token.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn token(&mut self) -> Result<Token, String> {
        loop {
            self.run(|character| matches!(character, ' ' | '\t' | '\r'));
            let Some(character) = self.peek() else { return Ok(Token::End) };
            let token = match character {
                '#' => {
                    self.run(|character| character != '\n');
                    continue;
                }
                '\\' if self.rest().starts_with("\\\n") => {
                    self.take();
                    self.take();
                    continue;
                }
                '\n' => Token::Newline,
                ';' => Token::Semicolon,
                '{' => Token::Open,
                '}' => Token::Close,
                '|' | '&' | '<' | '>' => return Err(format!("`{character}` has no meaning here")),
                _ => return self.word().map(Token::Word),
            };
            self.take();
            return Ok(token);
        }
    }

    fn word(&mut self) -> Result<Word, String> {
        let mut word = Word::default();
        while let Some(character) = self.peek() {
            match character {
                ' ' | '\t' | '\r' | '\n' | ';' | '{' | '}' | '|' | '&' | '<' | '>' => break,
                '\'' => {
                    self.take();
                    let text = self.run(|character| character != '\'').to_owned();
                    self.take().ok_or("a quote that does not end")?;
                    word.0.push(Piece::Quoted(text));
                }
                '"' => {
                    self.take();
                    self.double_quoted(&mut word)?;
                }
                // A text that is to be translated.
                '$' if self.rest().starts_with("$\"") => {
                    self.take();
                }
                '$' => word.0.push(self.variable(false).ok_or("`$` without a name")?),
                '\\' => {
                    self.take();
                    match self.take() {
                        Some('\n') => {}
                        Some(character) => word.0.push(Piece::Quoted(character.into())),
                        None => return Err("a backslash at the end".to_owned()),
                    }
                }
                _ => {
                    let text = self.run(|character| !" \t\r\n;{}|&<>'\"$\\".contains(character));
                    word.0.push(Piece::Bare(text.to_owned()));
                }
            }
            if word.0.len() > MAX_PIECES {
                return Err("a word of too many pieces".to_owned());
            }
        }
        Ok(word)
    }

    /// What is in double quotes, whose first was taken.
    fn double_quoted(&mut self, word: &mut Word) -> Result<(), String> {
        // Quotes make a word even if there is nothing in them.
        word.0.push(Piece::Quoted(String::new()));
        let mut text = String::new();
        loop {
            if word.0.len() > MAX_PIECES {
                return Err("a word of too many pieces".to_owned());
            }
            match self.peek().ok_or("a quote that does not end")? {
                '"' => {
                    self.take();
                    word.0.push(Piece::Quoted(text));
                    return Ok(());
                }
                '\\' => {
                    self.take();
                    match self.take() {
                        Some('\n') | None => {}
                        Some(character @ ('$' | '"' | '\\')) => text.push(character),
                        Some(character) => text.extend(['\\', character]),
                    }
                }
                '$' => match self.variable(true) {
                    Some(variable) => word.0.extend([Piece::Quoted(std::mem::take(&mut text)), variable]),
                    None => {
                        self.take();
                        text.push('$');
                    }
                },
                _ => text.push_str(self.run(|character| !"\"\\$".contains(character))),
            }
        }
    }

    /// `$name`, `${name}`, `$1`, `$@`; nothing is taken if it is none of them.
    fn variable(&mut self, quoted: bool) -> Option<Piece> {
        let start = (self.at, self.line);
        self.take();
        let braces = self.peek() == Some('{');
        if braces {
            self.take();
        }
        let name = match self.peek() {
            Some('?' | '#' | '*' | '@') => self.take().map(String::from).unwrap_or_default(),
            Some(character) if character.is_ascii_digit() => {
                self.run(|character| character.is_ascii_digit()).to_owned()
            }
            _ => self.run(|character| character.is_ascii_alphanumeric() || character == '_').to_owned(),
        };
        if name.is_empty() || (braces && self.take() != Some('}')) {
            (self.at, self.line) = start;
            return None;
        }
        Some(Piece::Variable { name, quoted })
    }
}
