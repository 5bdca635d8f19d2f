//! Keeps the webhook's certificate in a Secret: makes it when it is not there, and carries out what [`rotation`] decides.
//!
//! Leaves to others a certificate that somebody else makes ([`given`]), who presents it ([`super::tls`]) and who tells the API server which authorities to trust
//! ([`super::registration`]). Any replica may call it at any time: the Secret is created by POST and changed by
//! compare-and-swap, so that of several that act at once one wins and the others take over what it wrote.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};

pub mod given;
pub mod pair;
pub mod rotation;

use pair::Pair;
pub use pair::PrivateKey;
use rotation::{Leaf, State, Step, Validity};

/// The Secret that holds authorities, certificate and keys.
pub const SECRET: &str = "pimpernel-webhook-certificate";

/// How often one call acts or meets somebody else who acts, before it reports that it gets nowhere.
const ROUNDS: usize = 8;

/// Why the certificate could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Secret could not be read or written.
    #[error("the Secret `{SECRET}` cannot be read or written: {0}")]
    Api(#[source] Box<kube::Error>),
    /// A certificate could not be made.
    #[error(transparent)]
    Pair(#[from] pair::Error),
    /// Others keep writing the Secret.
    #[error("the Secret `{SECRET}` is written by somebody else all the time")]
    Contended,
}

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        Self::Api(Box::new(error))
    }
}

/// The certificate to present and the authorities to trust.
#[derive(Clone)]
pub struct Issued {
    /// The certificate in PEM.
    pub certificate: String,
    /// Its private key.
    pub key: PrivateKey,
    /// The authorities to trust, in PEM: the `caBundle` before base64.
    pub bundle: String,
    /// When the certificate expires.
    pub expires: Timestamp,
    /// When to call [`Certificates::keep`] again at the latest.
    pub look_again: Timestamp,
}

/// The keeper of the Secret.
pub struct Certificates {
    secrets: Api<Secret>,
    hosts: Vec<String>,
}

/// What the Secret holds.
struct Stored {
    ca: Pair,
    leaf: Pair,
    next: Option<Pair>,
    previous: Option<String>,
}

impl Certificates {
    /// A keeper of the Secret in the operator's namespace, for a webhook called under these host names and addresses.
    pub fn new(client: Client, namespace: &str, hosts: Vec<String>) -> Self {
        Self {
            secrets: Api::namespaced(client, namespace),
            hosts,
        }
    }

