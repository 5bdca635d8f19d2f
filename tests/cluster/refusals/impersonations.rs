//! I1 to I3, I6 to I9 and I12: who may open a session, where, why and for how long. What is right is only tried here, so
//! that one session does not stand in the way of the next; open sessions are a matter of their own.

use super::{Row, row};
use crate::common::cast::{CHAUVELIN, DEWHURST, FFOULKES, MARGUERITE, PERCY, STRANGER};

/// All of it.
pub fn rows() -> Vec<Row> {
    [modes(), people(), whys(), lengths(), one_at_a_time(), final_things()].concat()
}

const CASE: &str = "Impersonation lsp-paris/case-1792";
const WHY: &str = "He cannot save his outbound skill";

fn session(mode: &str, user: &str, rest: &str) -> String {
    format!("{{mode: {mode}, impersonator: {user}, reason: {WHY}, {rest}}}")
}

fn modes() -> Vec<Row> {
    vec![
        row("I1: a mode is Configure or Support")
            .by(DEWHURST)
            .wrong(CASE, &session("Spy", DEWHURST, ""))
            .says("spec.mode: Unsupported value: \"Spy\"")
            .would_be_right(CASE, &session("Configure", DEWHURST, "")),
        row("I1: Support needs an Active tenant")
            .by(DEWHURST)
            .wrong("Impersonation lsp-calais/case", &session("Support", DEWHURST, ""))
            .says("spec.mode: tenant `lsp-calais` is `Draft`")
            .would_be_right("Impersonation lsp-calais/case", &session("Configure", DEWHURST, "")),
        row("I1: an Inactive tenant is not entered at all")
            .by(DEWHURST)
            .given("Namespace lsp-shut", "{}")
            .given(
                "Tenant lsp-shut/lsp-shut",
                "{displayName: Shut, type: Customer, parent: lsp, state: Inactive}",
            )
            .wrong("Impersonation lsp-shut/case", &session("Configure", DEWHURST, ""))
            .says("spec.mode: tenant `lsp-shut` is `Inactive`"),
        row("I4: a mode that the tenant has switched off is refused")
            .by(DEWHURST)
            .given("Namespace lsp-closed", "{}")
            .given(
                "Tenant lsp-closed/lsp-closed",
                "{displayName: Closed, type: Customer, parent: lsp, state: Active, impersonation: {support: Disabled}}",
            )
            .wrong("Impersonation lsp-closed/case", &session("Support", DEWHURST, ""))
            .says("spec.mode: tenant `lsp-closed` has switched `Support` off")
            .would_be_right("Impersonation lsp-closed/case", &session("Configure", DEWHURST, "")),
        row("I6: the banner is told, word for word")
            .by(DEWHURST)
            .would_be_right(CASE, &session("Support", DEWHURST, ""))
            .warns("You are currently impersonating Impersonated Admin on tenant [LSP Paris]"),
    ]
}

