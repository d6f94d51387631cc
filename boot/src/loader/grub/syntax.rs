//! GRUB's script as commands (grub-core/script/parser.y describes the language).
//!
//! GRUB reads a script line by line, more lines where a construct goes on, and runs each before it reads the next. So a line
//! that cannot be read is one error, and what follows is read all the same.

use std::sync::Arc;

use super::lexer::{Lexer, Token, Word};

/// Constructs may lie so deep in each other.
const MAX_DEPTH: usize = 32;

/// Commands, one after the other.
pub(super) type Script = Arc<[Command]>;

/// A command or a construct.
#[derive(Debug)]
pub(super) enum Command {
    /// Words, and for menu entries what is in braces behind them.
    Simple { words: Vec<Word>, block: Option<Script> },
    /// Conditions with what they lead to, and what else.
    If { arms: Vec<(Script, Script)>, otherwise: Option<Script> },
    /// `for name in words`.
    For { name: String, words: Vec<Word>, body: Script },
    /// `while`, or `until`.
    While { condition: Script, until: bool, body: Script },
    /// `function name`.
    Function { name: String, body: Script },
}

/// A script that is read as it runs.
#[derive(Debug)]
pub(super) struct Reader<'t> {
    lexer: Lexer<'t>,
    /// A token that was looked at and not used.
    next: Option<Token>,
    depth: usize,
}

