//! Maps the text of a conversation-id to the 128-bit number that the server routes by.

/// FNV-1a's start value for 128 bits.
const FNV_START: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
/// FNV-1a's prime for 128 bits.
const FNV_PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// The number of a conversation-id: a UUID's own, or a stable hash for any other text.
///
/// A UUID is 32 hexadecimal digits, or the 8-4-4-4-12 form of RFC 9562. Other texts, and the nil UUID (whose number
/// means absent), are hashed by FNV-1a and get the bits of a version 8 UUID, so the result is never zero. The same
/// text gives the same number on every node and release. The hash names, it does not protect: whoever chooses the
/// text can find collisions.
pub fn conversation_uid(text: &str) -> u128 {
    uuid(text).filter(|number| *number != 0).unwrap_or_else(|| version_8(fnv_1a(text.as_bytes())))
}

fn uuid(text: &str) -> Option<u128> {
    let grouped = text.len() == 36;
    if !grouped && text.len() != 32 {
        return None;
    }
    text.char_indices().try_fold(0, |number: u128, (index, character)| {
        if grouped && matches!(index, 8 | 13 | 18 | 23) {
            return (character == '-').then_some(number);
        }
        Some(number << 4 | u128::from(character.to_digit(16)?))
    })
}

fn fnv_1a(bytes: &[u8]) -> u128 {
    bytes.iter().fold(FNV_START, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(FNV_PRIME))
}

/// Sets version 8 and the variant of RFC 9562, sections 4.1 and 5.8.
const fn version_8(hash: u128) -> u128 {
    let cleared = hash & !(0xf << 76) & !(0x3 << 62);
    cleared | 0x8 << 76 | 0x2 << 62
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_its_own_number_in_every_form() {
        let number = 0x0199_a1b2_c3d4_7e5f_8a9b_0c1d_2e3f_4a5b;
        assert_eq!(conversation_uid("0199a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"), number);
        assert_eq!(conversation_uid("0199A1B2C3D47E5F8A9B0C1D2E3F4A5B"), number);
    }

    #[test]
    fn hashes_by_fnv_1a() {
        // The start value for no input, and the published vector for "a".
        assert_eq!(fnv_1a(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fnv_1a(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }

    #[test]
    fn other_texts_get_a_stable_version_8_number() {
        for text in
            ["", "auction-1", "0199a1b2_c3d4-7e5f-8a9b-0c1d2e3f4a5b", "00000000-0000-0000-0000-000000000000"]
        {
            let number = conversation_uid(text);
            assert_eq!((number >> 76 & 0xf, number >> 62 & 0x3), (8, 2), "{text}");
        }
        assert_eq!(conversation_uid("auction-1"), conversation_uid("auction-1"));
        assert_ne!(conversation_uid("auction-1"), conversation_uid("auction-2"));
    }
}
