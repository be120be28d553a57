//! Six components that are small to send and dear to compile, each a whole agent with one more core module inside, so
//! that nothing but their structure speaks against them.
//!
//! Measured without limits: 50,000 empty functions took the compiler 3.2 s and 307 MB, two million blocks inside each
//! other 6 s and 1.7 GB, a function of 116 KiB with 6,000 locals and blocks 1.15 GB, and one of 240 KiB ended the process.

/// A component to be refused.
#[derive(Clone, Debug)]
pub struct Bomb {
    /// What it is made of.
    pub name: &'static str,
    /// The component.
    pub bytes: Vec<u8>,
}

/// A bomb's name and the making of its core module.
pub type Maker = (&'static str, fn() -> Vec<u8>);

/// How to make each of the six; one at a time, because one has 256 MiB.
pub const MAKERS: [Maker; 6] = [
    ("custom section of 256 MiB", || custom(256 << 20)),
    ("50,000 empty functions", || functions(50_000)),
    ("1,000,000 nested blocks", || nested(1_000_000)),
    ("2,000,000 nested blocks", || nested(2_000_000)),
    ("6,000 locals in 6,000 blocks", || locals_in_blocks(6_000)),
    ("12,000 locals in 12,000 blocks", || locals_in_blocks(12_000)),
];

/// The bomb at a place of [`MAKERS`], inside a good component.
pub fn make(index: usize, good: &[u8]) -> Option<Bomb> {
    let (name, module) = MAKERS.get(index)?;
    let module = module();
    // Section 1 of a component is a core module; sections may follow each other in any order.
    Some(Bomb { name, bytes: [good, &section(1, &module)].concat() })
}

const MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
/// `(type (func))`.
const TYPES: [u8; 6] = [1, 4, 1, 0x60, 0, 0];
const I32: u8 = 0x7f;
const BLOCK_EMPTY: [u8; 2] = [0x02, 0x40];
const END: u8 = 0x0b;

fn custom(bytes: usize) -> Vec<u8> {
    let mut content = name("filler");
    content.resize(content.len() + bytes, 0);
    [&MODULE[..], &section(0, &content)].concat()
}

fn functions(count: u32) -> Vec<u8> {
    module(count, &vec![vec![0, END]; count as usize])
}

fn nested(depth: usize) -> Vec<u8> {
    let mut body = vec![0];
    body.extend(BLOCK_EMPTY.repeat(depth));
    body.extend(vec![END; depth + 1]);
    module(1, &[body])
}

/// Each block may be left early and sets one local: the compiler keeps a value of each local for each block.
fn locals_in_blocks(count: u32) -> Vec<u8> {
    let mut body = [&[1][..], &leb(count), &[I32]].concat();
    for local in 0..count {
        let index = leb(local);
        body.extend(BLOCK_EMPTY);
        body.extend([&[0x20][..], &index, &[0x0d, 0x00, 0x41, 0x01, 0x21], &index, &[END]].concat());
    }
    body.push(END);
    module(1, &[body])
}

fn module(functions: u32, bodies: &[Vec<u8>]) -> Vec<u8> {
    let declared = [leb(functions), vec![0; functions as usize]].concat();
    let mut code = leb(u32::try_from(bodies.len()).unwrap_or(u32::MAX));
    for body in bodies {
        code.extend(sized(body));
    }
    [&MODULE[..], &TYPES, &section(3, &declared), &section(10, &code)].concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &sized(content)].concat()
}

fn sized(content: &[u8]) -> Vec<u8> {
    [&leb(u32::try_from(content.len()).unwrap_or(u32::MAX))[..], content].concat()
}

fn name(text: &str) -> Vec<u8> {
    sized(text.as_bytes())
}

/// An unsigned number in LEB128.
fn leb(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_seven_bits_at_a_time() {
        assert_eq!((leb(0), leb(127), leb(128), leb(300)), (vec![0], vec![127], vec![128, 1], vec![172, 2]));
    }

    #[test]
    fn a_bomb_is_the_good_component_and_one_more_core_module() {
        let bomb = make(4, b"good").unwrap();
        assert_eq!(&bomb.bytes[..5], b"good\x01");
        assert!(bomb.bytes.windows(8).any(|window| window == MODULE));
        assert!((50_000..150_000).contains(&bomb.bytes.len()), "{}", bomb.bytes.len());
    }
}