fn people() -> Vec<Row> {
    let later = "notAfter: 2036-01-01T00:00:00Z";
    vec![
        row("I2: the right for Configure is none for Support")
            .by(FFOULKES)
            .wrong(CASE, &session("Support", FFOULKES, ""))
            .says("spec.impersonator: `ffoulkes@lsp.example` has no right to enter `lsp-paris` for `Support`")
            .says("only for `Configure`")
            .would_be_right(CASE, &session("Configure", FFOULKES, "")),
        row("I2: the right for Support is none for Configure")
            .by(MARGUERITE)
            .wrong(CASE, &session("Configure", MARGUERITE, ""))
            .says("has no right to enter `lsp-paris` for `Configure`")
            .would_be_right(CASE, &session("Support", MARGUERITE, "")),
        row("I2: the parent's parent may not, unless it is a Provider")
            .wrong("Impersonation paris-nord/case", &session("Support", DEWHURST, later))
            .says("`dewhurst@lsp.example` has no right to enter `paris-nord`"),
        row("I2: a Provider above may, at any distance").by(PERCY).would_be_right("Impersonation paris-nord/case", &session("Support", PERCY, "")),
        row("I2: the partner may not enter the vendor")
            .wrong("Impersonation classics/case", &session("Support", DEWHURST, later))
            .says("has no right to enter `classics`"),
        row("I2: somebody whom nobody employs may not, whoever asks for it")
            .wrong(CASE, &session("Support", STRANGER, later))
            .says("`kulmsted@nowhere.example` has no right to enter `lsp-paris`"),
        row("I2: the case of a user name is part of who it is")
            .wrong(CASE, &session("Support", "Dewhurst@lsp.example", later))
            .says("has no right to enter"),
        row("I2: a stranger is refused by RBAC").by(STRANGER).wrong(CASE, &session("Support", STRANGER, "")).says("forbidden: User \"kulmsted@nowhere.example\" cannot"),
        row("I3: nobody enters their own tenant").by(CHAUVELIN).wrong(CASE, &session("Support", CHAUVELIN, "")).says("forbidden: User \"chauvelin@lsp-paris.example\" cannot"),
        row("I3: nobody enters their own tenant, whoever asks for it and whatever they may elsewhere")
            .given("Namespace lsp-twice", "{}")
            .given("Tenant lsp-twice/lsp-twice", "{displayName: Twice, type: Customer, parent: lsp, state: Active}")
            .given("Employee lsp-twice/tony", "{username: DEWHURST@lsp.example, primaryRole: agent}")
            .by(DEWHURST)
            .wrong("Impersonation lsp-twice/case", &session("Support", DEWHURST, ""))
            .says("spec.impersonator: `dewhurst@lsp.example` is an employee of `lsp-twice`, and nobody enters their own tenant"),
        row("I12: nobody opens a session in another's name")
            .by(FFOULKES)
            .wrong(CASE, &session("Support", DEWHURST, ""))
            .says("spec.impersonator: `dewhurst@lsp.example` is not you, `ffoulkes@lsp.example`"),
        row("I12: not even with an absolute end")
            .by(FFOULKES)
            .wrong(CASE, &session("Support", DEWHURST, later))
            .says("is not you"),
        row("I12: who may, gives an absolute end").wrong(CASE, &session("Support", DEWHURST, "")).says("spec.notAfter: is missing"),
    ]
}

fn whys() -> Vec<Row> {
    let why = |why: &str| format!("{{mode: Support, impersonator: {DEWHURST}, reason: '{why}'}}");
    vec![
        row("I7: a reason is required")
            .by(DEWHURST)
            .wrong(CASE, &format!("{{mode: Support, impersonator: {DEWHURST}}}"))
            .says("spec.reason: Required value"),
        row("I7: a reason has at least ten characters")
            .by(DEWHURST)
            .wrong(CASE, &why("He asked."))
            .says("spec.reason")
            .says("at least 10")
            .would_be_right(CASE, &why("He asked.!")),
        row("I7: blanks are no reason")
            .by(DEWHURST)
            .wrong(CASE, &why("    .     "))
            .says("spec.reason: has 1 characters"),
        row("I7: a reason has at most 500 characters")
            .by(DEWHURST)
            .wrong(CASE, &why(&"r".repeat(501)))
            .says("spec.reason: Too long")
            .would_be_right(CASE, &why(&"r".repeat(500))),
        row("I7: a ticket is optional, but not empty")
            .by(DEWHURST)
            .wrong(CASE, &session("Support", DEWHURST, "ticket: ''"))
            .says("spec.ticket"),
    ]
}

