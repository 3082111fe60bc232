//! Runs the programs of the BSD packet filter, which libpcap compiles filters to.
//!
//! The interpreter is our own because the one that the pcap crate offers takes a packet's captured length
//! for its length on the wire, so that `len` and `greater` go wrong on what the snap length cut. Follows
//! bpf(4): a load from beyond the captured bytes and a division by zero reject the packet. Jumps only
//! lead forward, so that every program ends.

/// A filter program.
#[derive(Clone, Debug)]
pub(super) struct Program(Vec<Instruction>);

#[derive(Clone, Copy, Debug)]
enum Instruction {
    Load(Size, Source),
    LoadX(Source),
    /// X = four times the lower half of a byte: the length of an IPv4 header.
    LoadHeaderLength(u32),
    Store(u32),
    StoreX(u32),
    Alu(Alu, Operand),
    Negate,
    Jump(u32),
    Branch {
        test: Test,
        operand: Operand,
        then: u8,
        otherwise: u8,
    },
    Return(u32),
    ReturnA,
    CopyToX,
    CopyFromX,
}

#[derive(Clone, Copy, Debug)]
enum Size {
    Word,
    Half,
    Byte,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Constant(u32),
    Packet(u32),
    PacketPlusX(u32),
    Memory(u32),
    Length,
}

#[derive(Clone, Copy, Debug)]
enum Alu {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Or,
    And,
    Xor,
    ShiftLeft,
    ShiftRight,
}

#[derive(Clone, Copy, Debug)]
enum Test {
    Equal,
    Greater,
    GreaterOrEqual,
    AnyBit,
}

#[derive(Clone, Copy, Debug)]
enum Operand {
    Constant(u32),
    X,
}

impl Program {
    /// A program of instructions as `tcpdump -ddd` prints them (`code jt jf k`), or `None` where one of
    /// them is not known.
    pub(super) fn parse(instructions: impl Iterator<Item = String>) -> Option<Program> {
        instructions.map(|text| Instruction::parse(&text)).collect::<Option<_>>().map(Program)
    }

    /// Whether the packet of `wire_len` bytes, of which `data` was captured, passes; `None` where it does not because
    /// the program runs into something that rejects it, as a load from beyond the captured bytes does.
    #[inline]
    pub(super) fn accepts(&self, data: &[u8], wire_len: u32) -> Option<bool> {
        self.run(data, wire_len).map(|result| result != 0)
    }

    /// What the program returns; `None` where it runs into something that rejects the packet.
    fn run(&self, data: &[u8], wire_len: u32) -> Option<u32> {
        let (mut a, mut x) = (0, 0);
        let mut memory = [0; 16];
        let mut next: usize = 0;
        loop {
            let instruction = self.0.get(next)?;
            next += 1;
            match *instruction {
                Instruction::Load(size, source) => {
                    a = source.value(size, data, wire_len, x, &memory)?;
                }
                Instruction::LoadX(source) => {
                    x = source.value(Size::Word, data, wire_len, x, &memory)?;
                }
                Instruction::LoadHeaderLength(at) => x = load(data, at, Size::Byte)? % 16 * 4,
                Instruction::Store(at) => *memory.get_mut(at as usize)? = a,
                Instruction::StoreX(at) => *memory.get_mut(at as usize)? = x,
                Instruction::Alu(operation, operand) => a = operation.of(a, operand.value(x))?,
                Instruction::Negate => a = a.wrapping_neg(),
                Instruction::Jump(distance) => next = next.checked_add(distance as usize)?,
                Instruction::Branch { test, operand, then, otherwise } => {
                    let distance = if test.of(a, operand.value(x)) { then } else { otherwise };
                    next = next.checked_add(distance.into())?;
                }
                Instruction::Return(result) => return Some(result),
                Instruction::ReturnA => return Some(a),
                Instruction::CopyToX => x = a,
                Instruction::CopyFromX => a = x,
            }
        }
    }
}

