//! What people ask about permissions, and what they do about roles: as the people they are.

use super::{Person, Said, said};
use crate::common::cast::{CHAUVELIN, STRANGER, Stage};
use crate::common::{PATIENCE, World};
use anyhow::{Result, ensure};
use std::time::Instant;

const ARMAND: &str = "armand@lsp-paris.example";
/// Who may see all that the answers depend on, and write roles and employees.
const CLERK: &str = "{displayName: Clerk of Rolls, state: Active, permissions: [
    {application: admin, permission: admin-account-settings, actions: [View]},
    {application: admin, permission: role-management, actions: [Create, Edit]},
    {application: admin, permission: employees, actions: [Edit]},
    {application: acd, permission: skills, actions: [Edit]}]}";

#[tokio::test(flavor = "multi_thread")]
async fn e8_r10_r11_r14_r15_people_ask_about_permissions_and_look_after_roles() -> Result<()> {
    let stage = Stage::set(World::start().await?).await?;
    let idle =
        "{displayName: Idler, state: Active, permissions: [{application: acd, permission: skills, actions: [Assign]}]}";
    for (which, spec) in [
        ("Role lsp-paris/rolls", CLERK),
        ("Role lsp-paris/idler", idle),
        ("Role lsp-paris/sketch", "{displayName: Sketch}"),
        (
            "Employee lsp-paris/just",
            &format!("{{username: {ARMAND}, state: Active, primaryRole: rolls}}"),
        ),
        (
            "Employee lsp-paris/brogard",
            "{username: brogard@lsp-paris.example, state: Active, primaryRole: idler}",
        ),
    ] {
        stage.given(which, spec).await?;
    }
    let armand = Person::new(&stage.world, ARMAND)?;
    let began = Instant::now();
    while armand.runs("pimpernel roles list -n lsp-paris")?.code != 0 {
        ensure!(began.elapsed() < PATIENCE, "she may not list roles");
    }
    questions(&armand)?;
    completing(&armand)?;
    looking_after_roles(&armand)?;
    let stranger = Person::new(&stage.world, STRANGER)?;
    let words = [
        "does not show you its objects of kind Tenant in `lsp-paris`",
        "forbidden",
    ];
    said(
        &stranger.runs("pimpernel explain employee armand -n lsp-paris")?,
        1,
        &words,
    )
}

fn questions(armand: &Person<'_>) -> Result<()> {
    let asks = |words: &str| armand.runs(&format!("pimpernel {words} -n lsp-paris"));
    let words = [
        "acd/skills:Edit role team-lead",
        "acd/skills:View role team-lead, implied by Edit",
        "admin/api-access:use everybody has it",
    ];
    said(&asks(&format!("explain employee {CHAUVELIN}"))?, 0, &words)?;
    said(
        &asks("explain employee armand -o wide")?,
        0,
        &["edit skills.acd.apps.pimpernel.dev"],
    )?;
    said(
        &asks("explain employee nobody")?,
        2,
        &["tenant `lsp-paris` has no employee `nobody`"],
    )?;
    let words = [
        "acd/skills:View implied by Assign",
        "acd/skills:Assign RequirementMissing: `acd/skills:Assign` has no effect without `admin/employees:View`",
    ];
    said(&asks("explain role idler")?, 0, &words)?;
    let elsewhere = |words: &str| armand.runs_with(armand.world.plane().admin(), &format!("pimpernel {words}"));
    for words in [
        "explain role idler -n lsp-pari",
        "who-can Edit acd/skills -n lsp-pari",
        "roles list -n lsp-pari",
        "sessions -n lsp-pari",
        "history idler -n lsp-pari",
        "tenants --child-of lsp-pari",
    ] {
        let near = elsewhere(words)?;
        said(
            &near,
            2,
            &["error: there is no tenant `lsp-pari`: did you mean `lsp-paris`?"],
        )?;
        ensure!(near.stdout.is_empty(), "{words}: {}", near.stdout);
    }
    said(
        &elsewhere("history brogard -n lsp-paris")?,
        0,
        &["no record of role `brogard`", "say what it is with `--kind`"],
    )?;
    said(
        &elsewhere("tenants --child-of paris-nord")?,
        0,
        &["there are no such tenants"],
    )?;
    said(
        &asks("explain permission acd/skills")?,
        0,
        &["Edit View administrator,manager", "Assign View admin/employees:View"],
    )?;
    said(&asks("explain permission acd/skils")?, 2, &["did you mean `skills`?"])?;
    said(
        &asks("who-can Edit acd/skills")?,
        0,
        &[&format!("armand {CHAUVELIN} role team-lead"), "role rolls"],
    )?;
    said(
        &asks("who-can Delete admin/employees")?,
        1,
        &["nobody may do `admin/employees:Delete` in `lsp-paris`"],
    )?;
    said(
        &asks(&format!("why-not {CHAUVELIN} Edit acd/skills"))?,
        0,
        &["may do", "role team-lead"],
    )?;
    said(
        &asks("why-not brogard Assign acd/skills")?,
        1,
        &["may not do", "RequirementMissing: role `idler`"],
    )?;
    said(
        &asks("why-not brogard Edit acd/skills")?,
        1,
        &["none of their roles grants `acd/skills:Edit`; these grant it: `rolls`, `team-lead`"],
    )
}