fn lengths() -> Vec<Row> {
    let lasting = |rest: &str| session("Support", DEWHURST, rest);
    let mut rows: Vec<Row> = ["14m59s", "24h1s", "0s", "25h"]
        .into_iter()
        .map(|length| {
            row(format!("I8: no session lasts {length}"))
                .by(DEWHURST)
                .wrong(CASE, &lasting(&format!("duration: {length}")))
                .says("spec.duration")
                .says("is outside `15m` to `24h`")
        })
        .collect();
    rows.extend(["1d", "-1h", "1.5h", "one hour", "60m1h", "PT1H"].map(|length| {
        row(format!("I8: `{length}` is no length"))
            .by(DEWHURST)
            .wrong(CASE, &lasting(&format!("duration: '{length}'")))
            .says("spec.duration: Invalid value")
    }));
    rows.extend([
        row("I8: a session lasts 15 minutes at least")
            .by(DEWHURST)
            .would_be_right(CASE, &lasting("duration: 15m")),
        row("I8: no session lasts longer than the tenant allows")
            .by(DEWHURST)
            .wrong(CASE, &lasting("duration: 4h1m"))
            .says("spec.duration: is `4h1m`, and the tenant allows `4h`")
            .would_be_right(CASE, &lasting("duration: 240m")),
        row("I8: an absolute end is no way around that")
            .by(DEWHURST)
            .wrong(CASE, &lasting("notAfter: 2099-01-01T00:00:00Z"))
            .says("spec.notAfter: `2099-01-01T00:00:00Z` is further away than the `4h` that the tenant allows"),
        row("I8: an end is given once")
            .by(DEWHURST)
            .wrong(CASE, &lasting("duration: 1h, notAfter: 2036-01-01T00:00:00Z"))
            .says("spec.notAfter")
            .says("is given beside `duration`"),
        row("I8: an end that has passed opens nothing")
            .by(DEWHURST)
            .would_be_right(CASE, &lasting("notAfter: 2020-01-01T00:00:00Z"))
            .warns("the end has passed already: nothing is opened"),
    ]);
    rows
}

fn one_at_a_time() -> Vec<Row> {
    let open = session("Support", PERCY, "duration: 20m");
    vec![
        row("I3: one session at a time, over all tenants")
            .by(PERCY)
            .right("Impersonation lsp-paris/percys", &open),
        row("I3: the second one is refused in another tenant too")
            .by(PERCY)
            .wrong("Impersonation paris-nord/percys-2", &open)
            .says("spec.impersonator: `blakeney@classics.example` has an open session already, `lsp-paris/percys`"),
    ]
}

/// What cannot change of the session that was opened above.
fn final_things() -> Vec<Row> {
    let percys = "Impersonation lsp-paris/percys";
    let cannot = "nothing but `stop` can change";
    let mut rows: Vec<Row> = [
        ("be extended", session("Support", PERCY, "duration: 40m")),
        ("lose its end", session("Support", PERCY, "")),
        (
            "be given another end",
            session("Support", PERCY, "notAfter: 2036-01-01T00:00:00Z"),
        ),
        ("change its mode", session("Configure", PERCY, "duration: 20m")),
        ("change its impersonator", session("Support", DEWHURST, "duration: 20m")),
        (
            "change its reason",
            format!("{{mode: Support, impersonator: {PERCY}, reason: Something else entirely, duration: 20m}}"),
        ),
        (
            "be given a ticket",
            session("Support", PERCY, "duration: 20m, ticket: CASE-1"),
        ),
    ]
    .into_iter()
    .map(|(what, spec)| {
        row(format!("I8: a session cannot {what}"))
            .by(PERCY)
            .wrong(percys, &spec)
            .says(cannot)
    })
    .collect();
    let stop = |stop: bool| session("Support", PERCY, &format!("duration: 20m, stop: {stop}"));
    rows.extend([
        row("I9: another impersonator does not stop a session")
            .by(DEWHURST)
            .wrong(percys, &stop(true))
            .says("spec.stop: `dewhurst@lsp.example` is not the impersonator"),
        row("I9: the administrator of the cluster does not stop a session by its field")
            .wrong(percys, &stop(true))
            .says("spec.stop: `kubernetes-admin` is not the impersonator")
            .says("to end it from outside, delete the Impersonation"),
        row("I9: the impersonator does").by(PERCY).right(percys, &stop(true)),
        row("I9: a stopped session does not begin again")
            .by(PERCY)
            .wrong(percys, &stop(false))
            .says("spec.stop")
            .says("cannot go back to `false`: a stopped session does not begin again"),
        row("I9: not by leaving the field out either")
            .by(PERCY)
            .wrong(percys, &session("Support", PERCY, "duration: 20m"))
            .says("cannot go back to `false`"),
        row("I3: after the end the next one may begin")
            .by(PERCY)
            .would_be_right("Impersonation paris-nord/percys-2", &session("Support", PERCY, "")),
    ]);
    rows
}
