#!/usr/bin/env python3
"""Reads an OVF descriptor with other eyes than Ovum's parser.

    independent.py FOLDER            the values of every descriptor in FOLDER, as JSON
    independent.py FOLDER EXPECTED   where they differ from a file of expected values

Written from DSP0243 and from the descriptors alone, with nothing but Python's own XML parser, so that a mistake has to be
made twice to pass. It is no parser for hostile input.
"""

import json
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

DIALECTS = {
    "http://schemas.dmtf.org/ovf/envelope/1": "ovf-1.1",
    "http://schemas.dmtf.org/ovf/envelope/2": "ovf-2.0",
    "http://schemas.dmtf.org/ovf/envelope/1/": "ovirt",
    "http://www.vmware.com/schema/ovf/1/envelope": "ovf-0.9",
}
# DSP0243 1.1 and 2.1, clause 9, and the two that hold the others. ScaleOutSection is missing on purpose: one machine is what
# Ovum starts of each.
KNOWN_SECTIONS = set(
    "References DiskSection NetworkSection ResourceAllocationSection AnnotationSection ProductSection EulaSection StartupSection "
    "DeploymentOptionSection OperatingSystemSection InstallSection VirtualHardwareSection EnvironmentFilesSection "
    "BootDeviceSection SharedDiskSection PlacementGroupSection PlacementSection EncryptionSection Strings "
    "VirtualSystem VirtualSystemCollection Content Section Info Name".split()
)
CONTROLLERS = {"5": "ide", "6": "scsi", "20": "sata", "23": "usb"}
ORDER = ["ide", "scsi", "sata", "nvme", "virtio", "usb", "other"]
DISK_TYPES = {"17", "19", "31"}  # disk drive, storage extent, logical disk
CDROM_TYPES = {"15", "16"}
URI_FORMATS = [("vmdk", "vmdk"), ("qcow2", "qcow2"), ("vhdx", "vhdx"), ("vhd", "vhd"), ("vdi", "vdi"), ("raw", "raw")]


def local(name):
    return name.rsplit("}", 1)[-1]


def space(name):
    return name[1:].split("}", 1)[0] if name.startswith("{") else ""


def attr(element, name):
    """An attribute by its local name, in whatever namespace or in none."""
    for key, value in element.attrib.items():
        if local(key) == name:
            return value
    return None


def children(element, name):
    """Children by local name; in the old dialects a section's name is its xsi:type."""
    for child in element:
        if section_name(child) == name:
            yield child


def section_name(element):
    if local(element.tag) in ("Section", "Content"):
        kind = attr(element, "type")
        if kind:
            return kind.rsplit(":", 1)[-1].removesuffix("_Type")
    return local(element.tag)


def child(element, name):
    return next(children(element, name), None) if element is not None else None


def text(element, *names):
    for name in names:
        found = child(element, name)
        if found is not None and found.text is not None and found.text.strip():
            return found.text.strip()
    return None


def parse(path):
    """The root, and the line on which each start tag begins."""
    parser = ET.XMLPullParser(["start"])
    lines, root, line = {}, None, 1
    for number, part in enumerate(path.read_bytes().split(b"<")):
        parser.feed(b"<" + part if number else part)
        for _, element in parser.read_events():
            root = element if root is None else root
            lines[element] = line
        line += part.count(b"\n")
    parser.close()
    return root, lines


def unit(words):
    """Bytes in a unit of DSP0004, or in one of the words from before it."""
    if words is None:
        return None
    compact = words.replace(" ", "").lower()
    words_of_old = {"bytes": 0, "kilobytes": 10, "kb": 10, "megabytes": 20, "mb": 20, "gigabytes": 30, "gb": 30}
    if compact in words_of_old:
        return 1 << words_of_old[compact]
    factors = compact.split("*")
    if factors[0] != "byte":
        return None
    product = 1
    for factor in factors[1:]:
        base, _, power = factor.partition("^")
        product *= int(base) ** int(power or 1)
    return product


class Refused(Exception):
    pass