impl Instruction {
    fn parse(text: &str) -> Option<Instruction> {
        let mut fields = text.split(' ').map(str::parse::<u32>);
        let mut field = || fields.next()?.ok();
        let (code, then, otherwise, k) = (field()?, field()?, field()?, field()?);
        let operand = if code & 0x08 == 0 { Operand::Constant(k) } else { Operand::X };
        let branch = |test| {
            let (then, otherwise) = (u8::try_from(then).ok()?, u8::try_from(otherwise).ok()?);
            Some(Instruction::Branch { test, operand, then, otherwise })
        };
        // Class, then mode, operation or test, then size or operand (libpcap pcap/bpf.h).
        match code {
            0x20 => Some(Instruction::Load(Size::Word, Source::Packet(k))),
            0x28 => Some(Instruction::Load(Size::Half, Source::Packet(k))),
            0x30 => Some(Instruction::Load(Size::Byte, Source::Packet(k))),
            0x40 => Some(Instruction::Load(Size::Word, Source::PacketPlusX(k))),
            0x48 => Some(Instruction::Load(Size::Half, Source::PacketPlusX(k))),
            0x50 => Some(Instruction::Load(Size::Byte, Source::PacketPlusX(k))),
            0x00 => Some(Instruction::Load(Size::Word, Source::Constant(k))),
            0x60 => Some(Instruction::Load(Size::Word, Source::Memory(k))),
            0x80 => Some(Instruction::Load(Size::Word, Source::Length)),
            0x01 => Some(Instruction::LoadX(Source::Constant(k))),
            0x61 => Some(Instruction::LoadX(Source::Memory(k))),
            0x81 => Some(Instruction::LoadX(Source::Length)),
            0xb1 => Some(Instruction::LoadHeaderLength(k)),
            0x02 => Some(Instruction::Store(k)),
            0x03 => Some(Instruction::StoreX(k)),
            0x84 => Some(Instruction::Negate),
            0x04 | 0x0c => Some(Instruction::Alu(Alu::Add, operand)),
            0x14 | 0x1c => Some(Instruction::Alu(Alu::Subtract, operand)),
            0x24 | 0x2c => Some(Instruction::Alu(Alu::Multiply, operand)),
            0x34 | 0x3c => Some(Instruction::Alu(Alu::Divide, operand)),
            0x44 | 0x4c => Some(Instruction::Alu(Alu::Or, operand)),
            0x54 | 0x5c => Some(Instruction::Alu(Alu::And, operand)),
            0x64 | 0x6c => Some(Instruction::Alu(Alu::ShiftLeft, operand)),
            0x74 | 0x7c => Some(Instruction::Alu(Alu::ShiftRight, operand)),
            0x94 | 0x9c => Some(Instruction::Alu(Alu::Remainder, operand)),
            0xa4 | 0xac => Some(Instruction::Alu(Alu::Xor, operand)),
            0x05 => Some(Instruction::Jump(k)),
            0x15 | 0x1d => branch(Test::Equal),
            0x25 | 0x2d => branch(Test::Greater),
            0x35 | 0x3d => branch(Test::GreaterOrEqual),
            0x45 | 0x4d => branch(Test::AnyBit),
            0x06 => Some(Instruction::Return(k)),
            0x16 => Some(Instruction::ReturnA),
            0x07 => Some(Instruction::CopyToX),
            0x87 => Some(Instruction::CopyFromX),
            _ => None,
        }
    }
}

impl Source {
    #[inline]
    fn value(
        self,
        size: Size,
        data: &[u8],
        wire_len: u32,
        x: u32,
        memory: &[u32; 16],
    ) -> Option<u32> {
        match self {
            Source::Constant(value) => Some(value),
            Source::Packet(at) => load(data, at, size),
            Source::PacketPlusX(at) => load(data, at.checked_add(x)?, size),
            Source::Memory(at) => memory.get(at as usize).copied(),
            Source::Length => Some(wire_len),
        }
    }
}

#[inline]
fn load(data: &[u8], at: u32, size: Size) -> Option<u32> {
    let bytes = data.get(at as usize..)?;
    match size {
        Size::Word => bytes.first_chunk().copied().map(u32::from_be_bytes),
        Size::Half => bytes.first_chunk().copied().map(u16::from_be_bytes).map(u32::from),
        Size::Byte => bytes.first().copied().map(u32::from),
    }
}

