//! Certificates and keys in files of other programs: PEM, with any text between the blocks, in any order.

use std::time::Duration;

use rustls::pki_types::pem::{self, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter};

/// A time after the end of every certificate (9999-12-31, RFC 5280, section 4.1.2.5).
const LATEST: u64 = 253_402_300_799;

/// The facts about a presented chain that an administrator needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    leaf: CertificateDer<'static>,
    /// When the last of them becomes valid, in seconds since 1970.
    pub not_before: u64,
    /// When the first of them expires, in seconds since 1970.
    pub not_after: u64,
}

impl Certificates {
    /// The facts about a chain that is in order.
    ///
    /// # Errors
    /// If the first certificate cannot be read.
    pub(super) fn of(chain: &[CertificateDer<'static>]) -> Result<Certificates, String> {
        let leaf = chain.first().ok_or_else(nothing)?.clone();
        let (mut not_before, mut not_after) = (0, LATEST);
        for (index, certificate) in chain.iter().enumerate() {
            let (from, until) = validity(certificate).ok_or_else(|| {
                format!("certificate {} of the chain cannot be read; create it again", index + 1)
            })?;
            not_before = not_before.max(from);
            not_after = not_after.min(until);
        }
        Ok(Certificates { leaf, not_before, not_after })
    }

    /// Whether the first one is valid for a host name or an address.
    pub fn are_for(&self, name: &str) -> bool {
        let Ok(leaf) = EndEntityCert::try_from(&self.leaf) else { return false };
        let name = ServerName::try_from(name);
        name.is_ok_and(|name| leaf.verify_is_valid_for_subject_name(&name).is_ok())
    }

    /// The host names of the first one.
    pub fn names(&self) -> Vec<String> {
        let leaf = EndEntityCert::try_from(&self.leaf);
        leaf.map(|leaf| leaf.valid_dns_names().map(str::to_owned).collect()).unwrap_or_default()
    }
}

/// Accepts a certificate for any purpose.
struct ForAnything;

impl ExtendedKeyUsageValidator for ForAnything {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        Ok(())
    }
}

/// The validity of a certificate, found by checking it at the earliest and the latest time.
fn validity(certificate: &CertificateDer<'_>) -> Option<(u64, u64)> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let at =
        |time: UnixTime| certificate.verify_for_usage(&[], &[], &[], time, ForAnything, None, None).err();
    let from = match at(at_second(0))? {
        Error::CertNotValidYet { not_before, .. } => not_before.as_secs(),
        _ => 0,
    };
    let until = match at(at_second(LATEST + 1))? {
        Error::CertExpired { not_after, .. } => not_after.as_secs(),
        _ => return None,
    };
    Some((from, until))
}

/// A time, in seconds since 1970.
fn at_second(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

fn nothing() -> String {
    "it contains no certificate; a certificate begins with -----BEGIN CERTIFICATE-----".to_owned()
}

/// All blocks of a file, each with its kind. Blocks of unknown kinds are left out.
pub(super) fn blocks(text: &[u8]) -> Result<Vec<(SectionKind, Vec<u8>)>, String> {
    let mut blocks = Vec::new();
    for block in <(SectionKind, Vec<u8>)>::pem_slice_iter(text) {
        let number = blocks.len() + 1;
        blocks.push(block.map_err(|error| match error {
            pem::Error::MissingSectionEnd { .. } => {
                format!("block {number} has no end; is the file complete?")
            }
            pem::Error::IllegalSectionStart { .. } => {
                format!("block {number} begins with a line that is none; it is written -----BEGIN KIND-----")
            }
            _ => format!("block {number} is not base64; is the file complete?"),
        })?);
    }
    Ok(blocks)
}

/// All certificates in a file.
///
/// # Errors
/// If there is none, or the text is not PEM.
pub(super) fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let blocks = blocks(text)?;
    let has_key = blocks.iter().any(|(kind, _)| is_key(*kind));
    let found: Vec<CertificateDer<'static>> = blocks
        .into_iter()
        .filter(|(kind, _)| *kind == SectionKind::Certificate)
        .map(|(_, der)| der.into())
        .collect();
    if !found.is_empty() {
        return Ok(found);
    }
    Err(match text {
        _ if has_key => "it contains a key but no certificate; are key and certificate swapped?".to_owned(),
        [0x30, 0x80..=0x84, ..] => {
            "it is DER; write it as PEM, for example with openssl x509 -inform der".to_owned()
        }
        _ => nothing(),
    })
}

fn is_key(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
}

/// The key in a file: PKCS#8, PKCS#1 or SEC1.
///
/// # Errors
/// If there is none, or it is protected by a passphrase.
pub(super) fn key(text: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let blocks = blocks(text)?;
    let has_certificate = blocks.iter().any(|(kind, _)| *kind == SectionKind::Certificate);
    let key = blocks.into_iter().find_map(|(kind, der)| match kind {
        SectionKind::PrivateKey => Some(PrivateKeyDer::Pkcs8(der.into())),
        SectionKind::RsaPrivateKey => Some(PrivateKeyDer::Pkcs1(der.into())),
        SectionKind::EcPrivateKey => Some(PrivateKeyDer::Sec1(der.into())),
        _ => None,
    });
    let says = |words: &[u8]| text.windows(words.len()).any(|window| window == words);
    match key {
        _ if says(b"ENCRYPTED") => Err(
            "the key is protected by a passphrase, which a daemon cannot ask for; store it without one, for example with openssl pkey"
                .to_owned(),
        ),
        Some(key) => Ok(key),
        None if has_certificate => {
            Err("it contains a certificate but no key; are key and certificate swapped?".to_owned())
        }
        None if matches!(text, [0x30, 0x80..=0x84, ..]) => {
            Err("it is DER; write it as PEM, for example with openssl pkey -inform der".to_owned())
        }
        None => Err("it contains no private key; one begins with -----BEGIN PRIVATE KEY-----".to_owned()),
    }
}

/// The certificate for which `is_ours` holds, followed by the issuer of each one, as far as the file has them.
///
/// # Errors
/// If it holds for none.
pub(super) fn in_order(
    mut found: Vec<CertificateDer<'static>>,
    is_ours: impl Fn(&CertificateDer<'static>) -> bool,
) -> Result<Vec<CertificateDer<'static>>, String> {
    for (index, certificate) in found.iter().enumerate() {
        if EndEntityCert::try_from(certificate).is_err() {
            return Err(format!("certificate {} in it cannot be read; create it again", index + 1));
        }
    }
    let Some(first) = found.iter().position(is_ours) else {
        return Err("it does not belong to the key; use the certificate and the key that were made together"
            .to_owned());
    };
    let mut chain = vec![found.swap_remove(first)];
    while let Some(next) = chain.last().and_then(|last| {
        let last = EndEntityCert::try_from(last).ok()?;
        if last.issuer() == last.subject() {
            return None; // this is the last one
        }
        found.iter().position(|other| {
            EndEntityCert::try_from(other).is_ok_and(|other| other.subject() == last.issuer())
        })
    }) {
        chain.push(found.swap_remove(next));
    }
    Ok(chain)
}