impl<'t> Reader<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { lexer: Lexer::new(text), next: None, depth: 0 }
    }

    /// The commands of the next line, with all that belongs to them; `None` at the end.
    ///
    /// # Errors
    /// What cannot be read, with its line; the rest of that line is left out.
    pub fn line(&mut self) -> Option<Result<Script, String>> {
        self.depth = 0;
        match self.whole_line() {
            Ok(script) => script.map(Ok),
            Err(problem) => {
                let line = self.lexer.line();
                // A newline that was looked at belongs to the line that failed.
                if self.next.take() != Some(Token::Newline) {
                    self.lexer.skip_line();
                }
                Some(Err(format!("line {line}: {problem}")))
            }
        }
    }

    fn whole_line(&mut self) -> Result<Option<Script>, String> {
        let mut commands = Vec::new();
        loop {
            match self.peek()? {
                Token::End if commands.is_empty() => return Ok(None),
                Token::End => return Ok(Some(commands.into())),
                Token::Newline => {
                    self.next = None;
                    if !commands.is_empty() {
                        return Ok(Some(commands.into()));
                    }
                }
                Token::Semicolon if !commands.is_empty() => self.next = None,
                _ => {
                    commands.push(self.command()?);
                    if !matches!(self.peek()?, Token::Newline | Token::Semicolon | Token::End) {
                        return Err("something behind the end of a command".to_owned());
                    }
                }
            }
        }
    }

    fn peek(&mut self) -> Result<&Token, String> {
        if self.next.is_none() {
            self.next = Some(self.lexer.token()?);
        }
        self.next.as_ref().ok_or_else(String::new)
    }

    fn take(&mut self) -> Result<Token, String> {
        self.peek()?;
        Ok(self.next.take().unwrap_or(Token::End))
    }

    /// The keyword that stands next.
    fn keyword(&mut self) -> Result<Option<&str>, String> {
        match self.peek()? {
            Token::Word(word) => Ok(word.bare()),
            _ => Ok(None),
        }
    }

    fn expect_keyword(&mut self, expected: &str) -> Result<(), String> {
        if self.keyword()? == Some(expected) {
            self.next = None;
            return Ok(());
        }
        Err(format!("`{expected}` is missing"))
    }

    fn command(&mut self) -> Result<Command, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("constructs too deep in each other".to_owned());
        }
        let is_outermost = self.depth == 1;
        let keyword = match self.keyword()? {
            Some(word @ ("if" | "for" | "while" | "until")) => word.to_owned(),
            // GRUB takes functions only where nothing is around them.
            Some("function") if is_outermost => "function".to_owned(),
            Some(
                word @ ("then" | "else" | "elif" | "fi" | "do" | "done" | "case" | "esac" | "select" | "time"
                | "function"),
            ) => {
                return Err(format!("`{word}` out of place"));
            }
            _ => String::new(),
        };
        if !keyword.is_empty() {
            self.next = None;
        }
        let command = match keyword.as_str() {
            "if" => self.conditional(),
            "for" => self.for_each(),
            "while" | "until" => self.repeated(keyword == "until"),
            "function" => self.function(),
            _ => self.simple(),
        }?;
        self.depth -= 1;
        Ok(command)
    }

    fn simple(&mut self) -> Result<Command, String> {
        let mut words = Vec::new();
        while let Token::Word(_) = self.peek()? {
            if let Token::Word(word) = self.take()? {
                words.push(word);
            }
        }
        if words.is_empty() {
            return Err("a command is missing".to_owned());
        }
        let block = match self.peek()? {
            Token::Open => Some(self.block()?),
            _ => None,
        };
        Ok(Command::Simple { words, block })
    }

    /// Commands in braces, whose first stands next.
    fn block(&mut self) -> Result<Script, String> {
        if self.take()? != Token::Open {
            return Err("`{` is missing".to_owned());
        }
        let commands = self.commands(&[])?;
        match self.take()? {
            Token::Close => Ok(commands),
            _ => Err("`}` is missing".to_owned()),
        }
    }

    /// Commands up to one of `ends`, which is not taken, or to a closing brace or the end.
    fn commands(&mut self, ends: &[&str]) -> Result<Script, String> {
        let mut commands = Vec::new();
        // Whether something stands between this command and the one before it.
        let mut apart = true;
        loop {
            match self.peek()? {
                Token::Newline | Token::Semicolon => {
                    self.next = None;
                    apart = true;
                }
                Token::End | Token::Close => return Ok(commands.into()),
                Token::Word(word) if apart && word.bare().is_some_and(|word| ends.contains(&word)) => {
                    return Ok(commands.into());
                }
                Token::Word(_) if apart => {
                    commands.push(self.command()?);
                    apart = false;
                }
                Token::Word(_) | Token::Open => return Err("something behind the end of a command".to_owned()),
            }
        }
    }

    /// As [`Reader::commands`], where there must be some.
    fn some_commands(&mut self, ends: &[&str]) -> Result<Script, String> {
        let commands = self.commands(ends)?;
        if commands.is_empty() { Err("a command is missing".to_owned()) } else { Ok(commands) }
    }

    fn conditional(&mut self) -> Result<Command, String> {
        let mut arms = Vec::new();
        loop {
            let condition = self.some_commands(&["then"])?;
            self.expect_keyword("then")?;
            let body = self.some_commands(&["elif", "else", "fi"])?;
            arms.push((condition, body));
            match self.keyword()? {
                Some("elif") => self.next = None,
                Some("else") => {
                    self.next = None;
                    let otherwise = self.some_commands(&["fi"])?;
                    self.expect_keyword("fi")?;
                    return Ok(Command::If { arms, otherwise: Some(otherwise) });
                }
                _ => {
                    self.expect_keyword("fi")?;
                    return Ok(Command::If { arms, otherwise: None });
                }
            }
        }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.take()? {
            Token::Word(word) => word.bare().map(str::to_owned).ok_or_else(|| "a name is missing".to_owned()),
            _ => Err("a name is missing".to_owned()),
        }
    }

    fn for_each(&mut self) -> Result<Command, String> {
        let name = self.name()?;
        self.expect_keyword("in")?;
        let mut words = Vec::new();
        while let Token::Word(_) = self.peek()? {
            if let Token::Word(word) = self.take()? {
                words.push(word);
            }
        }
        let body = self.loop_body()?;
        Ok(Command::For { name, words, body })
    }

    fn repeated(&mut self, until: bool) -> Result<Command, String> {
        let condition = self.some_commands(&["do"])?;
        let body = self.loop_body()?;
        Ok(Command::While { condition, until, body })
    }

    /// `do ... done`.
    fn loop_body(&mut self) -> Result<Script, String> {
        while matches!(self.peek()?, Token::Newline | Token::Semicolon) {
            self.next = None;
        }
        self.expect_keyword("do")?;
        let body = self.some_commands(&["done"])?;
        self.expect_keyword("done")?;
        Ok(body)
    }

    fn function(&mut self) -> Result<Command, String> {
        let name = self.name()?;
        while *self.peek()? == Token::Newline {
            self.next = None;
        }
        let body = self.block()?;
        Ok(Command::Function { name, body })
    }
}
