//! The arithmetic of TLS: ring's, but for the key exchange, which graviola has where the processor can do it.

use rustls::crypto::{CryptoProvider, ring};

/// What both sides of a connection compute with.
#[must_use]
pub fn provider() -> CryptoProvider {
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), expect(unused_mut))]
    let mut provider = ring::default_provider();
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    if graviola::util::is_cpu_supported() {
        use ring::kx_group::{SECP256R1, SECP384R1};
        use rustls_graviola::kx::{X25519, X25519MLKEM768};
        provider.kx_groups = vec![X25519MLKEM768, &X25519, SECP256R1, SECP384R1];
    }
    provider
}
