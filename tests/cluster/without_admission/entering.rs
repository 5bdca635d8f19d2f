//! What breaks each rule about sessions, beside the same mended.

use super::{Case, case, dewhursts};
use crate::common::cast::{CHAUVELIN, DEWHURST, FFOULKES, STRANGER};

/// I1 to I4, I7, I8.
pub fn impersonations() -> Vec<Case> {
    let why = "reason: He cannot save his skill";
    let right = dewhursts("duration: 1h");
    let open = |sentence: &str, name: &str, wrong: &str| {
        case(sentence, &format!("Impersonation lsp-paris/{name}"), wrong, &right)
    };
    let by = |mode: &str, user: &str| format!("{{mode: {mode}, impersonator: '{user}', {why}}}");
    let elsewhere = |sentence: &str, which: &str, wrong: &str| case(sentence, which, wrong, wrong);
    vec![
        open(
            "I2: somebody whom nobody employs",
            "i2-stranger",
            &by("Support", STRANGER),
        ),
        open("I2: the other mode's right", "i2-mode", &by("Support", FFOULKES)),
        open("I2: another case", "i2-case", &by("Support", "Dewhurst@lsp.example")),
        open("I2: nobody", "i2-nobody", &by("Support", "")),
        open(
            "I2: one of Kubernetes' own",
            "i2-system",
            &by("Support", "system:anonymous"),
        ),
        elsewhere(
            "I2: the parent's parent, not a Provider",
            "Impersonation paris-nord/i2-far",
            &by("Support", DEWHURST),
        ),
        open("I3: one's own tenant", "i3-own", &by("Support", CHAUVELIN)),
        elsewhere(
            "I1: Support in a Draft tenant",
            "Impersonation lsp-calais/i1-draft",
            &dewhursts(""),
        ),
        elsewhere(
            "I4: a mode that is switched off",
            "Impersonation i4-off/case",
            &dewhursts(""),
        )
        .given("Namespace i4-off", "{}")
        .given(
            "Tenant i4-off/i4-off",
            "{displayName: X, type: Customer, state: Active, parent: lsp, impersonation: {support: Disabled}}",
        ),
        open(
            "I7: a reason of nine characters",
            "i7-short",
            &format!("{{mode: Support, impersonator: {DEWHURST}, reason: He asked.}}"),
        ),
        open(
            "I7: blanks",
            "i7-blank",
            &format!("{{mode: Support, impersonator: {DEWHURST}, reason: '            '}}"),
        ),
        open("I8: fourteen minutes", "i8-short", &dewhursts("duration: 14m")),
        open("I8: more than a day", "i8-long", &dewhursts("duration: 25h")),
        open(
            "I8: more than the tenant allows",
            "i8-tenant",
            &dewhursts("duration: 5h"),
        ),
        open("I8: no length", "i8-none", &dewhursts("duration: for ever")),
        open(
            "I8: an overflow",
            "i8-overflow",
            &dewhursts("duration: 9999999999999999999h"),
        ),
        open(
            "I8: two ends",
            "i8-both",
            &dewhursts("duration: 1h, notAfter: 2036-01-01T00:00:00Z"),
        ),
        open(
            "I8: an end far away",
            "i8-far",
            &dewhursts("notAfter: 2036-01-01T00:00:00Z"),
        ),
        open(
            "I7, I8: two at once",
            "i8-two",
            &format!("{{mode: Support, impersonator: {STRANGER}, reason: x, duration: 1m}}"),
        ),
    ]
}
