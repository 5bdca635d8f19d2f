//! Makes and reads certificates with their keys: ECDSA P-256, in PEM. Decides nothing about when.

use std::{net::IpAddr, time::Duration};

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256,
};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName, pem::parse_x509_pem};

use super::rotation::{CA_LIFETIME, LEAF_LIFETIME, Validity};

/// Why a certificate cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Making or signing failed.
    #[error("the certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    /// It is no PEM certificate.
    #[error("the certificate cannot be read")]
    Read,
    /// A time in it is out of range.
    #[error("the certificate has an impossible time: {0}")]
    Time(#[from] jiff::Error),
    /// Certificate and key are not of the same pair.
    #[error("the key is not the one of the certificate")]
    OtherKey,
}

/// A private key in PEM. It can be neither printed nor compared, only handed on.
#[derive(Clone)]
pub struct PrivateKey(String);

impl PrivateKey {
    /// A key from storage.
    pub fn from_pem(pem: String) -> Self {
        Self(pem)
    }

    /// For those who store it or serve with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// A certificate and its private key.
#[derive(Clone)]
pub struct Pair {
    /// The certificate in PEM.
    pub certificate: String,
    /// Its key.
    pub key: PrivateKey,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// When it is valid.
    pub validity: Validity,
    names: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl Facts {
    /// Whether a client that calls this host name or address accepts it.
    pub fn covers_host(&self, host: &str) -> bool {
        match host.parse() {
            Ok(address) => self.addresses.contains(&address),
            Err(_) => self.names.iter().any(|name| name.eq_ignore_ascii_case(host)),
        }
    }
}

impl Pair {
    /// A new authority, which may sign leaves and nothing else.
    pub fn authority(now: Timestamp) -> Result<Self, Error> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params(&[], Validity::starting(now, CA_LIFETIME))?;
        // Two authorities are in the bundle at times: a name of its own keeps one from being tried for the other.
        params.distinguished_name.push(
            DnType::CommonName,
            format!("pimpernel webhook authority {}", now.as_second()),
        );
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self {
            certificate,
            key: PrivateKey(key.serialize_pem()),
        })
    }

    /// A new leaf of this authority, for a server under these host names and addresses.
    pub fn leaf(&self, hosts: &[String], now: Timestamp) -> Result<Self, Error> {
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, KeyPair::from_pem(self.key.reveal())?)?;
        let mut validity = Validity::starting(now, LEAF_LIFETIME);
        validity.not_after = validity.not_after.min(facts(&self.certificate)?.validity.not_after);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params(hosts, validity)?;
        params.distinguished_name.push(DnType::CommonName, "pimpernel webhook");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &issuer)?.pem();
        Ok(Self {
            certificate,
            key: PrivateKey(key.serialize_pem()),
        })
    }

    /// What the certificate says, provided that the key is its own.
    pub fn facts(&self) -> Result<Facts, Error> {
        let key = KeyPair::from_pem(self.key.reveal())?;
        let ours = read(&self.certificate, |found| {
            Ok(found.public_key().subject_public_key.data.as_ref() == key.public_key_raw())
        })?;
        if ours {
            facts(&self.certificate)
        } else {
            Err(Error::OtherKey)
        }
    }

    /// Whether this authority has signed that certificate.
    pub fn signed(&self, certificate: &str) -> bool {
        let verified = read(&self.certificate, |authority| {
            read(certificate, |leaf| {
                Ok(leaf.verify_signature(Some(authority.public_key())).is_ok())
            })
        });
        verified.unwrap_or(false)
    }
}

fn params(hosts: &[String], validity: Validity) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(hosts)?;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let since_epoch = |time: Timestamp| Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0));
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = epoch + since_epoch(validity.not_before);
    params.not_after = epoch + since_epoch(validity.not_after);
    Ok(params)
}

/// What a certificate says, key or no key.
pub fn facts(certificate: &str) -> Result<Facts, Error> {
    read(certificate, |found| {
        let validity = Validity {
            not_before: Timestamp::from_second(found.validity().not_before.timestamp())?,
            not_after: Timestamp::from_second(found.validity().not_after.timestamp())?,
        };
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        let subjects = found.subject_alternative_name().map_err(|_| Error::Read)?;
        for name in subjects.iter().flat_map(|subjects| &subjects.value.general_names) {
            match name {
                GeneralName::DNSName(name) => names.push((*name).to_owned()),
                GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
                _ => {}
            }
        }
        Ok(Facts {
            validity,
            names,
            addresses,
        })
    })
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn read<T>(pem: &str, look: impl FnOnce(&X509Certificate<'_>) -> Result<T, Error>) -> Result<T, Error> {
    let (_, section) = parse_x509_pem(pem.as_bytes()).map_err(|_| Error::Read)?;
    look(&section.parse_x509().map_err(|_| Error::Read)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_420_800, 0);

    fn hosts(hosts: &[&str]) -> Vec<String> {
        hosts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_leaf_names_its_hosts_and_is_signed_by_its_authority_alone() {
        let (ours, other) = (Pair::authority(NOW).unwrap(), Pair::authority(NOW).unwrap());
        let leaf = ours
            .leaf(&hosts(&["pimpernel.pimpernel-system.svc", "127.0.0.1", "::1"]), NOW)
            .unwrap();
        let facts = leaf.facts().unwrap();
        assert_eq!(facts.validity, Validity::starting(NOW, LEAF_LIFETIME));
        for host in [
            "pimpernel.pimpernel-system.svc",
            "PIMPERNEL.pimpernel-system.svc",
            "127.0.0.1",
            "::1",
        ] {
            assert!(facts.covers_host(host), "{host}");
        }
        for host in ["pimpernel.pimpernel-sessions.svc", "127.0.0.2", ""] {
            assert!(!facts.covers_host(host), "{host}");
        }
        assert!(ours.signed(&leaf.certificate));
        assert!(!other.signed(&leaf.certificate));
    }

    #[test]
    fn a_leaf_does_not_outlive_its_authority() {
        let authority = Pair::authority(NOW).unwrap();
        let late = NOW + (CA_LIFETIME - jiff::SignedDuration::from_hours(24));
        let leaf = authority.leaf(&hosts(&["localhost"]), late).unwrap();
        assert_eq!(leaf.facts().unwrap().validity.not_after, NOW + CA_LIFETIME);
    }

    #[test]
    fn a_key_of_another_pair_is_noticed() {
        let authority = Pair::authority(NOW).unwrap();
        let (one, other) = (
            authority.leaf(&hosts(&["one"]), NOW).unwrap(),
            authority.leaf(&hosts(&["other"]), NOW).unwrap(),
        );
        let mixed = Pair {
            certificate: one.certificate,
            key: other.key,
        };
        assert!(matches!(mixed.facts(), Err(Error::OtherKey)));
        let broken = Pair {
            certificate: "-----BEGIN".into(),
            key: mixed.key,
        };
        assert!(matches!(broken.facts(), Err(Error::Read)));
    }
}
