//! Properties of all machines together: declared, given values, and filled in where they refer to each other
//! (DSP0243 9.5.1).

use std::collections::{BTreeSet, HashMap};

use super::appliance::{Content, Product};
use super::dialect::is_vmware;
use super::fill::Filler;
use super::property::{Property, PropertyProblem};
use super::reader::Reader;
use super::units::shown;
use super::xml::Element;
use super::{DescriptorError, codes, near};

/// Every property, by the machine or the collection that declares it.
#[derive(Default)]
pub struct Properties<'d> {
    declared: Vec<Declared<'d>>,
    scopes: Vec<Scope>,
}

/// A property and its names.
struct Declared<'d> {
    property: Property,
    element: Element<'d>,
    /// Its names shorter than `CLASS.KEY.INSTANCE`.
    shorter: Vec<String>,
}

/// The properties of one machine or collection.
#[derive(Default)]
struct Scope {
    outer: Option<usize>,
    properties: Vec<usize>,
    by_key: HashMap<String, usize>,
}

impl<'d> Properties<'d> {
    /// A scope inside another.
    pub fn enter(&mut self, outer: Option<usize>) -> usize {
        self.scopes.push(Scope { outer, ..Scope::default() });
        self.scopes.len() - 1
    }

    /// Reads the properties of a ProductSection.
    ///
    /// # Errors
    /// When a property has no key.
    pub fn read(
        &mut self,
        section: Element<'d>,
        scope: usize,
        product: &Product,
        reader: &mut Reader<'_>,
    ) -> Result<(), DescriptorError> {
        let mut category = None;
        for element in section.children().filter(|child| child.is_ovf()) {
            match element.name() {
                "Category" => category = reader.text(element),
                // VMware lets a whole property belong to some configurations.
                "Property" if reader.applies(element) => {
                    let declared = declare(element, product, category.clone(), reader)?;
                    self.add(declared, scope, reader);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add(&mut self, declared: Declared<'d>, scope: usize, reader: &mut Reader<'_>) {
        let index = self.declared.len();
        let key = declared.property.key.clone();
        let Some(scope) = self.scopes.get_mut(scope) else { return };
        if scope.by_key.contains_key(&key) {
            let message = format!("the property \"{}\" is declared twice; the first counts", shown(&key));
            reader.warn(codes::PROPERTY_DUPLICATE, declared.element, message);
            return;
        }
        for name in &declared.shorter {
            scope.by_key.entry(name.clone()).or_insert(index);
        }
        scope.by_key.insert(key, index);
        scope.properties.push(index);
        self.declared.push(declared);
    }

    /// Gives properties the values that the user chose, and fills in references.
    ///
    /// # Errors
    /// When a chosen value is for no property, for one of several, for one that a user may not set, or is not of its type.
    pub fn settle(&mut self, reader: &mut Reader<'_>) -> Result<(), DescriptorError> {
        self.set(reader)?;
        self.warn(reader);
        for scope in 0..self.scopes.len() {
            self.fill(scope, reader)?;
        }
        Ok(())
    }

    fn set(&mut self, reader: &Reader<'_>) -> Result<(), DescriptorError> {
        if reader.choices.properties.is_empty() {
            return Ok(());
        }
        let mut whole: HashMap<String, Vec<usize>> = HashMap::new();
        let mut shorter: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, declared) in self.declared.iter().enumerate() {
            whole.entry(declared.property.key.clone()).or_default().push(index);
            for name in &declared.shorter {
                shorter.entry(name.clone()).or_default().push(index);
            }
        }
        for (key, value) in &reader.choices.properties {
            let found = whole.get(key).or_else(|| shorter.get(key)).cloned().unwrap_or_default();
            self.set_one(key, value, &found)?;
        }
        Ok(())
    }

    /// Gives the properties of one name a value: several machines may have a property of the same whole key.
    fn set_one(&mut self, key: &str, value: &str, found: &[usize]) -> Result<(), DescriptorError> {
        let error = |line, cause: String, remedy: String| Err(DescriptorError { line, element: None, cause, remedy });
        let keys: BTreeSet<&str> = found
            .iter()
            .filter_map(|index| self.declared.get(*index))
            .map(|declared| &*declared.property.key)
            .collect();
        if keys.len() > 1 {
            let names: Vec<String> = keys.iter().take(10).map(|key| shown(key)).collect();
            let cause = format!("\"{}\" may be any of {} properties", shown(key), keys.len());
            return error(None, cause, format!("use the whole key: {}", names.join(", ")));
        }
        if keys.is_empty() {
            let known = self.declared.iter().filter(|declared| declared.property.user_configurable);
            let known: BTreeSet<&str> = known.map(|declared| &*declared.property.key).collect();
            let cause = format!("the package has no property \"{}\"", shown(key));
            return error(None, cause, near::remedy(key, known.into_iter()));
        }
        let mut is_set = false;
        for index in found {
            let Some(declared) = self.declared.get_mut(*index) else { continue };
            if !declared.property.user_configurable {
                continue;
            }
            declared.property.check(value).map_err(|problem| wrong(&problem, declared.element))?;
            declared.property.value = Some(value.to_owned());
            declared.property.set = true;
            is_set = true;
        }
        if is_set {
            return Ok(());
        }
        let line = found.first().and_then(|index| self.declared.get(*index)).map(|declared| declared.property.line);
        let cause = format!("the property \"{}\" is not for users to set (ovf:userConfigurable)", shown(key));
        error(line, cause, format!("leave --set {} out", shown(key)))
    }

    /// Says what is odd about the package's own values.
    fn warn(&self, reader: &mut Reader<'_>) {
        for Declared { property, element, .. } in &self.declared {
            if let Some(message) = property.warning() {
                reader.warn(codes::PROPERTY_TYPE, *element, message);
            }
            let Some(value) = property.value.as_deref().filter(|value| !property.set && !value.contains("${")) else {
                continue;
            };
            // Nobody chose it yet, so that it is empty means nothing.
            if !value.is_empty()
                && let Err(problem) = property.check(value)
            {
                reader.warn(codes::PROPERTY_VALUE, *element, format!("the package's own value: {problem}"));
            }
        }
    }

    /// Fills in `${KEY}` in the values of a scope with values of the scopes around it, which come before it.
    fn fill(&mut self, scope: usize, reader: &mut Reader<'_>) -> Result<(), DescriptorError> {
        let Some(Scope { outer: Some(outer), properties, .. }) = self.scopes.get(scope) else { return Ok(()) };
        let (outer, properties) = (*outer, properties.clone());
        for index in properties {
            let Some(declared) = self.declared.get(index) else { continue };
            let Some(value) =
                declared.property.value.as_deref().filter(|value| !declared.property.set && value.contains("${"))
            else {
                continue;
            };
            let element = declared.element;
            let mut filler = Filler { budget: &mut reader.expansion, missing: None };
            let filled = filler.fill(value, |key| self.lookup(outer, key));
            let missing = filler.missing.take();
            let Some(filled) = filled else {
                let remedy = "get the package from its maker; its properties refer to each other over and over";
                return Err(element.attr_error(
                    "value",
                    "values of properties grow too big by their references",
                    remedy,
                ));
            };
            if let Some(key) = missing {
                let message = format!("there is no property \"{}\" around this one that has a value", shown(&key));
                reader.warn(codes::PROPERTY_REFERENCE, element, message);
            }
            if let Some(declared) = self.declared.get_mut(index) {
                declared.property.value = Some(filled);
            }
        }
        Ok(())
    }

    /// The value of a property in a scope, or in one around it.
    fn lookup(&self, scope: usize, key: &str) -> Option<&str> {
        let mut at = Some(scope);
        while let Some(scope) = at.and_then(|index| self.scopes.get(index)) {
            if let Some(declared) = scope.by_key.get(key).and_then(|index| self.declared.get(*index)) {
                return declared.property.value.as_deref();
            }
            at = scope.outer;
        }
        None
    }

    /// The value of the property of this name, wherever it is declared: the first that has one.
    pub fn anywhere(&self, key: &str) -> Option<&str> {
        let of = |scope: &Scope| self.declared.get(*scope.by_key.get(key)?)?.property.value.as_deref();
        self.scopes.iter().find_map(of).filter(|value| !value.is_empty())
    }

    /// Hands the properties over to the machines and collections that declare them.
    pub fn hand_over(self, content: &mut Content) {
        let mut all: Vec<Option<Property>> =
            self.declared.into_iter().map(|declared| Some(declared.property)).collect();
        let mut scopes = self.scopes.into_iter().map(|scope| {
            let take = |index: usize| all.get_mut(index).and_then(Option::take);
            scope.properties.into_iter().filter_map(take).collect()
        });
        give(content, &mut scopes);
    }
}

/// Gives each node its properties, in the order in which the nodes were read.
fn give(content: &mut Content, scopes: &mut impl Iterator<Item = Vec<Property>>) {
    let properties = scopes.next().unwrap_or_default();
    match content {
        Content::System(system) => system.about.properties = properties,
        Content::Collection(collection) => {
            collection.about.properties = properties;
            collection.contents.iter_mut().for_each(|content| give(content, scopes));
        }
    }
}

fn wrong(problem: &PropertyProblem, element: Element<'_>) -> DescriptorError {
    element.error(problem.to_string(), problem.remedy())
}

fn declare<'d>(
    element: Element<'d>,
    product: &Product,
    category: Option<String>,
    reader: &mut Reader<'_>,
) -> Result<Declared<'d>, DescriptorError> {
    let short = element
        .word("key")
        .ok_or_else(|| element.attr_error("key", "the property has no key", "give each property a key of its own"))?;
    if short.chars().any(|c| c.is_control() || c.is_whitespace()) {
        let cause = format!("\"{}\" has blanks or control characters in it", shown(short));
        return Err(element.attr_error("key", cause, "write a key of letters and digits"));
    }
    if short.contains(['.', ':']) {
        let message =
            format!("the key \"{}\" has a period or a colon in it (DSP0243 9.5.1); it is used as it is", shown(short));
        reader.warn(codes::PROPERTY_KEY, element, message);
    }
    let class = product.class.as_deref();
    let instance = product.instance.as_deref();
    let joined = |parts: &[Option<&str>]| parts.iter().flatten().copied().collect::<Vec<_>>().join(".");
    let key = joined(&[class, Some(short), instance]);
    let shorter = [joined(&[Some(short)]), joined(&[class, Some(short)]), joined(&[Some(short), instance])];
    let shorter: BTreeSet<String> = shorter.into_iter().filter(|name| *name != key).collect();
    let (own, vmware) = (element.attr("qualifiers"), element.attr_of(is_vmware, "qualifiers"));
    let qualifiers: Vec<&str> = own.into_iter().chain(vmware.filter(|vmware| own != Some(vmware))).collect();
    let qualifiers = qualifiers.join(", ");
    let kind = element.word("type").unwrap_or("string").to_owned();
    let user_configurable = element.boolean("userConfigurable").unwrap_or(false);
    let value = chosen_value(element, reader).map(str::to_owned);
    let required = element.boolean("required").unwrap_or_else(|| needs_value(&kind, &qualifiers));
    let property = Property {
        key,
        required: required && user_configurable,
        kind,
        value,
        set: false,
        user_configurable,
        password: element.boolean("password").unwrap_or(false),
        qualifiers,
        label: reader.text_of(element, "Label"),
        description: reader.text_of(element, "Description"),
        category,
        line: element.line(),
    };
    Ok(Declared { property, element, shorter: shorter.into_iter().collect() })
}

/// The value for the chosen configuration (`Value`), else the default.
fn chosen_value<'d>(element: Element<'d>, reader: &mut Reader<'_>) -> Option<&'d str> {
    let mut general = element.attr("value");
    let mut chosen = None;
    for value in element.all("Value") {
        match value.word("configuration") {
            Some(_) if reader.applies(value) => chosen = chosen.or(value.attr("value")),
            Some(_) => {}
            None => general = general.or(value.attr("value")),
        }
    }
    chosen.or(general)
}

/// Whether nothing is no value of a type: a user has to say something then, as in VMware's products.
fn needs_value(kind: &str, qualifiers: &str) -> bool {
    let kind = kind.trim().to_ascii_lowercase();
    let is_number = ["int", "uint", "sint", "real", "boolean"].iter().any(|start| kind.starts_with(start));
    let qualifiers: String = qualifiers.chars().filter(|c| !c.is_whitespace()).collect();
    let least = qualifiers.split_once("MinLen(").and_then(|(_, rest)| rest.split(')').next());
    is_number || least.is_some_and(|least| least.parse::<u64>().is_ok_and(|least| least > 0))
}
