//! Names that Kubernetes derives: hashes and their encoding without vowels.

use std::hash::Hasher;

/// Letters and digits that cannot form words, as in generated names.
const SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A decimal hash written as upstream's `rand.SafeEncodeString` does (`pod-template-hash`).
pub fn safe_encode(hash: u32) -> String {
    hash.to_string().bytes().map(|digit| char::from(SAFE[usize::from(digit) % SAFE.len()])).collect()
}

/// 32-bit FNV-1a.
#[derive(Debug, Clone, Copy)]
pub struct Fnv32a(u32);

impl Default for Fnv32a {
    fn default() -> Self {
        Fnv32a(0x811c_9dc5)
    }
}

impl Hasher for Fnv32a {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }
    fn finish(&self) -> u64 {
        u64::from(self.0)
    }
}

/// A hash of JSON that does not depend on the order of keys (`serde_json` keeps them sorted).
pub fn hash_of(value: &serde_json::Value) -> u32 {
    let mut hasher = Fnv32a::default();
    hasher.write(value.to_string().as_bytes());
    hasher.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv_matches_the_published_vectors() {
        let hash = |text: &str| {
            let mut hasher = Fnv32a::default();
            hasher.write(text.as_bytes());
            hasher.finish()
        };
        assert_eq!(hash(""), 0x811c_9dc5);
        assert_eq!(hash("a"), 0xe40c_292c);
        assert_eq!(hash("foobar"), 0xbf9c_f968);
    }

    #[test]
    fn encoded_hashes_hold_no_vowels() {
        let name = safe_encode(hash_of(&serde_json::json!({"a": 1})));
        assert!(name.bytes().all(|letter| SAFE.contains(&letter)), "{name}");
    }
}
