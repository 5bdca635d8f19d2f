//! The rights that the chart gives to the operator are those that it uses, no more and no less. What it hands out besides, by
//! catalogues, is left out: the API server lets nobody give what they have not.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use pimpernel_launcher::{assets, audit, repository, wait};
use serde_json::Value;

use crate::common::PATIENCE;
use crate::common::chart::Release;

/// Verb, resource such as `roles.pimpernel.dev/status`, and namespace; everywhere if that is empty.
type Right = (String, String, String);

/// What is needed otherwise than by a request of the operator's own while all goes well: the verb, the resource, why, and the
/// test that fails without it.
const OTHERWISE: [(&str, &str, &str, &str); 7] = [
    (
        "get",
        "customresourcedefinitions.apiextensions.k8s.io",
        "to tell a kind that is gone",
        "v8_a_definition_is_not_deleted_by_a_slip",
    ),
    (
        "create",
        "impersonations.pimpernel.dev",
        "given to impersonators",
        HANDED_OUT,
    ),
    (
        "get",
        "impersonations.pimpernel.dev",
        "given to impersonators, and also in the rights of a catalogue",
        "without_the_rights_of_catalogues_those_to_enter_are_given_still",
    ),
    (
        "patch",
        "impersonations.pimpernel.dev",
        "given to impersonators",
        HANDED_OUT,
    ),
    (
        "update",
        "impersonations.pimpernel.dev",
        "given to impersonators",
        HANDED_OUT,
    ),
    (
        "get",
        "secrets",
        "given to one impersonator: the credential",
        HANDED_OUT,
    ),
    (
        "patch",
        "events.events.k8s.io",
        "to tell the same again",
        "what_is_taken_from_the_registration_is_noticed",
    ),
];
const HANDED_OUT: &str = "with_helm_4_the_chart_is_enough_for_the_quickstart";

/// The account of the operator.
const ACCOUNT: &str = "system:serviceaccount:pimpernel-system:pimpernel-operator";

fn given(release: &Release) -> Result<BTreeSet<Right>> {
    let mut rights = BTreeSet::new();
    for (kind, namespace) in [
        ("clusterrole", ""),
        ("role", "pimpernel-system"),
        ("role", "pimpernel-sessions"),
    ] {
        let kind = format!("{kind}.rbac.authorization.k8s.io");
        let mut args = vec!["get", &kind, "pimpernel-operator", "--output=json"];
        let at = format!("--namespace={namespace}");
        if !namespace.is_empty() {
            args.push(&at);
        }
        let role: Value = serde_json::from_str(&release.kubectl(&args)?)?;
        for rule in role["rules"].as_array().context("no rules")? {
            let list = |field: &str| rule[field].as_array().cloned().unwrap_or_default();
            let words = |field: &str| {
                list(field)
                    .into_iter()
                    .filter_map(|word| Some(word.as_str()?.to_owned()))
                    .collect::<Vec<_>>()
            };
            for (group, resource) in words("apiGroups")
                .iter()
                .flat_map(|group| words("resources").into_iter().map(move |resource| (group, resource)))
            {
                let (resource, sub) = resource
                    .split_once('/')
                    .map_or((resource.clone(), String::new()), |(one, sub)| {
                        (one.to_owned(), format!("/{sub}"))
                    });
                let group = if group.is_empty() {
                    String::new()
                } else {
                    format!(".{group}")
                };
                for verb in words("verbs") {
                    rights.insert((verb, format!("{resource}{group}{sub}"), namespace.to_owned()));
                }
            }
        }
    }
    Ok(rights)
}

