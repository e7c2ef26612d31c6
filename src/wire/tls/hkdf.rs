//! HKDF with SHA-384 (RFC 5869), for the keys of TLS 1.3 (RFC 8446, section 7.1): RustCrypto's, which keeps the state after a key,
//! so that a signature costs no more than its blocks. What is the same in all handshakes is computed once, and what nobody uses not at all.

use std::sync::LazyLock;

use hkdf::{Hkdf, HkdfExtract};
use hmac::{Hmac, KeyInit, Mac};
use rustls::crypto::hmac::Tag;
use rustls::crypto::ring;
use rustls::crypto::tls13::{self, HkdfExpander, OkmBlock, OutputLengthError};
use sha2::{Digest, Sha384};

/// Bytes of one output.
const OUTPUT: usize = 48;

const ZEROES: [u8; OUTPUT] = [0; OUTPUT];

/// What is the same in all handshakes. None of it is secret.
static COMMON: LazyLock<Common> = LazyLock::new(|| {
    let no_psk = Expander(Hkdf::new(None, &ZEROES));
    // Derive-Secret(., "derived", "") of RFC 8446, section 7.1.
    let derived: [&[u8]; 6] =
        [&[0, OUTPUT as u8], &[13], b"tls13 ", b"derived", &[OUTPUT as u8], &Sha384::digest([])];
    let salt = no_psk.expand_block(&derived);
    Common { no_salt: HkdfExtract::new(None), no_psk, salted: HkdfExtract::new(Some(salt.as_ref())), salt }
});

/// The labels of secrets that rustls derives, the first when a session resumes and the second in each handshake, and that nothing here
/// uses: no early data is sent or accepted, and nobody exports keys.
const UNUSED: [&[u8]; 2] = [b"c e traffic", b"exp master"];

/// What stands for them: bytes that nobody knows, in case that a later rustls uses one.
static UNKNOWN: LazyLock<[u8; OUTPUT]> = LazyLock::new(|| {
    let mut bytes = ZEROES;
    // Without random numbers there is no handshake either.
    ring::default_provider().secure_random.fill(&mut bytes).expect("the kernel has random numbers");
    bytes
});

struct Common {
    no_salt: HkdfExtract<Sha384>,
    /// The early secret without a PSK.
    no_psk: Expander,
    /// The salt of the handshake secret that follows it.
    salt: OkmBlock,
    salted: HkdfExtract<Sha384>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sha384Hkdf;

impl tls13::Hkdf for Sha384Hkdf {
    fn extract_from_zero_ikm(&self, salt: Option<&[u8]>) -> Box<dyn HkdfExpander> {
        match salt {
            None => Box::new(COMMON.no_psk.clone()),
            salt => self.extract_from_secret(salt, &ZEROES),
        }
    }

    fn extract_from_secret(&self, salt: Option<&[u8]>, secret: &[u8]) -> Box<dyn HkdfExpander> {
        let mut extract = match salt {
            None => COMMON.no_salt.clone(),
            Some(salt) if salt == COMMON.salt.as_ref() => COMMON.salted.clone(),
            salt => HkdfExtract::new(salt),
        };
        extract.input_ikm(secret);
        Box::new(Expander(extract.finalize().1))
    }

    fn expander_for_okm(&self, okm: &OkmBlock) -> Box<dyn HkdfExpander> {
        if okm.as_ref() == UNKNOWN.as_slice() {
            return Box::new(Unused);
        }
        Box::new(Expander(Hkdf::from_prk(okm.as_ref()).expect("as long as an output")))
    }

    fn hmac_sign(&self, key: &OkmBlock, message: &[u8]) -> Tag {
        let hmac = Hmac::<Sha384>::new_from_slice(key.as_ref()).expect("HMAC takes a key of any length");
        Tag::new(&hmac.chain_update(message).finalize().into_bytes())
    }
}

#[derive(Clone)]
struct Expander(Hkdf<Sha384>);

impl HkdfExpander for Expander {
    fn expand_slice(&self, info: &[&[u8]], output: &mut [u8]) -> Result<(), OutputLengthError> {
        self.0.expand_multi_info(info, output).map_err(|_| OutputLengthError)
    }

    fn expand_block(&self, info: &[&[u8]]) -> OkmBlock {
        // The fourth part is the label (HkdfLabel of RFC 8446, section 7.1).
        if info.get(3).is_some_and(|label| UNUSED.contains(label)) {
            return OkmBlock::new(UNKNOWN.as_slice());
        }
        let mut block = ZEROES;
        self.0.expand_multi_info(info, &mut block).expect("one output is never too long");
        OkmBlock::new(&block)
    }

    fn hash_len(&self) -> usize {
        OUTPUT
    }
}

/// What follows from an unused secret, which is as unknown.
struct Unused;

impl HkdfExpander for Unused {
    fn expand_slice(&self, _: &[&[u8]], output: &mut [u8]) -> Result<(), OutputLengthError> {
        let bytes = UNKNOWN.get(..output.len()).ok_or(OutputLengthError)?;
        output.copy_from_slice(bytes);
        Ok(())
    }

