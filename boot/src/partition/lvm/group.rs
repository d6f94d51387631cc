//! A volume group, as its text describes it.

use std::collections::BTreeMap;

use super::text::{self, Section, Value};

/// LVM counts in sectors of 512 bytes.
const SECTOR: u64 = 512;
/// The most segments of one logical volume.
const MAX_SEGMENTS: usize = 16_384;

/// A volume group.
#[derive(Debug)]
pub(super) struct Group {
    pub name: String,
    pub uuid: String,
    /// Counts the changes of the text.
    pub sequence: u64,
    /// By the text's name of it.
    physical: BTreeMap<String, Physical>,
    pub volumes: Vec<Logical>,
}

/// A physical volume, as the text has it.
#[derive(Debug)]
struct Physical {
    uuid: String,
    /// Where its first extent begins, in bytes.
    start: u64,
}

/// A logical volume that people see.
#[derive(Debug)]
pub(super) struct Logical {
    pub name: String,
    pub uuid: String,
    pub segments: Vec<Segment>,
    /// Why it cannot be read.
    pub problem: Option<String>,
}

/// A run of bytes.
#[derive(Debug)]
pub(super) struct Segment {
    /// Where in the logical volume, in bytes.
    pub start: u64,
    /// How long, in bytes.
    pub len: u64,
    /// The text's name of the physical volume.
    pub physical: String,
    /// Where on it, in bytes.
    pub at: u64,
}

impl Group {
    /// Reads a group's text.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let root = text::parse(bytes)?;
        let (name, section) = root
            .sections()
            .find(|(_, section)| section.get("extent_size").is_some())
            .ok_or("it describes no volume group")?;
        let extent = section.number("extent_size").and_then(|sectors| sectors.checked_mul(SECTOR));
        let extent = extent.filter(|extent| *extent > 0).ok_or("the size of extents is none")?;
        let mut physical = BTreeMap::new();
        for (name, pv) in section.section("physical_volumes").into_iter().flat_map(|all| all.sections()) {
            let (Some(id), Some(start)) = (pv.text("id"), pv.number("pe_start")) else { continue };
            let start = start.saturating_mul(SECTOR);
            physical.insert(name.to_owned(), Physical { uuid: id.to_owned(), start });
        }
        let volumes = section.section("logical_volumes").into_iter().flat_map(|all| all.sections());
        let volumes = volumes.filter(|(_, lv)| is_visible(lv));
        let volumes = volumes.map(|(name, lv)| Logical::read(name, lv, extent, &physical)).collect();
        Ok(Self {
            name: name.to_owned(),
            uuid: section.text("id").unwrap_or_default().to_owned(),
            sequence: section.number("seqno").unwrap_or(0),
            physical,
            volumes,
        })
    }

    /// The physical volume that the text calls `name`: that name and its UUID.
    pub fn physical(&self, name: &str) -> Result<(&str, &str), String> {
        let found = self.physical.get_key_value(name);
        let found = found.map(|(name, physical)| (name.as_str(), physical.uuid.as_str()));
        found.ok_or_else(|| format!("it lies on {name}, which is unknown"))
    }
}

/// Parts of mirrors and pools are volumes too, but nobody sees them.
fn is_visible(lv: &Section) -> bool {
    match lv.get("status") {
        Some(Value::List(flags)) => flags.contains(&Value::Text("VISIBLE".to_owned())),
        _ => false,
    }
}

impl Logical {
    fn read(name: &str, section: &Section, extent: u64, physical: &BTreeMap<String, Physical>) -> Self {
        let uuid = section.text("id").unwrap_or_default().to_owned();
        let mut logical = Self { name: name.to_owned(), uuid, segments: Vec::new(), problem: None };
        let segments = section.sections().filter(|(name, _)| name.starts_with("segment"));
        for (_, segment) in segments {
            match Segment::read(segment, extent, physical) {
                Ok(segment) if logical.segments.len() < MAX_SEGMENTS => logical.segments.push(segment),
                Ok(_) => logical.problem = Some("it has too many segments".to_owned()),
                Err(problem) => logical.problem = Some(problem),
            }
        }
        if logical.segments.is_empty() && logical.problem.is_none() {
            logical.problem = Some("it has no segments".to_owned());
        }
        logical
    }
}

impl Segment {
    fn read(section: &Section, extent: u64, physical: &BTreeMap<String, Physical>) -> Result<Self, String> {
        let kind = section.text("type").unwrap_or("unknown");
        let stripes = section.number("stripe_count").unwrap_or(0);
        match (kind, stripes) {
            ("striped", 1) => {}
            ("striped", _) => {
                return Err(format!("it is striped over {stripes} volumes; only linear volumes are read"));
            }
            _ => return Err(format!("it is of the type {kind}; only linear volumes are read")),
        }
        let Some(Value::List(list)) = section.get("stripes") else { return Err("a segment lies nowhere".to_owned()) };
        let [Value::Text(name), Value::Number(at)] = list.as_slice() else {
            return Err("a segment does not say where it lies".to_owned());
        };
        let start = section.number("start_extent");
        let bytes = |extents: Option<u64>| extents.and_then(|extents| extents.checked_mul(extent));
        let first = physical.get(name).map_or(0, |physical| physical.start);
        let at = bytes(Some(*at)).and_then(|at| at.checked_add(first));
        match (bytes(start), bytes(section.number("extent_count")), at) {
            (Some(start), Some(len), Some(at)) => Ok(Self { start, len, physical: name.clone(), at }),
            _ => Err("a segment's place is out of all bounds".to_owned()),
        }
    }
}
