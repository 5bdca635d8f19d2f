//! What nobody vouches for: forgeries, what nobody saw, and deletions.

use super::*;

#[test]
fn r13_what_we_did_not_seal_is_told_as_a_claim_and_explains_nothing() {
    let (old, new) = (
        json!({"displayName": "Team Lead"}),
        json!({"displayName": "Shift Lead"}),
    );
    let sealed = carries(&write(Some(&old), &new, None)).pending.unwrap();
    let elsewhere = Key::new(Kind::Role, Name::new(PARIS, "other"));
    let known = Known {
        recorded: Some(3),
        deletions: &[],
        employees: Employees::Sessions,
    };
    let forged = sealed.replace(CHAUVELIN, MARGUERITE);
    let sealed_by_another = Keys::new(&[8; 32], []);
    let cases = [
        (
            "changed",
            due(&role_key(), &held(Some(&forged)), known, &keys(), at(NOW)),
        ),
        (
            "of another role",
            due(&elsewhere, &held(Some(&sealed)), known, &keys(), at(NOW)),
        ),
        (
            "with another key",
            due(&role_key(), &held(Some(&sealed)), known, &sealed_by_another, at(NOW)),
        ),
        (
            "no JSON",
            due(&role_key(), &held(Some("nonsense")), known, &keys(), at(NOW)),
        ),
    ];
    for (case, due) in cases {
        let [record] = due.records.as_slice() else {
            panic!("{case}: {due:?}")
        };
        assert!(!record.spec.actor.verified, "{case}");
        let noted = Noted::read(PARIS, &record.spec);
        assert_eq!(noted, None, "{case}: a claim burns no name and explains nothing");
        let unexplained = due.unexplained.unwrap();
        assert_eq!(actor(&unexplained), ("unknown", false), "{case}");
        assert_eq!(unexplained.spec.generation, Some(4), "{case}");
    }
    let turned = Keys::new(&[9; 32], [[7; 32].as_slice().into()]);
    let due = due(&role_key(), &held(Some(&sealed)), known, &turned, at(NOW));
    assert_eq!(due.unexplained, None, "what the previous key sealed is believed");
    let many = json!(vec![outbox::read(&sealed)[0].clone(); MAX_NOTES + 1]).to_string();
    assert_eq!(
        follows(&held(Some(&many)), Some(3), &[]).records.len(),
        1,
        "a flood is one claim"
    );
}

#[test]
fn r13_a_generation_that_nothing_explains_is_by_somebody_unknown() {
    for (recorded, generation, wanted) in [(None, 1, Some(1)), (Some(3), 4, Some(4)), (Some(4), 4, None)] {
        let held = Held {
            generation,
            ..held(None)
        };
        let unexplained = follows(&held, recorded, &[]).unexplained;
        assert_eq!(unexplained.and_then(|record| record.spec.generation), wanted);
    }
}

#[test]
fn r13_who_deleted_is_told_if_one_alone_can_have_been_it() {
    let asked = |by: &str, time: &str| Deletion {
        author: Author {
            by: by.to_owned(),
            on_behalf_of: None,
            session: None,
        },
        at: at(time),
        counts: true,
    };
    let mut deleted = held(None);
    deleted.deleted = Some(at("2026-11-20T12:00:00Z"));
    deleted.generation = 5;
    deleted.last = changes(Some(&json!({"displayName": "Team Lead"})), None).into();
    let record = follows(&deleted, Some(4), &[]).deletion.unwrap();
    assert_eq!(told(&record.spec.changes), ["spec.displayName: Team Lead → nothing"]);
    let just = asked(CHAUVELIN, "2026-11-20T11:59:59Z");
    for (deletions, wanted) in [
        (vec![just.clone()], (CHAUVELIN, true)),
        (vec![just.clone(), just.clone()], (CHAUVELIN, true)),
        (
            vec![asked(MARGUERITE, "2026-11-20T11:50:00Z"), just.clone()],
            (CHAUVELIN, true),
        ),
        (
            vec![asked(MARGUERITE, "2026-11-20T12:05:00Z"), just.clone()],
            (CHAUVELIN, true),
        ),
        (
            vec![asked(MARGUERITE, "2026-11-20T11:59:58Z"), just],
            ("unknown", false),
        ),
        (vec![asked(MARGUERITE, "2026-11-20T11:50:00Z")], ("unknown", false)),
        (vec![], ("unknown", false)),
    ] {
        let due = follows(&deleted, Some(4), &deletions);
        let record = due.deletion.unwrap();
        assert_eq!(actor(&record), wanted, "{deletions:?}");
        assert_eq!(record.spec.operation, Operation::Delete);
        assert_eq!(record.spec.time.0, at("2026-11-20T12:00:00Z"));
        assert_eq!(due.unexplained, None, "to be deleted makes a generation too");
        assert!(due.write);
    }
}
