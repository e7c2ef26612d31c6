//! The arithmetic of TLS: ring's, but for the key exchange, which graviola has where the processor can do it, and for the keys of
//! the usual cipher suite.

use std::cell::RefCell;
use std::sync::LazyLock;

use rustls::crypto::ring::cipher_suite::TLS13_AES_256_GCM_SHA384;
use rustls::crypto::{CipherSuiteCommon, CryptoProvider, GetRandomFailed, SecureRandom, ring};
use rustls::{SupportedCipherSuite, Tls13CipherSuite};

use super::hkdf::Sha384Hkdf;

/// The usual cipher suite, with our key schedule.
static AES_256: LazyLock<Option<Tls13CipherSuite>> = LazyLock::new(|| {
    let ring = TLS13_AES_256_GCM_SHA384.tls13()?;
    Some(Tls13CipherSuite {
        common: CipherSuiteCommon {
            suite: ring.common.suite,
            hash_provider: ring.common.hash_provider,
            confidentiality_limit: ring.common.confidentiality_limit,
        },
        hkdf_provider: &Sha384Hkdf,
        aead_alg: ring.aead_alg,
        quic: None,
    })
});

/// What both sides of a connection compute with. Not for early data, and not for exported keys: those secrets are the same in all
/// connections (see wire/tls/hkdf.rs).
#[must_use]
pub fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    for suite in &mut provider.cipher_suites {
        if suite.suite() == TLS13_AES_256_GCM_SHA384.suite()
            && let Some(ours) = &*AES_256
        {
            *suite = SupportedCipherSuite::Tls13(ours);
        }
    }
    provider.secure_random = &Pool;
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if graviola::util::is_cpu_supported() {
        use ring::kx_group::{SECP256R1, SECP384R1};
        use rustls_graviola::kx::{X25519, X25519MLKEM768};
        provider.kx_groups = vec![X25519MLKEM768, &X25519, SECP256R1, SECP384R1];
    }
    provider
}

/// The kernel's random numbers.
static KERNEL: LazyLock<&dyn SecureRandom> = LazyLock::new(|| ring::default_provider().secure_random);

/// Bytes in the pool. The kernel gives as many at once, or none (getrandom(2)).
const POOL_BYTES: usize = 256;

/// The random numbers of rustls itself, which the other side learns: those of the hellos, and of tickets. Most system calls for them
/// are saved. Keys and nonces are made by ring and graviola, which ask the kernel each time.
#[derive(Debug)]
struct Pool;

thread_local! {
    /// Random bytes, of which the first ones are unused.
    static BYTES: RefCell<([u8; POOL_BYTES], usize)> = const { RefCell::new(([0; POOL_BYTES], 0)) };
}

impl SecureRandom for Pool {
    fn fill(&self, output: &mut [u8]) -> Result<(), GetRandomFailed> {
        if output.len() > POOL_BYTES {
            return KERNEL.fill(output);
        }
        BYTES.with_borrow_mut(|(bytes, unused)| {
            if *unused < output.len() {
                *unused = 0;
                KERNEL.fill(bytes)?;
                *unused = POOL_BYTES;
            }
            let end = *unused;
            *unused -= output.len();
            let taken = &mut bytes[*unused..end];
            output.copy_from_slice(taken);
            taken.fill(0);
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_numbers_differ_and_leave_nothing_in_the_pool() {
        let mut seen = std::collections::HashSet::new();
        for round in 0..1000 {
            let mut number = vec![0; [16, 32, 50, POOL_BYTES, POOL_BYTES + 1][round % 5]];
            Pool.fill(&mut number).unwrap();
            assert!(number.iter().any(|byte| *byte != 0) && seen.insert(number), "round {round}");
            BYTES.with_borrow(|(bytes, unused)| {
                assert!(bytes[*unused..].iter().all(|byte| *byte == 0), "used bytes are gone");
            });
        }
    }
}
