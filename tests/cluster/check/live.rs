//! `check --cluster`: manifests beside what is in the cluster, as the person whom the kubeconfig is for.

use super::*;
use crate::common::cast::{STRANGER, Stage};
use std::process::{Command, Output};

/// What the command says to `manifest`, asked as the user of `kubeconfig`.
fn check(manifest: &Value, kubeconfig: &Path, stage: &Stage) -> Result<Output> {
    let file = stage.world.plane().dir().join("manifest.yaml");
    std::fs::write(&file, serde_yaml::to_string(manifest)?)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_pimpernel"));
    command.args(["check", "--cluster", "-o", "json", "--kubeconfig"]);
    Ok(command.arg(kubeconfig).arg(file).output()?)
}

#[tokio::test]
async fn check_beside_a_cluster_counts_on_what_is_there_and_writes_nothing() -> Result<()> {
    let stage = Stage::set(World::of(Wish::default()).await?).await?;
    let admin = stage.world.plane().admin();
    let employee = |role: &str| {
        let spec = format!("{{username: ney@lsp-paris.example, state: Active, primaryRole: {role}}}");
        object("Employee lsp-paris/ney", &spec)
    };
    let taken = object("Role lsp-paris/watch", "{displayName: MONITOR, state: Active}");
    for (manifest, code, said) in [
        (employee("team-lead"), 0, ""),
        (employee("nobody"), 0, "role `nobody` does not exist yet"),
        (taken, 1, "is the name of role `team-lead` already"),
    ] {
        let output = check(&manifest, admin, &stage)?;
        let answer: Value = serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))?;
        ensure!(output.status.code() == Some(code), "{code} was due: {answer}");
        let words = |list: &str, field: &str| -> Vec<String> {
            let all = answer["objects"][0][list].as_array().into_iter().flatten();
            all.map(|one| one.get(field).unwrap_or(one).as_str().unwrap_or_default().to_owned())
                .collect()
        };
        let all = [words("violations", "message"), words("warnings", "")].concat();
        ensure!(
            if said.is_empty() {
                all.is_empty()
            } else {
                all.iter().any(|one| one.contains(said))
            },
            "«{said}» was due: {all:?}"
        );
        let name = name_of(&manifest);
        ensure!(stage.admin.get(&name).await?.code == 404, "{name} was written");
    }
    let output = check(
        &employee("team-lead"),
        &stage.world.plane().user(STRANGER, &[])?,
        &stage,
    )?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        output.status.code() == Some(2) && stderr.contains("the cluster does not show you its objects of kind"),
        "{stderr}"
    );
    Ok(())
}
