//! A certificate that others make and renew, such as cert-manager: read from a folder, where a Secret is mounted.
//!
//! The API server is told of a new authority before anything is presented that it signed. The old one stays trusted until
//! it expires: another replica, to which the new files come later, may still present what it signed.

use std::{fs, io, path::PathBuf};

use jiff::Timestamp;

use super::Issued;
use super::pair::{self, PrivateKey};

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// Why the certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is missing or unreadable.
    #[error("`{0}` cannot be read: {1}; the folder needs `tls.crt`, `tls.key` and `ca.crt`, as the keys of a Secret")]
    File(PathBuf, #[source] io::Error),
    /// The certificate is none.
    #[error("`tls.crt`: {0}")]
    Certificate(#[from] pair::Error),
    /// There is nobody to trust.
    #[error("`ca.crt` holds no certificate: put the authority there that signed `tls.crt`")]
    NoAuthority,
}

/// The folder, with `tls.crt`, `tls.key` and `ca.crt`.
pub struct Folder(PathBuf);

/// What is in it.
struct Files {
    certificate: String,
    key: PrivateKey,
    authorities: String,
}

impl Folder {
    /// The folder of this path.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// What to present now and whom to trust, where the API server trusts `trusted` and `shown` is being presented.
    pub fn look(&self, now: Timestamp, shown: Option<&Issued>, trusted: &str) -> Result<Issued, Error> {
        let files = Files {
            certificate: self.read("tls.crt")?,
            key: PrivateKey::from_pem(self.read("tls.key")?),
            authorities: self.read("ca.crt")?,
        };
        files.issued(now, shown, trusted)
    }

    fn read(&self, name: &str) -> Result<String, Error> {
        let path = self.0.join(name);
        fs::read_to_string(&path).map_err(|error| Error::File(path, error))
    }
}

impl Files {
    fn issued(self, now: Timestamp, shown: Option<&Issued>, trusted: &str) -> Result<Issued, Error> {
        let (ours, theirs) = (certificates(&self.authorities), certificates(trusted));
        if ours.is_empty() {
            return Err(Error::NoAuthority);
        }
        let bundle = joined(&theirs, &ours, now);
        let known = ours.iter().all(|authority| theirs.contains(authority));
        match shown {
            Some(shown) if !known && shown.certificate != self.certificate => Ok(Issued {
                bundle,
                ..shown.clone()
            }),
            _ => Ok(Issued {
                expires: pair::facts(&self.certificate)?.validity.not_after,
                certificate: self.certificate,
                key: self.key,
                bundle,
                // Nothing tells of a new file: it is found when the registration is looked at.
                look_again: Timestamp::MAX,
            }),
        }
    }
}

/// The certificates in a PEM file, without what stands between them.
fn certificates(text: &str) -> Vec<&str> {
    let whole = text.split_inclusive(END).filter(|part| part.ends_with(END));
    whole.filter_map(|part| part.get(part.find(BEGIN)?..)).collect()
}

/// Who is trusted already, ours and who else is still valid, in their order, and then the rest of ours: so two replicas that
/// have different files do not write in turns.
fn joined(trusted: &[&str], ours: &[&str], now: Timestamp) -> String {
    let valid = |authority: &str| pair::facts(authority).is_ok_and(|facts| facts.validity.not_after > now);
    let stays = trusted.iter().filter(|one| ours.contains(one) || valid(one));
    let new = ours.iter().filter(|one| !trusted.contains(one));
    stays.chain(new).flat_map(|one| [*one, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::pair::Pair;
    use super::super::rotation::CA_LIFETIME;
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_420_800, 0);

    fn authority_and_leaf(now: Timestamp) -> (Pair, Pair) {
        let authority = Pair::authority(now).unwrap();
        let leaf = authority.leaf(&["operator.example".to_owned()], now).unwrap();
        (authority, leaf)
    }

    /// What a replica makes of a Secret with that authority and leaf.
    fn look((authority, leaf): &(Pair, Pair), now: Timestamp, shown: Option<&Issued>, trusted: &str) -> Issued {
        let files = Files {
            certificate: leaf.certificate.clone(),
            key: leaf.key.clone(),
            authorities: format!("# ours\n{}", authority.certificate),
        };
        files.issued(now, shown, trusted).unwrap()
    }

    #[test]
    fn a_new_certificate_is_presented_once_its_authority_is_trusted_beside_the_old_one() {
        let (old, new) = (authority_and_leaf(NOW), authority_and_leaf(NOW));
        let first = look(&old, NOW, None, "");
        assert_eq!(first.certificate, old.1.certificate);
        assert_eq!(first.bundle, old.0.certificate);
        let waiting = look(&new, NOW, Some(&first), &first.bundle);
        assert_eq!(waiting.certificate, old.1.certificate, "nobody trusts the new one yet");
        assert_eq!(waiting.bundle, format!("{}{}", old.0.certificate, new.0.certificate));
        let second = look(&new, NOW, Some(&waiting), &waiting.bundle);
        assert_eq!(second.certificate, new.1.certificate);
        assert_eq!(second.bundle, waiting.bundle, "another replica may present the old one");
    }

    #[test]
    fn replicas_with_different_files_want_the_same_to_be_trusted() {
        let (old, new) = (authority_and_leaf(NOW), authority_and_leaf(NOW));
        let written = look(&new, NOW, None, &old.0.certificate).bundle;
        assert_eq!(look(&old, NOW, None, &written).bundle, written);
        assert_eq!(look(&new, NOW, None, &written).bundle, written);
    }

    #[test]
    fn an_authority_that_has_expired_is_trusted_no_more() {
        let (old, later) = (
            authority_and_leaf(NOW),
            NOW + CA_LIFETIME + SignedDuration::from_secs(1),
        );
        let new = authority_and_leaf(later);
        assert_eq!(look(&new, later, None, &old.0.certificate).bundle, new.0.certificate);
    }

    #[test]
    fn a_file_without_an_authority_is_refused_by_name() {
        let (authority, leaf) = authority_and_leaf(NOW);
        let half = authority.certificate.replace(END, "");
        let files = Files {
            certificate: leaf.certificate,
            key: leaf.key,
            authorities: half,
        };
        let refused = files.issued(NOW, None, "").err().unwrap().to_string();
        assert!(refused.contains("`ca.crt` holds no certificate"), "{refused}");
    }
}