    /// Takes every step that is due and returns what is stored then. `in_place` is the bundle that all webhook
    /// configurations were last seen to carry. Call it at start, at `look_again`, and when a new bundle is in place.
    pub async fn keep(&self, now: Timestamp, in_place: Option<&str>) -> Result<Issued, Error> {
        for _ in 0..ROUNDS {
            let found = self.secrets.get_opt(SECRET).await?;
            let stored = found.as_ref().and_then(Stored::read);
            let state = stored.as_ref().and_then(|stored| stored.state(&self.hosts));
            let in_place = stored
                .as_ref()
                .is_some_and(|stored| in_place == Some(stored.bundle().as_str()));
            let step = rotation::next(state.as_ref(), now, in_place);
            if let (Step::Wait(look_again), Some(stored), Some(state)) = (step, &stored, &state) {
                return Ok(stored.issued(state, look_again));
            }
            let stored = self.taken(step, stored, now)?;
            match self.write(found, &stored).await {
                Ok(()) => tracing::info!(?step, "the webhook's certificate was changed"),
                // Somebody else was quicker: what is there now decides.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Contended)
    }

    fn taken(&self, step: Step, stored: Option<Stored>, now: Timestamp) -> Result<Stored, Error> {
        Ok(match (step, stored) {
            (Step::PublishCa, Some(stored)) => Stored {
                next: Some(Pair::authority(now)?),
                ..stored
            },
            (
                Step::SwitchLeaf,
                Some(Stored {
                    ca, next: Some(next), ..
                }),
            ) => {
                let leaf = next.leaf(&self.hosts, now)?;
                Stored {
                    ca: next,
                    leaf,
                    next: None,
                    previous: Some(ca.certificate),
                }
            }
            (Step::ReissueLeaf, Some(stored)) => Stored {
                leaf: stored.ca.leaf(&self.hosts, now)?,
                ..stored
            },
            (Step::DropCa, Some(stored)) => Stored {
                previous: None,
                ..stored
            },
            (Step::StartOver | Step::SwitchLeaf | Step::Wait(_), _)
            | (Step::PublishCa | Step::ReissueLeaf | Step::DropCa, None) => {
                let ca = Pair::authority(now)?;
                Stored {
                    leaf: ca.leaf(&self.hosts, now)?,
                    ca,
                    next: None,
                    previous: None,
                }
            }
        })
    }

    async fn write(&self, found: Option<Secret>, stored: &Stored) -> Result<(), kube::Error> {
        let parameters = PostParams::default();
        if let Some(found) = found {
            let secret = Secret {
                data: Some(stored.data()),
                ..found
            };
            self.secrets.replace(SECRET, &parameters, &secret).await?;
        } else {
            let metadata = ObjectMeta {
                name: Some(SECRET.to_owned()),
                ..ObjectMeta::default()
            };
            let type_ = Some("kubernetes.io/tls".to_owned());
            let secret = Secret {
                metadata,
                type_,
                data: Some(stored.data()),
                ..Secret::default()
            };
            self.secrets.create(&parameters, &secret).await?;
        }
        Ok(())
    }
}

impl Stored {
    /// What a Secret holds; nothing if something that is needed is missing.
    fn read(secret: &Secret) -> Option<Self> {
        let data = secret.data.as_ref()?;
        let text = |key: &str| String::from_utf8(data.get(key)?.0.clone()).ok();
        let pair = |certificate: &str, key: &str| {
            Some(Pair {
                certificate: text(certificate)?,
                key: PrivateKey::from_pem(text(key)?),
            })
        };
        Some(Self {
            ca: pair("ca.crt", "ca.key")?,
            leaf: pair("tls.crt", "tls.key")?,
            next: pair("next-ca.crt", "next-ca.key"),
            previous: text("previous-ca.crt"),
        })
    }

    fn data(&self) -> BTreeMap<String, ByteString> {
        let Self {
            ca,
            leaf,
            next,
            previous,
        } = self;
        let pairs = [
            Some(("ca.crt", "ca.key", ca)),
            Some(("tls.crt", "tls.key", leaf)),
            next.as_ref().map(|next| ("next-ca.crt", "next-ca.key", next)),
        ];
        let pairs = pairs.into_iter().flatten();
        let pairs = pairs.flat_map(|(name, key, pair)| [(name, pair.certificate.as_str()), (key, pair.key.reveal())]);
        let previous = previous.iter().map(|previous| ("previous-ca.crt", previous.as_str()));
        pairs
            .chain(previous)
            .map(|(key, text)| (key.to_owned(), ByteString(text.into())))
            .collect()
    }

    /// As far as the next step depends on it; nothing if the authority is unusable.
    fn state(&self, hosts: &[String]) -> Option<State> {
        let validity = |pair: &Pair| pair.facts().map(|facts| facts.validity).ok();
        let ca = validity(&self.ca)?;
        let leaf = match self.leaf.facts() {
            Ok(facts) => {
                let fits = self.ca.signed(&self.leaf.certificate) && hosts.iter().all(|host| facts.covers_host(host));
                Leaf {
                    validity: facts.validity,
                    fits,
                }
            }
            Err(_) => Leaf {
                validity: ca,
                fits: false,
            },
        };
        let previous = self
            .previous
            .as_ref()
            .map(|previous| pair::facts(previous).map_or(ca, |facts| facts.validity));
        Some(State {
            ca,
            leaf,
            next: self.next.as_ref().and_then(validity),
            previous,
        })
    }

    /// In the order of their making, so that the switch of the leaf does not change the bundle.
    fn bundle(&self) -> String {
        let next = self.next.as_ref().map(|next| next.certificate.as_str());
        let authorities = [self.previous.as_deref(), Some(self.ca.certificate.as_str()), next];
        authorities.into_iter().flatten().collect()
    }

    fn issued(&self, state: &State, look_again: Timestamp) -> Issued {
        let State {
            leaf: Leaf {
                validity: Validity { not_after, .. },
                ..
            },
            ..
        } = *state;
        Issued {
            certificate: self.leaf.certificate.clone(),
            key: self.leaf.key.clone(),
            bundle: self.bundle(),
            expires: not_after,
            look_again,
        }
    }
}

#[cfg(test)]
mod tests;
