//! A small certificate authority, and its certificates. Knows no file and no argument.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber, date_time_ymd,
};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError, RootCertStore};

use super::names::{COMMON_NAME_CHARS_MAX, ServerName};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long an authority lasts: longer than a class, and than most machines.
const AUTHORITY_DAYS: u32 = 10 * 365;

/// The validity of a certificate. Apple's systems reject a server's certificate that is valid for more than 398 days.
const CERTIFICATE_DAYS: u32 = 396;

/// How far in the past its validity begins, for clients whose clock is behind.
const HEAD_START: Duration = DAY;

/// An authority with less time left signs nothing.
const LEFT_MIN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The length of a serial number, in bytes, all of them random (RFC 5280 allows 20).
const SERIAL_BYTES: usize = 16;

/// A certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate.
    certificate: CertificateDer<'static>,
    ends: SystemTime,
    provider: Arc<CryptoProvider>,
}

/// A certificate, its key, and when it ends.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) ends: SystemTime,
}

/// Why there is no certificate, for the middle of a sentence.
type Reason = String;

impl Authority {
    /// A new authority, its certificate and its key.
    pub(crate) fn new(now: SystemTime) -> Result<(Authority, Issued), Reason> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = key()?;
        let ends = now + DAY * AUTHORITY_DAYS;
        let mut params = params_of(&key, now, ends, &provider)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)); // it signs certificates, no further authorities
        let certificate = params.self_signed(&key).map_err(text)?;
        let issued = Issued { certificate: certificate.pem(), key: key.serialize_pem(), ends };
        let certificate = certificate.der().clone();
        Ok((Authority { issuer: Issuer::new(params, key), certificate, ends, provider }, issued))
    }

    /// The authority of these files, which [`Authority::new`] has made.
    pub(crate) fn from_pem(certificate: &str, key: &str, now: SystemTime) -> Result<Authority, Reason> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|error| format!("its certificate cannot be read: {error}"))?;
        let key = KeyPair::from_pem(key).map_err(|error| format!("its key cannot be read: {error}"))?;
        let ends = end_of(&certificate, &provider).ok_or("its certificate cannot be read")?;
        if now + LEFT_MIN > ends {
            return Err(format!("it ends on {}; make a new one in another directory", date(ends)));
        }
        let params = params_of(&key, now, ends, &provider)?;
        Ok(Authority { issuer: Issuer::new(params, key), certificate, ends, provider })
    }

    /// A certificate for a server with these names.
    pub(crate) fn server(&self, names: &[ServerName], now: SystemTime) -> Result<Issued, Reason> {
        let mut params = self.params(now)?;
        // Clients check only the alternative names; this one is for people.
        let first = names.first().map(ToString::to_string).filter(|name| name.len() <= COMMON_NAME_CHARS_MAX);
        params.distinguished_name = called(&first.unwrap_or_else(|| "ipcd".to_owned()));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.subject_alt_names = names.iter().map(alternative).collect::<Result<_, _>>()?;
        let (certificate, issued) = self.sign(&params)?;
        let roots = self.roots()?;
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), self.provider.clone());
        let verifier = verifier.build().map_err(text)?;
        for name in names {
            let name = rustls::pki_types::ServerName::try_from(name.example()).map_err(text)?;
            verifier
                .verify_server_cert(certificate.der(), &[], &name, &[], unix(now)?)
                .map_err(|error| not_ours(&error))?;
        }
        Ok(issued)
    }

    /// A certificate for a client with this name.
    pub(crate) fn client(&self, name: &str, now: SystemTime) -> Result<Issued, Reason> {
        let mut params = self.params(now)?;
        params.distinguished_name = called(name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let (certificate, issued) = self.sign(&params)?;
        let roots = self.roots()?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), self.provider.clone());
        let verifier = verifier.build().map_err(text)?;
        verifier.verify_client_cert(certificate.der(), &[], unix(now)?).map_err(|error| not_ours(&error))?;
        Ok(issued)
    }

    /// The common parts of all certificates.
    fn params(&self, now: SystemTime) -> Result<CertificateParams, Reason> {
        let ends = self.ends.min(now + DAY * CERTIFICATE_DAYS);
        let mut params = lasting(now, ends, &self.provider)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        Ok(params)
    }

    fn sign(&self, params: &CertificateParams) -> Result<(Certificate, Issued), Reason> {
        let key = key()?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(text)?;
        let ends = UNIX_EPOCH + Duration::from_secs(params.not_after.unix_timestamp().max(0) as u64);
        let issued = Issued { certificate: certificate.pem(), key: key.serialize_pem(), ends };
        Ok((certificate, issued))
    }

    fn roots(&self) -> Result<RootCertStore, Reason> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).map_err(text)?;
        Ok(roots)
    }
}

