//! Kernels made by hand, for tests: just enough of a file to be started, and every field open to be spoilt.

/// One segment of a [`TestElf`].
#[derive(Debug, Clone)]
pub struct TestSegment {
    /// Guest physical address of its first byte.
    pub address: u64,
    /// What the file holds of it.
    pub bytes: Vec<u8>,
    /// Its length in memory, in bytes; zero stands for that of `bytes`.
    pub memory_size: u64,
}

/// A 64-bit little-endian ELF executable such as `vmlinux`.
///
/// The file is a header (64 bytes), a program header (56 bytes) for each segment and one for the notes, then the notes and
/// the segments' bytes without gaps.
#[derive(Debug, Clone)]
pub struct TestElf {
    /// `e_entry`.
    pub entry: u64,
    /// What to load.
    pub segments: Vec<TestSegment>,
    /// The address in a XEN_ELFNOTE_PHYS32_ENTRY note; no note segment without one.
    pub pvh: Option<u32>,
}

impl TestElf {
    /// One segment that is entered at its first byte.
    #[must_use]
    pub fn flat(address: u64, bytes: Vec<u8>) -> Self {
        Self { entry: address, segments: vec![TestSegment { address, bytes, memory_size: 0 }], pvh: None }
    }

    /// The file.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let note = self.pvh.map(pvh_note);
        let headers = self.segments.len() + usize::from(note.is_some());
        let mut file = Vec::new();
        file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"); // class 64, little-endian, version 1
        file.extend(2u16.to_le_bytes()); // e_type ET_EXEC
        file.extend(62u16.to_le_bytes()); // e_machine EM_X86_64
        file.extend(1u32.to_le_bytes()); // e_version
        file.extend(self.entry.to_le_bytes());
        file.extend(64u64.to_le_bytes()); // e_phoff
        file.extend([0; 12]); // e_shoff, e_flags
        file.extend(64u16.to_le_bytes()); // e_ehsize
        file.extend(56u16.to_le_bytes()); // e_phentsize
        file.extend(u16::try_from(headers).unwrap_or(u16::MAX).to_le_bytes()); // e_phnum
        file.extend([0; 6]); // e_shentsize, e_shnum, e_shstrndx

        let mut offset = 64 + 56 * headers as u64;
        let mut contents: Vec<u8> = Vec::new();
        if let Some(note) = &note {
            file.extend(program_header(4, offset, 0, note.len() as u64, note.len() as u64));
            offset += note.len() as u64;
            contents.extend(note);
        }
        for TestSegment { address, bytes, memory_size } in &self.segments {
            let size = bytes.len() as u64;
            file.extend(program_header(1, offset, *address, size, if *memory_size == 0 { size } else { *memory_size }));
            offset += size;
            contents.extend(bytes);
        }
        file.extend(contents);
        file
    }
}

/// An Elf64_Phdr of kind `p_type`.
fn program_header(p_type: u32, offset: u64, address: u64, file_size: u64, memory_size: u64) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(p_type.to_le_bytes());
    header.extend(7u32.to_le_bytes()); // p_flags: read, write, execute
    for field in [offset, address, address, file_size, memory_size, 4] {
        header.extend(field.to_le_bytes());
    }
    header
}

/// A note of another kind, and then the one that tells the PVH entry.
fn pvh_note(entry: u32) -> Vec<u8> {
    let mut notes = Vec::new();
    for (name, kind, description) in [(&b"GNU\0"[..], 3u32, &[0xab; 20][..]), (b"Xen\0", 18, &entry.to_le_bytes())] {
        for size in [name.len(), description.len()] {
            notes.extend(u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes());
        }
        notes.extend(kind.to_le_bytes());
        notes.extend(name);
        notes.extend(description);
    }
    notes
}

/// A bzImage of protocol 2.15 with one setup sector. The fields bear the names of Documentation/arch/x86/boot.rst.
#[derive(Debug, Clone)]
pub struct TestBzImage {
    /// The protected-mode code; its 64-bit entry is at 0x200.
    pub code: Vec<u8>,
    /// Whether it may be loaded elsewhere than at 1 MiB.
    pub relocatable: bool,
    /// Where it runs best.
    pub pref_address: u64,
    /// Memory that it needs there, in bytes.
    pub init_size: u32,
    /// What the load address must be a multiple of.
    pub kernel_alignment: u32,
    /// The text that `kernel_version` points to.
    pub version: String,
    /// What is packed behind the code; without it, the first half of the code is called the payload.
    pub payload: Vec<u8>,
}

impl Default for TestBzImage {
    fn default() -> Self {
        Self {
            code: (0..0x1000u32).map(|number| number.to_le_bytes()[0]).collect(),
            relocatable: true,
            pref_address: 0x20_0000,
            init_size: 0x1_8000,
            kernel_alignment: 0x1000,
            version: "6.6.6-test (someone@somewhere)".to_owned(),
            payload: Vec::new(),
        }
    }
}

impl TestBzImage {
    /// The file: the boot sector, one setup sector with the version text, then the code.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let code_size = u32::try_from(self.code.len()).unwrap_or(u32::MAX);
        let (payload_offset, payload_length) = match u32::try_from(self.payload.len()) {
            Ok(0) | Err(_) => (16, code_size / 2),
            Ok(length) => (code_size, length),
        };
        let mut file = vec![0; 1024];
        let version = format!("{}\0", self.version);
        let fields: &[(usize, &[u8])] = &[
            (0x000, b"MZ"),
            (0x1f1, &[1]), // setup_sects
            (0x1f4, &(code_size / 16).to_le_bytes()),
            (0x1fe, &[0x55, 0xaa]),
            (0x200, &[0xeb, 0x6a]), // the jump over the header, which ends at 0x26c
            (0x202, b"HdrS"),
            (0x206, &0x020fu16.to_le_bytes()),
            (0x20e, &0x80u16.to_le_bytes()), // kernel_version: the text is at 0x280
            (0x211, &[1]),                   // loadflags: LOADED_HIGH
            (0x214, &0x10_0000u32.to_le_bytes()),
            (0x22c, &0x7fff_ffffu32.to_le_bytes()), // initrd_addr_max
            (0x230, &self.kernel_alignment.to_le_bytes()),
            (0x234, &[u8::from(self.relocatable)]),
            (0x236, &1u16.to_le_bytes()), // xloadflags: XLF_KERNEL_64
            (0x238, &2047u32.to_le_bytes()),
            (0x248, &payload_offset.to_le_bytes()),
            (0x24c, &payload_length.to_le_bytes()),
            (0x258, &self.pref_address.to_le_bytes()),
            (0x260, &self.init_size.to_le_bytes()),
            (0x280, version.as_bytes()),
        ];
        for (offset, bytes) in fields {
            put(&mut file, *offset, bytes);
        }
        file.extend(&self.code);
        file.extend(&self.payload);
        file
    }
}

/// Overwrites bytes of a file at `offset`; those that would go beyond its end are left out.
pub fn put(file: &mut [u8], offset: usize, bytes: &[u8]) {
    let room = file.get_mut(offset..).unwrap_or_default();
    room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
}
