//! Keys as NATS writes them: base32 of a kind, 32 bytes and a checksum; and files of credentials with such a key.
//! Knows texts and the signature; reads no file.

use ring::signature::{Ed25519KeyPair, KeyPair};

/// The alphabet (RFC 4648, section 6), without padding.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The kinds of keys: five bits each, the letter in base32. A seed has two: that of seeds, and that of its key.
const SEED: u8 = b'S' - b'A';
const USER: u8 = b'U' - b'A';

/// A user's pair of keys.
pub(super) struct UserKey {
    pair: Ed25519KeyPair,
    /// `U…`.
    pub(super) public: String,
}

impl UserKey {
    /// Reads a seed, which begins with `SU`.
    ///
    /// # Errors
    /// What is wrong with it; nothing of it is shown.
    pub(super) fn of_seed(text: &str) -> Result<UserKey, &'static str> {
        let bytes = decode(text)
            .ok_or("this is not the seed of an nkey: one has 58 capital letters and digits 2 to 7")?;
        let (body, sum) = bytes.split_last_chunk::<2>().ok_or("the seed is too short")?;
        if crc16(body) != u16::from_le_bytes(*sum) {
            return Err("the seed's checksum is wrong: a character was lost or changed");
        }
        let [first, second, seed @ ..] = body else { return Err("the seed is too short") };
        if first >> 3 != SEED {
            return Err("this is another key, not a seed: a seed begins with SU");
        }
        if (first & 7) << 5 | second >> 3 != USER << 3 {
            return Err("this is the seed of an account or operator; a user's begins with SU");
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| "the seed must have 32 bytes")?;
        let mut public = vec![USER << 3];
        public.extend_from_slice(pair.public_key().as_ref());
        public.extend_from_slice(&crc16(&public).to_le_bytes());
        Ok(UserKey { public: encode(&public), pair })
    }

    /// The signature of a text.
    pub(super) fn sign(&self, text: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        // Ed25519 has no other length.
        signature.copy_from_slice(self.pair.sign(text).as_ref());
        signature
    }
}

/// The parts of a `.creds` file: a user's JWT, and the seed of its key. `None`: it is no such file.
pub(super) fn parts_of_creds(text: &str) -> Option<(&str, &str)> {
    Some((armoured(text, "NATS USER JWT")?, armoured(text, "USER NKEY SEED")?))
}

/// The line between `-----BEGIN …-----` and `------END …------`: the numbers of hyphens vary.
fn armoured<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| line.trim_matches('-').trim() == format!("BEGIN {name}"))?;
    let inner = lines.find(|line| !line.is_empty())?;
    lines
        .find(|line| !line.is_empty())
        .filter(|line| line.trim_matches('-').trim() == format!("END {name}"))?;
    Some(inner)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes() {
        let value = ALPHABET.iter().position(|letter| *letter == byte)? as u32;
        (bits, count) = (bits << 5 | value, count + 5);
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(bytes)
}

fn encode(bytes: &[u8]) -> String {
    let (mut text, mut bits, mut count) = (String::new(), 0_u32, 0);
    for byte in bytes {
        (bits, count) = (bits << 8 | u32::from(*byte), count + 8);
        while count >= 5 {
            count -= 5;
            text.push(char::from(ALPHABET[(bits >> count & 31) as usize]));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        text.push(char::from(ALPHABET[(bits << (5 - count) & 31) as usize]));
    }
    text
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc: u16, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seed of the given kind and bytes.
    fn seed(kind: u8, bytes: [u8; 32]) -> String {
        let mut body = vec![SEED << 3 | kind >> 5, (kind & 31) << 3];
        body.extend_from_slice(&bytes);
        body.extend_from_slice(&crc16(&body).to_le_bytes());
        encode(&body)
    }

    #[test]
    fn seed_gives_the_key_and_signature_of_rfc_8032() {
        // Section 7.1, the first test: the secret key, the public key, and the signature of an empty message.
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
        };
        let secret = hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let public = hex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        let text = seed(USER << 3, secret.try_into().unwrap());
        assert!(text.starts_with("SU") && text.len() == 58, "{text}");
        let key = UserKey::of_seed(&text).ok().unwrap();
        assert!(key.public.starts_with('U') && key.public.len() == 56);
        assert_eq!(decode(&key.public).unwrap()[1..33], public);
        let signature = hex(
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        );
        assert_eq!(key.sign(b"").to_vec(), signature);
    }

    #[test]
    fn wrong_seed_is_refused_and_not_shown() {
        let good = seed(USER << 3, [7; 32]);
        let mut changed = good.clone();
        changed.replace_range(20..21, if &good[20..21] == "A" { "B" } else { "A" });
        for (text, reason) in [
            (changed.as_str(), "checksum"),
            (&good.to_lowercase(), "not the seed of an nkey"),
            (&good[..40], "checksum"),
            ("", "too short"),
            ("SU", "too short"),
            (&seed(0, [7; 32]), "account or operator"),
            (&UserKey::of_seed(&good).ok().unwrap().public, "another key"),
        ] {
            let told = UserKey::of_seed(text).err().unwrap();
            assert!(told.contains(reason), "{text}: {told}");
        }
    }

    #[test]
    fn creds_file_is_a_token_and_a_seed() {
        let text = "-----BEGIN NATS USER JWT-----\neyJ0.e30.sig\n------END NATS USER JWT------\n\n************************* IMPORTANT *************************\nNKEY Seed printed below can be used to sign and prove identity.\n\n-----BEGIN USER NKEY SEED-----\nSUAB\n------END USER NKEY SEED------\n\n*************************************************************\n";
        assert_eq!(parts_of_creds(text), Some(("eyJ0.e30.sig", "SUAB")));
        assert_eq!(parts_of_creds(&text.replace('\n', "\r\n")), Some(("eyJ0.e30.sig", "SUAB")));
        for wrong in ["", "token = \"x\"", &text[..100], &text.replace("END USER NKEY", "END X")] {
            assert_eq!(parts_of_creds(wrong), None, "{wrong}");
        }
    }
}