/// What was used of them. An apply that creates needs the right to create as well.
fn used(release: &Release, given: &BTreeSet<Right>) -> Result<BTreeSet<Right>> {
    let mut used = BTreeSet::new();
    for request in audit::all(release.plane())? {
        // What is not there, or was changed meanwhile, was allowed to be asked for all the same.
        if request.user != ACCOUNT || request.code == 403 {
            continue;
        }
        let namespace = request.object.split('/').next().unwrap_or_default();
        let verbs = [
            Some(request.verb.as_str()),
            (request.verb == "patch" && request.code == 201).then_some("create"),
        ];
        for verb in verbs.into_iter().flatten() {
            let right = |namespace: &str| (verb.to_owned(), request.resource.clone(), namespace.to_owned());
            used.extend(
                [right(namespace), right("")]
                    .into_iter()
                    .find(|right| given.contains(right)),
            );
        }
    }
    Ok(used)
}

#[test]
fn the_chart_gives_every_right_that_the_operator_uses_and_no_other() -> Result<()> {
    let release = Release::install(&assets::helms()?[0])?;
    let operator = release.start_operator()?;
    operator.wait_ready(PATIENCE)?;
    super::play(&release, "stories")?;
    // A certificate that cannot be read is made anew.
    let broken = r#"--patch={"data":{"tls.crt":"bm8="}}"#;
    let secret = [
        "secret",
        "pimpernel-webhook-certificate",
        "--namespace=pimpernel-system",
    ];
    release.kubectl(&[&["patch"], &secret[..], &["--type=merge", broken]].concat())?;
    are_all_used(&release)?;
    super::had_its_rights(&operator)
}

#[test]
fn without_the_rights_of_catalogues_those_to_enter_are_given_still() -> Result<()> {
    let release = Release::install(&assets::helms()?[0])?;
    release.upgrade("catalog.bring=none,catalog.rights=false")?;
    let operator = release.start_operator()?;
    operator.wait_ready(PATIENCE)?;
    for file in ["00-namespaces", "10-tenants"] {
        let file = repository().join(format!("examples/quickstart/{file}.yaml"));
        release.kubectl(&["apply", "--server-side", "-f", &file.to_string_lossy()])?;
    }
    for mode in ["configure", "support"] {
        let role = format!("role.rbac.authorization.k8s.io/pimpernel:impersonators:{mode}");
        let in_tenant = |args: &[&str]| release.kubectl(&[args, &["--namespace=lsp-paris", &role]].concat());
        in_tenant(&["wait", "--for=create", "--timeout=30s"])?;
        // What the operator lacks it leaves out.
        let verbs = in_tenant(&[
            "get",
            "--output=jsonpath={.rules[?(@.resources[0]=='impersonations')].verbs}",
        ])?;
        let all = r#"["create","get","list","patch","update","watch"]"#;
        ensure!(verbs == all, "{role} has {verbs}");
    }
    super::had_its_rights(&operator)
}

/// That every right was used, or is needed for what a table says.
fn are_all_used(release: &Release) -> Result<()> {
    let given = given(release)?;
    let otherwise: BTreeSet<(&str, &str)> = OTHERWISE
        .iter()
        .map(|(verb, resource, ..)| (*verb, *resource))
        .collect();
    let unused = || -> Result<Vec<Right>> {
        let used = used(release, &given)?;
        let left = given.iter().filter(|right| !used.contains(right));
        let left = left.filter(|(verb, resource, _)| !otherwise.contains(&(verb.as_str(), resource.as_str())));
        Ok(left.cloned().collect())
    };
    let all = wait::until("every right to be used", PATIENCE, || {
        Ok(unused()?.is_empty().then_some(()))
    });
    all.with_context(|| format!("the chart gives more than is needed: {:#?}", unused()))?;
    for (verb, resource, why, test) in OTHERWISE {
        ensure!(
            given.iter().any(|right| right.0 == verb && right.1 == resource),
            "{verb} {resource}: not given"
        );
        ensure!(is_a_test(test)?, "{verb} {resource}, {why}: there is no test {test}");
    }
    Ok(())
}

fn is_a_test(name: &str) -> Result<bool> {
    let mut folders = vec![repository().join("tests")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read_to_string(&path).is_ok_and(|text| text.contains(&format!("fn {name}"))) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
