//! Lists of revoked certificates, as PEM, and how long they are valid.

use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::SectionKind;
use x509_cert::crl::CertificateList;
use x509_cert::der::Decode;

use super::material;

/// The lists in a file.
#[derive(Debug, Default)]
pub(super) struct Revoked {
    pub(super) lists: Vec<CertificateRevocationListDer<'static>>,
    /// The time at which the first of them should have been replaced, in seconds since 1970; `None`: they do not say.
    pub(super) until: Option<u64>,
}

impl Revoked {
    /// Reads the lists.
    ///
    /// # Errors
    /// If there is none, or one cannot be read.
    pub(super) fn read(text: &[u8]) -> Result<Revoked, String> {
        let mut revoked = Revoked::default();
        for (kind, der) in material::blocks(text)? {
            if kind != SectionKind::Crl {
                continue;
            }
            let number = revoked.lists.len() + 1;
            let Ok(list): Result<CertificateList, _> = CertificateList::from_der(&der) else {
                return Err(format!("list {number} in it cannot be read; create it again"));
            };
            let until = list.tbs_cert_list.next_update.map(|until| until.to_unix_duration().as_secs());
            revoked.until = revoked.until.into_iter().chain(until).min();
            revoked.lists.push(der.into());
        }
        if revoked.lists.is_empty() {
            return Err(
                "it contains no list of revoked certificates; one begins with -----BEGIN X509 CRL-----; write it as PEM, for example with openssl crl"
                    .to_owned(),
            );
        }
        Ok(revoked)
    }
}