/// The authority's own parameters. Its name follows from its key, so that no other authority has it, and only the key
/// is needed to sign as this one.
fn params_of(
    key: &KeyPair,
    now: SystemTime,
    ends: SystemTime,
    provider: &CryptoProvider,
) -> Result<CertificateParams, Reason> {
    let mut params = lasting(now, ends, provider)?;
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let number: String =
        params.key_identifier(key).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name = called(&format!("ipcd authority {number}"));
    Ok(params)
}

fn key() -> Result<KeyPair, Reason> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(text)
}

fn called(name: &str) -> DistinguishedName {
    let mut whole = DistinguishedName::new();
    whole.push(DnType::CommonName, name);
    whole
}

fn alternative(name: &ServerName) -> Result<SanType, Reason> {
    match name {
        ServerName::Host(name) => Ia5String::try_from(name.as_str()).map(SanType::DnsName).map_err(text),
        ServerName::Address(address) => Ok(SanType::IpAddress(*address)),
    }
}

/// When a certificate ends: the verifier reports it when asked about a much later time.
fn end_of(certificate: &CertificateDer<'static>, provider: &Arc<CryptoProvider>) -> Option<SystemTime> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).ok()?;
    let verifier =
        WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone()).build().ok()?;
    let name = rustls::pki_types::ServerName::try_from("localhost").ok()?;
    let never = UnixTime::since_unix_epoch(DAY * 365 * 2000);
    match verifier.verify_server_cert(certificate, &[], &name, &[], never) {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(UNIX_EPOCH + Duration::from_secs(not_after.as_secs()))
        }
        _ => None,
    }
}

/// The error for a certificate that its own authority has not signed.
fn not_ours(error: &rustls::Error) -> Reason {
    format!(
        "its signatures are not accepted ({error}): its key belongs to another authority, or another program made it"
    )
}

fn unix(time: SystemTime) -> Result<UnixTime, Reason> {
    time.duration_since(UNIX_EPOCH)
        .map(UnixTime::since_unix_epoch)
        .map_err(|_| "the clock is before 1970".to_owned())
}

/// Parameters with a number, a beginning and an end, in whole seconds.
fn lasting(
    now: SystemTime,
    ends: SystemTime,
    provider: &CryptoProvider,
) -> Result<CertificateParams, Reason> {
    let mut number = [0; SERIAL_BYTES];
    provider.secure_random.fill(&mut number).map_err(|_| "the system has no random numbers")?;
    number[0] = number[0] & 0x7f | 0x40; // positive, and always of the same length
    let epoch = date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.not_before = epoch + Duration::from_secs(unix(now - HEAD_START)?.as_secs());
    params.not_after = epoch + Duration::from_secs(unix(ends)?.as_secs());
    params.serial_number = Some(SerialNumber::from_slice(&number));
    Ok(params)
}

/// The day, as `2027-12-31`, in universal time.
pub(crate) fn date(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string().chars().take(10).collect()
}

fn text(error: impl std::fmt::Display) -> Reason {
    error.to_string()
}