/// What kubectl offers to whoever types.
fn completing(armand: &Person<'_>) -> Result<()> {
    let offered = |words: &str| {
        let words: Vec<&str> = ["__complete", "pimpernel"]
            .into_iter()
            .chain(words.split(' '))
            .collect();
        Said::of(armand.kubectl(&armand.kubeconfig, &words).output()?)
    };
    said(&offered("explain ro")?, 0, &["role What a role gives", ":4"])?;
    said(&offered("roles holders -n lsp-paris id")?, 0, &["idler Idler", ":4"])?;
    said(
        &offered("explain employee -n lsp-paris bro")?,
        0,
        &["brogard brogard@lsp-paris.example"],
    )?;
    said(&offered("who-can -n lsp-paris Edit acd/sk")?, 0, &["acd/skills"])?;
    said(&offered("who-can -n lsp-paris As")?, 0, &["Assign", ":4"])?;
    let of_another = offered("who-can -n lsp-paris use acd/sk")?;
    ensure!(of_another.stdout == ":4\n", "{}", of_another.stdout);
    said(&offered("why-not -n lsp-paris brogard Vi")?, 0, &["View", ":4"])?;
    said(
        &offered("explain permission acd/skills:E")?,
        0,
        &["acd/skills:Edit", ":4"],
    )?;
    said(
        &offered("roles reset -n lsp-paris idler --to ag")?,
        0,
        &["agent Agent", ":4"],
    )?;
    let of_no_application = offered("roles reset -n lsp-paris idler --to ev")?;
    ensure!(of_no_application.stdout == ":4\n", "{}", of_no_application.stdout);
    for (kind, offers) in [
        ("tenant ls", "lsp-paris LSP Paris"),
        ("Employee bro", "brogard brogard@lsp-paris.example"),
        ("role id", "idler Idler"),
    ] {
        said(
            &offered(&format!("history -n lsp-paris --kind {kind}"))?,
            0,
            &[offers, ":4"],
        )?;
    }
    said(&offered("history -n lsp-paris id")?, 0, &["idler Idler", ":4"])?;
    said(&offered("impersonate lsp-paris --mode Su")?, 0, &["Support", ":4"])?;
    let mine = offered("stop -n lsp-paris ")?;
    ensure!(mine.stdout == ":4\n", "nothing can be stopped: {}", mine.stdout);
    Ok(())
}

fn looking_after_roles(armand: &Person<'_>) -> Result<()> {
    let asks = |words: &str| armand.runs(&format!("pimpernel roles {words} -n lsp-paris"));
    said(&asks("list --search ROLLS")?, 0, &["rolls Clerk of Rolls Active"])?;
    said(&asks("list --state draft")?, 0, &["sketch Sketch Draft"])?;
    said(&asks("list --state inactive")?, 0, &["there are no such roles"])?;
    let names = asks("list -o name")?;
    ensure!(
        names.stdout.lines().any(|line| line == "role.pimpernel.dev/idler"),
        "{}",
        names.stdout
    );
    said(
        &asks("holders idler")?,
        0,
        &["brogard brogard@lsp-paris.example Active Primary"],
    )?;

    let copy = "copy idler deputy --display-name Deputy";
    let printed = asks(&format!("{copy} --dry-run client -o yaml"))?;
    said(&printed, 0, &["displayName: Deputy", "state: Draft"])?;
    ensure!(
        !printed.stdout.contains("uid") && !printed.stdout.contains("status"),
        "{}",
        printed.stdout
    );
    said(&asks("list --search deputy")?, 0, &["there are no such roles"])?;
    // What she copies she must have herself (R16).
    let copied = asks("copy team-lead deputy --display-name Deputy")?;
    said(&copied, 1, &["`acd/dashboard-queue-counter:use`"])?;
    said(&asks("list --search deputy")?, 0, &["there are no such roles"])?;

    said(
        &asks("reset rolls --to nothing")?,
        2,
        &["no application of tenant `lsp-paris` brings a role `nothing`"],
    )?;
    let reset = asks("reset idler --to agent --dry-run client -o yaml")?;
    said(
        &reset,
        0,
        &[
            "- acd/skills:Assign",
            "+ admin/can-view-client-info:use",
            "permission: can-view-client-info",
        ],
    )?;

    said(&asks("assign team-lead brogard")?, 1, &["role `team-lead` gives"])?;
    let printed = asks("assign team-lead brogard@lsp-paris.example --dry-run client -o yaml")?;
    said(&printed, 0, &["primaryRole: team-lead"])?;
    ensure!(!printed.stdout.contains("annotations"), "{}", printed.stdout);
    said(&asks("assign sketch brogard")?, 1, &["only an Active role is assigned"])?;
    let admin = armand.runs_with(
        armand.world.plane().admin(),
        "pimpernel roles assign team-lead brogard -n lsp-paris",
    )?;
    said(&admin, 0, &["employee.pimpernel.dev/brogard updated"])?;
    let again = asks("assign team-lead brogard")?;
    said(&again, 0, &["employee.pimpernel.dev/brogard unchanged"])?;
    said(
        &asks("holders team-lead")?,
        0,
        &["brogard brogard@lsp-paris.example Active Primary"],
    )?;
    said(&asks("holders idler")?, 0, &["nobody holds role `idler`"])?;
    said(&asks("holders idle")?, 2, &["has no role `idle`"])?;
    said(&asks("list --state Draft -o name")?, 0, &["role.pimpernel.dev/sketch"])
}
