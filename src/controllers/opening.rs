//! Who is being let in: of two sessions of one person that are looked at at the same moment only one is opened, although
//! the watch has not shown the account of either yet (I3).

use crate::policy::name::Folded;
use crate::policy::{Directory, Key};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The session that was opened last for each person.
#[derive(Default)]
pub struct Openings(Mutex<BTreeMap<Folded, (Key, Arc<str>)>>);

impl Openings {
    /// Whether the session `key` with that UID may be opened for `person`, as `directory` was when that was judged. It may
    /// not while another one is being opened of whose account `directory` does not know.
    pub fn begin(&self, person: &Folded, (key, uid): (&Key, &Arc<str>), directory: &Directory) -> bool {
        let mut openings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let unknown = |(other, other_uid): &(Key, Arc<str>)| {
            let exists = directory
                .session(&other.name)
                .is_some_and(|session| session.meta.uid == *other_uid);
            other_uid != uid && exists && directory.account(other_uid).is_none()
        };
        if openings.get(person).is_some_and(unknown) {
            return false;
        }
        openings.insert(person.clone(), (key.clone(), uid.clone()));
        true
    }

    /// The session with that UID is not to be open.
    pub fn end(&self, person: &Folded, uid: &str) {
        let mut openings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if openings.get(person).is_some_and(|(_, opened)| **opened == *uid) {
            openings.remove(person);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{ImpersonationSpec, Mode};
    use crate::policy::default_roles::Received;
    use crate::policy::directory::Account;
    use crate::policy::{Change, Entry, Kind, Meta, Name, Settings, impersonation};
    use jiff::Timestamp;

    fn session(name: &str) -> (Key, Arc<str>) {
        (Key::new(Kind::Impersonation, Name::new("lsp-paris", name)), name.into())
    }

    fn known(names: &[&str]) -> Directory {
        let mut directory = Directory::new(Settings {
            operator_namespace: "pimpernel-system".into(),
            sessions_namespace: "pimpernel-sessions".into(),
            impersonation: true,
        });
        for name in names {
            let spec = ImpersonationSpec {
                mode: Mode::Support,
                impersonator: "dewhurst@lsp.example".to_owned(),
                reason: "He cannot save his skill".to_owned(),
                ticket: None,
                duration: None,
                not_after: None,
                stop: false,
            };
            let meta = Meta {
                uid: (*name).into(),
                generation: 1,
                created: Timestamp::UNIX_EPOCH,
                deleting: false,
                ended: None,
                received: Received::default(),
            };
            let entry = Entry {
                meta,
                spec: impersonation::parse(&spec),
            };
            directory.fold(Change::Impersonation(session(name).0.name, Some(entry)));
        }
        directory
    }

    #[test]
    fn i3_of_two_sessions_of_one_person_that_are_opened_at_once_the_second_waits_until_the_first_is_known() {
        let person = Folded::new("Dewhurst@lsp.example");
        let (openings, mut directory) = (Openings::default(), known(&["first", "second"]));
        let (first, second) = (session("first"), session("second"));
        let begin =
            |(key, uid): &(Key, Arc<str>), directory: &Directory| openings.begin(&person, (key, uid), directory);
        assert!(begin(&first, &directory));
        assert!(begin(&first, &directory), "the same one once more");
        assert!(!begin(&second, &directory));
        let other = Folded::new("marguerite@lsp.example");
        assert!(
            openings.begin(&other, (&second.0, &second.1), &directory),
            "somebody else"
        );
        let account = Account {
            session: first.0.name.clone(),
            end: Timestamp::UNIX_EPOCH,
        };
        directory.fold(Change::Account(first.1.clone(), Some(account)));
        assert!(
            begin(&second, &directory),
            "the account is known, and the rules count on it"
        );
    }

    #[test]
    fn i3_one_that_is_not_opened_after_all_or_is_gone_is_no_hindrance() {
        let person = Folded::new("Dewhurst@lsp.example");
        let (openings, directory) = (Openings::default(), known(&["first", "second"]));
        let (first, second) = (session("first"), session("second"));
        assert!(openings.begin(&person, (&first.0, &first.1), &directory));
        openings.end(&person, "second");
        assert!(!openings.begin(&person, (&second.0, &second.1), &directory));
        openings.end(&person, "first");
        assert!(openings.begin(&person, (&second.0, &second.1), &directory));
        assert!(
            openings.begin(&person, (&first.0, &first.1), &known(&["first"])),
            "the second is gone"
        );
    }
}