class Descriptor:
    def __init__(self, path):
        self.problems = []
        self.warn_lines = []
        self.strays = []
        try:
            self.root, self.lines = parse(path)
        except ET.ParseError as error:
            self.problem(error.position[0], None, "not well-formed XML")
            raise Refused from error
        if local(self.root.tag) != "Envelope":
            self.problem(self.lines[self.root], local(self.root.tag), "the root is no Envelope")
            raise Refused
        self.dialect = DIALECTS.get(space(self.root.tag))
        if self.dialect is None:
            self.problem(self.lines[self.root], "Envelope", "an envelope of an unknown version")
            raise Refused
        self.ovf = space(self.root.tag)

    def problem(self, line, element, reason):
        self.problems.append({"line": line, "element": element, "reason": reason})

    def number(self, element, name, value):
        if value is None:
            return None
        if re.fullmatch(r"\s*\d+\s*", value):
            return int(value)
        self.problem(self.lines[element], f"{local(element.tag)} {name}", f"{value!r} is not a number of bytes")
        return None

    # -- what stands at the top -------------------------------------------------------------------------------------------

    def read(self):
        self.files = [self.file(e) for e in children(child(self.root, "References"), "File")]
        self.configurations = self.read_configurations()
        self.default = next((c["id"] for c in self.configurations if c["default"]), None)
        content = [e for e in self.root if section_name(e) in ("VirtualSystem", "VirtualSystemCollection")]
        self.properties = {}
        for element in self.root.iter():
            if local(element.tag) == "Property" and attr(element, "key"):
                self.properties[attr(element, "key")] = attr(element, "value")
        section = child(self.root, "DiskSection")
        self.disks = [self.disk(e) for e in children(section, "Disk")] if section is not None else []
        section = child(self.root, "NetworkSection")
        networks = [attr(e, "name") for e in children(section, "Network")] if section is not None else []
        self.check_sections(self.root)
        systems = [self.system(e) for c in content for e in c.iter() if section_name(e) == "VirtualSystem"]
        for element in self.strays:
            self.problem(self.lines[element], "File href", "a path out of the package")
        if self.problems:
            raise Refused
        return {
            "format": self.dialect,
            "configuration": self.default,
            "systems": systems,
            "networks": networks,
            "configurations": self.configurations,
            "files": self.files,
        }

    def file(self, element):
        href = attr(element, "href")
        if re.match(r"[a-z][a-z0-9+.-]*:", href):
            self.warn_lines.append(self.lines[element])
        if ".." in href.split("/"):
            self.strays.append(element)
        compression = attr(element, "compression")
        return {
            "id": attr(element, "id"),
            "href": href,
            "size": self.number(element, "size", attr(element, "size")),
            "compression": None if compression in (None, "", "identity") else compression,
            "chunk_size": self.number(element, "chunkSize", attr(element, "chunkSize")),
        }

    def read_configurations(self):
        section = child(self.root, "DeploymentOptionSection")
        found = list(children(section, "Configuration")) if section is not None else []
        marked = [attr(e, "default") == "true" for e in found]
        if found and not any(marked):
            marked[0] = True
        return [
            {"id": attr(e, "id"), "label": self.message(child(e, "Label")), "default": is_default}
            for e, is_default in zip(found, marked)
        ]

    def message(self, element):
        """The text of an element, or what Strings have for it."""
        if element is None:
            return None
        wanted = attr(element, "msgid")
        if wanted is not None:
            for strings in children(self.root, "Strings"):
                for entry in children(strings, "Msg"):
                    if attr(entry, "msgid") == wanted:
                        return entry.text
        return element.text.strip() if element.text else None

    def disk(self, element):
        reference = attr(element, "fileRef") or None
        file = next((f for f in self.files if reference in (f["id"], f["href"])), None)
        if reference is not None and file is None:
            self.problem(self.lines[element], "Disk fileRef", f"no file {reference!r} in References")
        capacity = attr(element, "capacity")
        if capacity is not None and capacity.startswith("${"):
            capacity = self.properties.get(capacity[2:-1])
        if capacity is None and self.dialect == "ovirt":
            gigabytes = attr(element, "size")
            capacity = None if gigabytes is None else str(int(gigabytes) << 30)
        size = self.number(element, "capacity", capacity)
        scale = unit(attr(element, "capacityAllocationUnits") or "byte")
        uri = attr(element, "format")
        known = next((name for word, name in URI_FORMATS if uri and word in uri.lower()), uri)
        if attr(element, "volume-format"):
            known = {"RAW": "raw", "COW": "qcow2"}.get(attr(element, "volume-format"), known)
        if uri and "examplecompany" in uri:
            known = uri
        return {
            "id": attr(element, "diskId"),
            "file": file["href"] if file else None,
            "file_ref": file["id"] if file else None,
            "format": known,
            "capacity_bytes": None if size is None or scale is None else size * scale,
            "parent": attr(element, "parentRef") or None,
            "interface": attr(element, "disk-interface"),
        }

    def check_sections(self, parent):
        """DSP0243 7.3: what is required and not understood fails the import."""
        for element in parent:
            name = section_name(element)
            required = attr(element, "required") != "false"
            foreign = space(element.tag) != self.ovf and name not in KNOWN_SECTIONS
            unknown = foreign or (name not in KNOWN_SECTIONS and name.lower().endswith("section"))
            if self.dialect == "ovirt":
                unknown = False
            if unknown and required:
                self.problem(self.lines[element], name, "a required section that nobody here knows")
            elif unknown and name.endswith("Section"):
                self.warn_lines.append(self.lines[element])
            if name in ("VirtualSystem", "VirtualSystemCollection"):
                self.check_sections(element)
            elif name.endswith("Section"):
                for part in element:
                    if local(part.tag).endswith("Section") and attr(part, "required") != "false":
                        self.problem(self.lines[part], local(part.tag), "a required part of a section that nobody here knows")

    # -- a machine --------------------------------------------------------------------------------------------------------

    def system(self, element):
        self.firmware, self.secure = None, False
        hardware = child(element, "VirtualHardwareSection")
        items = [e for e in hardware if local(e.tag) in ("Item", "StorageItem", "EthernetPortItem")]
        items = self.chosen([Item(e, self.lines[e]) for e in items])
        self.read_vendor(element)
        products = list(children(element, "ProductSection"))
        controllers = {i.id: i for i in items if i.type in CONTROLLERS}
        drives = self.in_order([i for i in items if i.type in DISK_TYPES], controllers)
        cdroms = self.in_order([i for i in items if i.type in CDROM_TYPES], controllers)
        firmware = "efi-secure" if self.firmware == "efi" and self.secure else self.firmware
        return {
            "id": attr(element, "id"),
            "name": self.message(child(element, "Name")),
            **self.os(child(element, "OperatingSystemSection")),
            "cpus": self.cpus(items),
            "memory_bytes": self.memory(items),
            "firmware": firmware,
            "disks": [self.drive(i, controllers) for i in drives],
            "nics": [
                {"name": i.name(), "network": i.get("Connection"), "model": i.get("ResourceSubType")}
                for i in items
                if i.type == "10"
            ],
            "cdroms": [self.cdrom(i, controllers) for i in cdroms],
            "serials": sum(i.type == "21" for i in items),
            "properties": [p for product in products for p in self.read_properties(product)],
            "eulas": len(list(children(element, "EulaSection"))),
        }

    def chosen(self, items):
        """DSP0243 8.4, 9.8: the normal values of the default configuration; a later item takes an earlier one's place."""
        kept = {}
        for item in items:
            if item.bound not in (None, "normal"):
                continue
            if item.configurations and self.default not in item.configurations:
                continue
            kept[item.id] = item
        return list(kept.values())

    def read_vendor(self, element):
        for part in element.iter():
            if local(part.tag) == "Config" and attr(part, "key") == "firmware":
                self.firmware = attr(part, "value")
            if local(part.tag) == "Config" and attr(part, "key") == "bootOptions.efiSecureBootEnabled":
                self.secure = attr(part, "value") == "true"

    def os(self, section):
        if section is None:
            return {"os": None, "os_id": None, "os_family": None}
        number = attr(section, "id") or ""
        number = int(number) if number.isdigit() else None
        words = self.message(child(section, "Description"))
        vendor = attr(section, "osType") or text(section, "OSType") or ""
        known = {"os_id": number, "os_family": family(number, f"{vendor} {words or ''}".lower())}
        # Without words of the descriptor, what to call it is Ovum's choice.
        return known if words is None else {"os": words, **known}

    def cpus(self, items):
        counts = [i for i in items if i.type == "3"]
        if not counts:
            return None
        sockets = counts[0].get("num_of_sockets")
        if sockets:
            return int(sockets) * int(counts[0].get("cpu_per_socket") or 1)
        return sum(self.quantity(i) or 0 for i in counts)

    def memory(self, items):
        sizes = [i for i in items if i.type == "4"]
        if not sizes:
            return None
        return sum((self.quantity(i) or 0) * (unit(i.get("AllocationUnits")) or 1 << 20) for i in sizes)

    def quantity(self, item):
        value = item.get("VirtualQuantity")
        if value is None or not value.isdigit():
            self.problem(item.line, "Item VirtualQuantity", f"{value!r} is not a number")
            return None
        return int(value)

    def in_order(self, drives, controllers):
        def key(numbered):
            place, item = numbered
            parent = controllers.get(item.get("Parent"))
            rank = ORDER.index(self.kind(item, controllers) or "other")
            first = int(parent.get("Address") or 0) if parent else 0
            return rank, first, int(item.get("AddressOnParent") or 0), place

        return [item for _, item in sorted(enumerate(drives), key=key)]

    def kind(self, item, controllers):
        disk = self.referred(item)
        if disk and disk["interface"]:
            return {"VirtIO": "virtio", "VirtIO_SCSI": "scsi", "IDE": "ide", "SATA": "sata"}.get(disk["interface"], "other")
        parent = controllers.get(item.get("Parent"))
        if parent is None:
            return None
        if "nvme" in (parent.get("ResourceSubType") or "").lower():
            return "nvme"
        return CONTROLLERS[parent.type]

    def referred(self, item):
        host = item.get("HostResource")
        if host is None:
            return None
        reference = host.rsplit("/disk/", 1)[-1]
        return next((d for d in self.disks if reference in (d["id"], d["file"])), None)

    def drive(self, item, controllers):
        disk = self.referred(item)
        kind = self.kind(item, controllers)
        if disk is not None:
            shown = {name: value for name, value in disk.items() if name != "interface"}
            return {**shown, "controller": kind}
        size = int(item.get("VirtualQuantity") or 0) * (unit(item.get("AllocationUnits")) or 1)
        return {"file": None, "format": None, "capacity_bytes": size, "controller": kind, "parent": None}

    def cdrom(self, item, controllers):
        host = item.get("HostResource")
        file = next((f["href"] for f in self.files if host and host.endswith("/file/" + f["id"])), None)
        return {"file": file, "controller": self.kind(item, controllers)}

    def read_properties(self, product):
        prefix, suffix = attr(product, "class"), attr(product, "instance")
        for element in children(product, "Property"):
            only_in = (attr(element, "configuration") or "").split()
            if only_in and self.default not in only_in:
                continue
            key = attr(element, "key")
            if "." in key or ":" in key:
                self.warn_lines.append(self.lines[element])
            value = attr(element, "value")
            for other in children(element, "Value"):
                if attr(other, "configuration") == self.default:
                    value = attr(other, "value")
            configurable = attr(element, "userConfigurable") == "true"
            yield {
                "key": ".".join(part for part in (prefix, key, suffix) if part),
                "type": attr(element, "type"),
                "value": value,
                "user_configurable": configurable,
                "required": configurable and not may_be_empty(element),
            }