    fn expand_block(&self, _: &[&[u8]]) -> OkmBlock {
        OkmBlock::new(UNKNOWN.as_slice())
    }

    fn hash_len(&self) -> usize {
        OUTPUT
    }
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ring::cipher_suite::TLS13_AES_256_GCM_SHA384;
    use rustls::crypto::tls13::Hkdf;

    use super::*;

    fn ring() -> &'static dyn Hkdf {
        TLS13_AES_256_GCM_SHA384.tls13().unwrap().hkdf_provider
    }

    fn assert_expands_alike(ours: &dyn HkdfExpander, rings: &dyn HkdfExpander) {
        assert_eq!(ours.hash_len(), rings.hash_len());
        for length in 0..300 {
            let text: Vec<u8> = (0..length).map(|byte| byte as u8).collect();
            let (first, second) = text.split_at(length / 3);
            let info = [first, second];
            assert_eq!(ours.expand_block(&info).as_ref(), rings.expand_block(&info).as_ref(), "{length}");
            let (mut our_output, mut rings_output) = (vec![0; length], vec![0; length]);
            assert!(ours.expand_slice(&info, &mut our_output).is_ok());
            assert!(rings.expand_slice(&info, &mut rings_output).is_ok());
            assert_eq!(our_output, rings_output, "{length}");
        }
    }

    #[test]
    fn keys_of_all_lengths_are_those_of_ring() {
        let secret: Vec<u8> = (0..300).map(|byte| (byte * 7) as u8).collect();
        for length in [0, 1, 32, 47, 48, 64, 111, 112, 127, 128, 129, 240, 300] {
            let secret = &secret[..length];
            for salt in [None, Some(&ZEROES[..]), Some(COMMON.salt.as_ref()), Some(secret)] {
                assert_expands_alike(
                    &*Sha384Hkdf.extract_from_secret(salt, secret),
                    &*ring().extract_from_secret(salt, secret),
                );
            }
        }
    }

    #[test]
    fn handshake_without_psk_begins_as_with_ring() {
        let (ours, rings) = (Sha384Hkdf.extract_from_zero_ikm(None), ring().extract_from_zero_ikm(None));
        assert_expands_alike(&*ours, &*rings);
        for salt in [&ZEROES[..], COMMON.salt.as_ref(), &[7; 48]] {
            assert_expands_alike(
                &*Sha384Hkdf.extract_from_zero_ikm(Some(salt)),
                &*ring().extract_from_zero_ikm(Some(salt)),
            );
        }
    }

    #[test]
    fn signatures_are_those_of_ring() {
        let okm = OkmBlock::new(&[0x5a; OUTPUT]);
        let (ours, rings) = (Sha384Hkdf.hmac_sign(&okm, &ZEROES), ring().hmac_sign(&okm, &ZEROES));
        assert_eq!(ours.as_ref(), rings.as_ref());
        assert_expands_alike(&*Sha384Hkdf.expander_for_okm(&okm), &*ring().expander_for_okm(&okm));
    }

    #[test]
    fn unused_secrets_are_unknown_and_no_key_follows_from_them() {
        let derived = |expander: &dyn HkdfExpander, label: &[u8]| {
            let length = [6 + label.len() as u8];
            expander.expand_block(&[&[0, OUTPUT as u8], &length, b"tls13 ", label, &[OUTPUT as u8], &ZEROES])
        };
        let (ours, rings) = (Sha384Hkdf.extract_from_zero_ikm(None), ring().extract_from_zero_ikm(None));
        for label in UNUSED {
            let secret = derived(&*ours, label);
            assert!(secret.as_ref() == UNKNOWN.as_slice() && secret.as_ref() != ZEROES);
            assert_ne!(secret.as_ref(), derived(&*rings, label).as_ref());
            let (follows, mut key) = (Sha384Hkdf.expander_for_okm(&secret), [0; 32]);
            assert!(follows.expand_slice(&[b"key"], &mut key).is_ok() && key == UNKNOWN[..32]);
            assert!(follows.expand_slice(&[b"key"], &mut [0; OUTPUT + 1]).is_err());
        }
        for label in [&b"c hs traffic"[..], b"s hs traffic", b"c ap traffic", b"s ap traffic", b"res master"]
        {
            assert_eq!(derived(&*ours, label).as_ref(), derived(&*rings, label).as_ref());
        }
    }

    #[test]
    fn output_of_more_than_255_blocks_is_refused() {
        let (ours, mut output) = (Sha384Hkdf.extract_from_zero_ikm(None), [0; 255 * OUTPUT + 1]);
        assert!(ours.expand_slice(&[], &mut output).is_err());
        assert!(ours.expand_slice(&[], &mut output[1..]).is_ok());
    }
}