impl Alu {
    fn of(self, a: u32, b: u32) -> Option<u32> {
        match self {
            Alu::Add => Some(a.wrapping_add(b)),
            Alu::Subtract => Some(a.wrapping_sub(b)),
            Alu::Multiply => Some(a.wrapping_mul(b)),
            Alu::Divide => a.checked_div(b),
            Alu::Remainder => a.checked_rem(b),
            Alu::Or => Some(a | b),
            Alu::And => Some(a & b),
            Alu::Xor => Some(a ^ b),
            Alu::ShiftLeft => Some(a.checked_shl(b).unwrap_or(0)),
            Alu::ShiftRight => Some(a.checked_shr(b).unwrap_or(0)),
        }
    }
}

impl Test {
    #[inline]
    fn of(self, a: u32, b: u32) -> bool {
        match self {
            Test::Equal => a == b,
            Test::Greater => a > b,
            Test::GreaterOrEqual => a >= b,
            Test::AnyBit => a & b != 0,
        }
    }
}

impl Operand {
    #[inline]
    fn value(self, x: u32) -> u32 {
        match self {
            Operand::Constant(value) => value,
            Operand::X => x,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn returns(program: &[&str], data: &[u8], wire_len: u32) -> Option<u32> {
        Program::parse(program.iter().map(ToString::to_string)).unwrap().run(data, wire_len)
    }

    #[test]
    fn the_length_is_that_on_the_wire_not_what_was_captured() {
        assert_eq!(returns(&["128 0 0 0", "22 0 0 0"], &[1, 2], 1500), Some(1500));
    }

    #[test]
    fn a_load_from_beyond_the_captured_bytes_rejects() {
        let word = |at: u32| returns(&[&format!("32 0 0 {at}"), "22 0 0 0"], &[0, 1, 2, 3, 4], 60);
        assert_eq!(word(1), Some(0x0102_0304));
        assert_eq!(word(2), None);
        assert_eq!(word(u32::MAX), None);
        let with_x = ["1 0 0 4294967295", "80 0 0 2", "6 0 0 1"];
        assert_eq!(returns(&with_x, &[0; 60], 60), None);
    }

    #[test]
    fn arithmetic_wraps_and_division_by_zero_rejects() {
        let alu = |a: u32, code: u32, k: u32| {
            let load = format!("0 0 0 {a}");
            returns(&[&load, &format!("{code} 0 0 {k}"), "22 0 0 0"], &[], 0)
        };
        assert_eq!(alu(u32::MAX, 0x04, 2), Some(1));
        assert_eq!(alu(1, 0x14, 2), Some(u32::MAX));
        assert_eq!(alu(7, 0x34, 2), Some(3));
        assert_eq!(alu(7, 0x94, 4), Some(3));
        assert_eq!(alu(7, 0x34, 0), None);
        assert_eq!(alu(7, 0x94, 0), None);
        assert_eq!(alu(7, 0x64, 33), Some(0));
        assert_eq!(alu(7, 0x74, 1), Some(3));
        assert_eq!(alu(1, 0x84, 0), Some(u32::MAX));
    }

    #[test]
    fn memory_registers_and_branches() {
        let header_length =
            ["177 0 0 0", "3 0 0 15", "96 0 0 15", "21 0 1 20", "6 0 0 9", "6 0 0 8"];
        assert_eq!(returns(&header_length, &[0x45], 60), Some(9));
        assert_eq!(returns(&header_length, &[0x46], 60), Some(8));
    }

    #[test]
    fn a_program_that_runs_off_its_end_rejects() {
        assert_eq!(returns(&[], &[], 0), None);
        assert_eq!(returns(&["5 0 0 4294967295"], &[], 0), None);
        assert_eq!(returns(&["2 0 0 16", "6 0 0 1"], &[], 0), None);
    }

    #[test]
    fn an_instruction_that_is_not_known_makes_no_program() {
        for text in ["255 0 0 0", "6 0 0", "6 0 0 -1", "21 256 0 0", ""] {
            assert!(Program::parse([text.to_owned()].into_iter()).is_none(), "{text}");
        }
    }
}
