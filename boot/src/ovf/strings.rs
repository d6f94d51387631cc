//! Texts in several languages: `Strings`, inside the envelope and in files beside it (DSP0243 9.12).

use std::collections::HashMap;

use super::reader::Reader;
use super::references::Files;
use super::units::shown;
use super::xml::{self, Element, Lines};
use super::{DescriptorError, codes};

/// The language of texts that do not say theirs (DSP0243 9.12).
const DEFAULT_LANGUAGE: &str = "en-US";
/// How many message files are read.
const MAX_FILES: usize = 64;
/// How many bytes of message files are read, all together.
const MAX_FILE_BYTES: usize = 32 << 20;

type Bundle = HashMap<String, String>;

/// All texts by language, in the order in which they are looked through.
#[derive(Default)]
pub struct Strings {
    /// In languages that the user likes better than that of the envelope, best first.
    before: Vec<Bundle>,
    /// In others.
    after: Vec<Bundle>,
    /// A file with texts could not be read, which was said.
    pub incomplete: bool,
}

impl Strings {
    /// The text of a message, where `inline` is what stands in the envelope itself.
    pub fn find(&self, id: &str, inline: &str) -> Option<String> {
        let of = |bundles: &[Bundle]| bundles.iter().find_map(|bundle| bundle.get(id)).cloned();
        of(&self.before).or_else(|| (!inline.is_empty()).then(|| inline.to_owned())).or_else(|| of(&self.after))
    }
}

/// Reads the Strings of an envelope, and the message files that it names.
///
/// # Errors
/// When a Strings element names a file that is not in References.
pub fn read(envelope: Element<'_>, files: &Files, reader: &mut Reader<'_>) -> Result<Strings, DescriptorError> {
    let mut bundles: Vec<(String, Bundle)> = Vec::new();
    let mut incomplete = false;
    let (mut files_read, mut bytes_read) = (0, 0);
    for element in envelope.children().filter(|child| child.is_ovf() && child.kind() == "Strings") {
        let language = element.language().unwrap_or(DEFAULT_LANGUAGE).to_owned();
        let mut bundle = messages(element);
        if let Some(id) = element.word("fileRef") {
            let Some(file) = files.by_id(id) else {
                let cause = format!("there is no file \"{}\" in References", shown(id));
                return Err(element.attr_error("fileRef", cause, "correct the id, or remove this Strings element"));
            };
            let bytes = reader.choices.message_file.filter(|_| files_read < MAX_FILES).and_then(|get| get(&file.href));
            let bytes = bytes.filter(|bytes| bytes_read + bytes.len() <= MAX_FILE_BYTES);
            files_read += 1;
            bytes_read += bytes.as_ref().map_or(0, Vec::len);
            let read = bytes.ok_or_else(|| "it is not there, or too big".to_owned());
            match read.and_then(|bytes| message_file(&bytes)) {
                Ok(messages) => bundle.extend(messages),
                Err(why) => {
                    incomplete = true;
                    let message = format!("the texts in \"{}\" cannot be read: {why}", shown(&file.href));
                    reader.warn(codes::MESSAGE_FILE, element, message);
                }
            }
        }
        bundles.push((language, bundle));
    }
    let own = envelope.language().unwrap_or(DEFAULT_LANGUAGE);
    Ok(sorted(bundles, own, &reader.choices.locales, incomplete))
}

fn messages(strings: Element<'_>) -> Bundle {
    let pairs = strings.all("Msg").filter_map(|message| Some((message.word("msgid")?, message.text())));
    pairs.map(|(id, text)| (id.to_owned(), text.into_owned())).collect()
}

fn message_file(bytes: &[u8]) -> Result<Bundle, String> {
    let text = xml::decode(bytes).map_err(|error| error.to_string())?;
    let lines = Lines::of(&text);
    let document = xml::parse(&text, &lines).map_err(|error| error.to_string())?;
    let root = Element::root(&document, &lines);
    if root.kind() != "Strings" && root.kind() != "Bundle" {
        return Err(format!("its outermost element is <{}>, not <Strings>", root.shown()));
    }
    Ok(messages(root))
}

/// Puts the bundles in the order in which the user wants to read them; the default language is the last resort but one.
fn sorted(bundles: Vec<(String, Bundle)>, own: &str, locales: &[String], incomplete: bool) -> Strings {
    let rank = |language: &str| {
        let best = |matches: fn(&str, &str) -> bool| locales.iter().position(|locale| matches(locale, language));
        match (best(same), best(related)) {
            (Some(exact), related) => 2 * exact.min(related.unwrap_or(exact)),
            (None, Some(related)) => 2 * related + 1,
            (None, None) => usize::MAX - usize::from(same(language, DEFAULT_LANGUAGE)),
        }
    };
    // What stands in the envelope is what its author meant, if the user wants nothing else.
    let own = rank(own).min(2 * locales.len());
    let mut ranked: Vec<(usize, Bundle)> =
        bundles.into_iter().map(|(language, bundle)| (rank(&language), bundle)).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let (before, after): (Vec<_>, Vec<_>) = ranked.into_iter().partition(|(rank, _)| *rank < own);
    let bundles = |ranked: Vec<(usize, Bundle)>| ranked.into_iter().map(|(_, bundle)| bundle).collect();
    Strings { before: bundles(before), after: bundles(after), incomplete }
}

fn same(one: &str, other: &str) -> bool {
    normal(one) == normal(other)
}

/// Whether both are of the same language, whatever the country.
fn related(one: &str, other: &str) -> bool {
    let language = |text: &str| normal(text).split('-').next().map(str::to_owned);
    language(one) == language(other)
}

/// `de_DE.UTF-8` as `de-de`.
fn normal(locale: &str) -> String {
    let locale = locale.split(['.', '@']).next().unwrap_or_default();
    locale.trim().replace('_', "-").to_ascii_lowercase()
}
