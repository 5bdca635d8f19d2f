//! What is asked for when a tenant is to be entered.

use crate::api::{Impersonation, ImpersonationSpec, Mode};
use kube::api::ObjectMeta;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// A request to enter.
pub fn request(user: &str, tenant: &str, mode: Mode, reason: &str) -> Impersonation {
    let spec = ImpersonationSpec {
        mode,
        impersonator: user.to_owned(),
        reason: reason.to_owned(),
        ticket: None,
        duration: None,
        not_after: None,
        stop: false,
    };
    let metadata = ObjectMeta {
        name: Some(name(user)),
        namespace: Some(tenant.to_owned()),
        ..ObjectMeta::default()
    };
    Impersonation {
        metadata,
        spec,
        status: None,
    }
}

/// Whether a warning is the banner, which admission shows beforehand (I6).
pub fn is_banner(warning: &str) -> bool {
    warning.starts_with("You are currently impersonating")
}

/// A name for a session of that user.
fn name(user: &str) -> String {
    let local = user
        .rsplit(':')
        .next()
        .unwrap_or(user)
        .split('@')
        .next()
        .unwrap_or(user);
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let local: String = local.chars().map(plain).take(40).collect();
    let local = local.trim_matches('-');
    let local = if local.is_empty() { "session" } else { local };
    unlikely(local)
}

/// A name with that beginning that no other object is likely to have.
pub fn unlikely(begin: &str) -> String {
    let begin: String = begin.chars().take(54).collect();
    // The standard library's own seed is the only source of chance that is needed.
    let chance = RandomState::new().build_hasher().finish();
    format!("{begin}-{:08x}", chance & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_label_whatever_the_user_is_called() {
        for (user, begin) in [
            ("dewhurst@lsp.example", "dewhurst-"),
            ("Percy.Blakeney@x", "percy-blakeney-"),
            ("system:serviceaccount:lsp:bot", "bot-"),
            ("@", "session-"),
            ("éé", "session-"),
        ] {
            let name = name(user);
            assert!(name.starts_with(begin), "{name}");
            let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
            assert!(
                name.chars().all(plain) && name.len() <= 63 && !name.starts_with('-'),
                "{name}"
            );
        }
        assert!(name(&"x".repeat(300)).len() <= 63);
        assert_ne!(name("a"), name("a"));
    }
}
