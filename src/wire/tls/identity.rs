//! The owner of a certificate: its common name, or else the first of its DNS names, or else the first of its URIs.

use rustls::DistinguishedName;
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;
use x509_cert::der::Decode;
use x509_cert::name::Name;

use crate::engine::allow::names::is_name;

/// The name in a certificate. Text that is [no name](is_name) is skipped. This does not check whether the certificate can be
/// trusted.
pub(super) fn name(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let common = common_name(certificate.subject());
    let others = certificate.valid_dns_names().chain(certificate.valid_uri_names()).map(str::to_owned);
    common.into_iter().chain(others).find(|name| is_name(name))
}

/// The first common name in a subject, which is given without its header.
fn common_name(subject: &[u8]) -> Option<String> {
    let subject = DistinguishedName::in_sequence(subject);
    let subject = Name::from_der(subject.as_ref()).ok()?;
    Some(subject.common_name().ok()??.value().into_owned())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SanType};

    use rcgen::string::Ia5String;

    use super::*;
    use crate::engine::allow::names::NAME_BYTES_MAX;

    fn name_of(common: Option<DnValue>, others: &[SanType]) -> Option<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        if let Some(common) = common {
            params.distinguished_name.push(DnType::OrganizationName, "school");
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params.subject_alt_names = others.into();
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        name(certificate.der())
    }

    #[test]
    fn common_name_comes_before_dns_names_and_these_before_uris() {
        let text = |text: &str| Ia5String::try_from(text).unwrap();
        let dns = SanType::DnsName(text("pc1.school.example"));
        let uri = SanType::URI(text("spiffe://school.example/ada"));
        let utf8 = |text: &str| Some(DnValue::Utf8String(text.to_owned()));
        let printable = DnValue::PrintableString("ada".try_into().unwrap());
        let both = [uri.clone(), dns.clone()];
        assert_eq!(name_of(Some(printable), &both).as_deref(), Some("ada"));
        assert_eq!(name_of(utf8("Zoë Müller"), &both).as_deref(), Some("Zoë Müller"));
        assert_eq!(name_of(None, &both).as_deref(), Some("pc1.school.example"));
        assert_eq!(name_of(None, &[uri]).as_deref(), Some("spiffe://school.example/ada"));
        for unusable in ["", "ada\n", "\u{9b}31m", &"a".repeat(NAME_BYTES_MAX + 1)] {
            let got = name_of(utf8(unusable), std::slice::from_ref(&dns));
            assert_eq!(got.as_deref(), Some("pc1.school.example"), "{unusable:?}");
            assert_eq!(name_of(utf8(unusable), &[]), None, "{unusable:?}");
        }
    }
}
