//! The policies as files.

use super::*;

#[test]
fn every_file_in_policies_is_embedded() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let embedded: Vec<_> = POLICIES.iter().map(|(name, _)| format!("{name}.yaml")).collect();
    assert_eq!(files, embedded);
}

#[test]
fn policies_are_complete_and_bound_by_their_own_name() {
    let objects = policies(&names()).unwrap();
    assert_eq!(objects.len(), 2 * POLICIES.len());
    for (pair, (file, _)) in objects.chunks(2).zip(POLICIES) {
        let (policy, binding) = (&pair[0], &pair[1]);
        let name = format!("{file}.pimpernel.dev");
        assert_eq!(policy["metadata"]["name"], name.as_str());
        assert_eq!(policy["spec"]["failurePolicy"], "Fail");
        assert_eq!(policy["spec"]["matchConstraints"]["matchPolicy"], "Equivalent");
        assert_eq!(binding["spec"]["policyName"], name.as_str());
        assert_eq!(binding["spec"]["validationActions"], json!(["Deny", "Audit"]));
    }
}

#[test]
fn messages_name_a_field_and_never_say_immutable() {
    for policy in policies(&names()).unwrap() {
        for validation in policy["spec"]["validations"].as_array().into_iter().flatten() {
            let message = validation["messageExpression"].as_str().unwrap();
            let field = message.trim_start_matches('\'').split(':').next().unwrap();
            assert!(
                ["metadata.", "spec.", "status"].iter().any(|at| field.starts_with(at)),
                "{message}"
            );
            let after = message.split_once(": ").unwrap().1;
            assert!(after.contains('`') && after.contains([';', ':']), "{message}");
            assert!(!message.contains("immutable"), "{message}");
        }
    }
}

#[test]
fn a_name_that_could_end_a_string_is_refused() {
    for name in ["", "o'brien", "a\nb", "${OPERATOR_NAMESPACE}", "a b"] {
        let refused = policies(&Names {
            operator_user: name.into(),
            ..names()
        })
        .unwrap_err();
        assert!(matches!(refused, Error::Name(_)), "{name}");
    }
    policies(&Names {
        operator_user: "scarlet@lsp.example".into(),
        ..names()
    })
    .unwrap();
}
