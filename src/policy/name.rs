//! Names: which object is meant, and when two spellings are one name.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;
use unicode_normalization::UnicodeNormalization;

/// The kinds that are reconciled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A session.
    Impersonation,
    /// A tenant.
    Tenant,
    /// A role.
    Role,
    /// An employee.
    Employee,
    /// An application's permissions.
    PermissionCatalog,
    /// What a tenant says to a session.
    Consent,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Impersonation,
        Self::Tenant,
        Self::Role,
        Self::Employee,
        Self::PermissionCatalog,
        Self::Consent,
    ];

    /// As it is written in manifests and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "Tenant",
            Self::Role => "Role",
            Self::Employee => "Employee",
            Self::Impersonation => "Impersonation",
            Self::PermissionCatalog => "PermissionCatalog",
            Self::Consent => "ImpersonationConsent",
        }
    }

    /// The kind of that name.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// An object's namespace (empty for cluster-scoped ones) and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name in it.
    pub name: Arc<str>,
}

impl Name {
    /// The object `name` in `namespace`.
    pub fn new(namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The Tenant object that `namespace` belongs to: the one of its own name (T1).
    pub fn tenant(namespace: &str) -> Self {
        Self::new(namespace, namespace)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// One object to look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
}

impl Key {
    /// The object of `kind` called `name`.
    pub fn new(kind: Kind, name: Name) -> Self {
        Self { kind, name }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}

/// A name for people, compared as rule R3 says: normalised (NFC) and case-folded, so that `admin` and `Admin` are one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folded(Arc<str>);

impl Folded {
    /// Folds `text`.
    pub fn new(text: &str) -> Self {
        // Most names are ASCII, and a review folds several.
        if text.is_ascii() {
            return Self(text.to_ascii_lowercase().into());
        }
        Self::of_letters(text)
    }

    fn of_letters(text: &str) -> Self {
        let folded = caseless::default_case_fold_str(&text.nfc().collect::<String>());
        Self(folded.nfc().collect::<String>().into())
    }

    /// The folded text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who came first: the older object wins a name; of two made in the same second, the one with the smaller UID.
pub fn older(a: (jiff::Timestamp, &str), b: (jiff::Timestamp, &str)) -> bool {
    a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)) == Ordering::Less
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r3_names_that_differ_in_case_or_composition_are_one() {
        for (a, b) in [
            ("admin", "Admin"),
            ("É", "e\u{301}"),
            ("STRASSE", "straße"),
            ("Σίσυφος", "ΣΊΣΥΦΟΣ"),
        ] {
            assert_eq!(Folded::new(a), Folded::new(b), "{a} and {b}");
        }
        assert_ne!(
            Folded::new("alice"),
            Folded::new("\u{430}lice"),
            "a Cyrillic letter makes another name"
        );
        for letter in '\0'..='\x7f' {
            let name = format!("a{letter}Z");
            assert_eq!(Folded::new(&name), Folded::of_letters(&name), "{name:?}");
        }
    }
}