def family(number, words):
    """CIM_OperatingSystem.OsType, as far as the descriptors here have it; else the words."""
    if number in (58, 103, 105) or "windows" in words:
        return "other"
    linux = number in (36, 79, 93, 94, 100, 101, 106, 107)
    return "linux" if linux or re.search("linux|ubuntu|debian", words) else None


def may_be_empty(element):
    """Whether no text at all is a value that the property's type and qualifiers allow."""
    if (attr(element, "type") or "string").lower() != "string":
        return False
    qualifiers = attr(element, "qualifiers") or ""
    least = re.search(r"MinLen\((\d+)\)", qualifiers)
    return not (least and int(least.group(1)) > 0) and "ValueMap{" not in qualifiers


class Item:
    def __init__(self, element, line):
        self.element, self.line = element, line
        self.id = self.get("InstanceID", "InstanceId")
        self.type = self.get("ResourceType")
        if self.get("Type") == "video":
            self.type = "24"
        self.bound = attr(element, "bound")
        self.configurations = (attr(element, "configuration") or "").split()

    def get(self, *names):
        return text(self.element, *names)

    def name(self):
        return self.get("ElementName", "Caption")


def judge(path):
    descriptor = None
    try:
        descriptor = Descriptor.__new__(Descriptor)
        descriptor.__init__(path)
        shown = descriptor.read()
    except Refused:
        first, *others = descriptor.problems
        return {"outcome": "refused", **first, "or": others}
    return {"outcome": "accepted", "warn_lines": descriptor.warn_lines, "inspect": shown}


def differences(place, expected, got):
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in sorted(expected.keys() | got.keys()):
            yield from differences(f"{place}/{key}", expected.get(key), got.get(key))
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, pair in enumerate(zip(expected, got)):
            yield from differences(f"{place}/{index}", *pair)
    elif expected != got:
        yield f"{place}: expected {json.dumps(expected)}, independent {json.dumps(got)}"


def main():
    folder = Path(sys.argv[1])
    judged = {path.name: judge(path) for path in sorted(folder.glob("*.ovf"))}
    if len(sys.argv) < 3:
        json.dump(judged, sys.stdout, indent=1, ensure_ascii=False)
        print()
        return
    expected = json.loads(Path(sys.argv[2]).read_text())
    count = 0
    for name in sorted(expected.keys() | judged.keys()):
        written = {k: v for k, v in expected.get(name, {}).items() if k not in ("note", "either", "vague", "or_outcome")}
        for line in differences(name, written, judged.get(name, {})):
            print(line)
            count += 1
    print(f"{count} differences")


if __name__ == "__main__":
    main()
