//! Killed at any moment, the operator comes to the same end as undisturbed: the same derived objects, the same statuses,
//! no orphan.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use pimpernel_launcher::{repository, wait};

use crate::common::audit;
use crate::common::state::{self, State};
use crate::common::{SESSIONS, SHORT_LEASE, Wish, World};

/// A new process takes over when the Lease of the dead one is over, and a refused request is sent again.
const LIMIT: Duration = Duration::from_mins(1);
const TENANTS: [&str; 3] = ["classics", "lsp", "lsp-paris"];
/// Each kills in the setting up, in the opening and in the ending, after a different number of writes.
const MOMENTS: usize = 10;

/// One play of the quickstart, in namespaces of its own.
struct Play<'a> {
    world: &'a World,
    prefix: String,
    impersonator: PathBuf,
}

/// How a part of a play ended.
struct Part {
    state: State,
    writes: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_comes_to_the_same_end() -> Result<()> {
    let world = World::of(Wish {
        audit: true,
        args: &SHORT_LEASE,
        ..Wish::default()
    })
    .await?;
    let calm = Play::new(&world, "calm-")?;
    let (setting, opening, ending) = (calm.set_up()?, calm.open()?, calm.end()?);
    assert_eq!(count(&opening.state, "ServiceAccount"), 1, "{:?}", opening.state.keys());
    assert_eq!(count(&opening.state, "Secret"), 1, "{:?}", opening.state.keys());
    for kind in ["ServiceAccount", "Secret"] {
        assert_eq!(count(&ending.state, kind), 0, "{:?}", ending.state.keys());
    }
    for moment in 0..MOMENTS {
        let play = Play::new(&world, &format!("moment{moment:02}-"))?;
        // Spread over what the undisturbed play wrote, the last write included.
        let after = |part: &Part| (part.writes * (moment + 1)).div_ceil(MOMENTS);
        let began = Instant::now();
        play.killed_after(after(&setting), &setting.state, || play.apply())?;
        play.killed_after(after(&opening), &opening.state, || play.enter())?;
        play.killed_after(after(&ending), &ending.state, || play.stop())?;
        eprintln!(
            "killed after {}, {} and {} writes: the same end in {:?}",
            after(&setting),
            after(&opening),
            after(&ending),
            began.elapsed()
        );
    }
    let left = world.kubectl(&[
        "get",
        "secrets,serviceaccounts,roles,rolebindings",
        "-n",
        SESSIONS,
        "-o=name",
    ])?;
    assert!(!left.contains("impersonated-admin"), "orphans:\n{left}");
    Ok(())
}

fn count(state: &State, kind: &str) -> usize {
    state
        .keys()
        .filter(|name| name.starts_with(&format!("{kind} ")))
        .count()
}

impl<'a> Play<'a> {
    fn new(world: &'a World, prefix: &str) -> Result<Self> {
        let prefix = prefix.to_owned();
        let impersonator = world.plane().user(&format!("dewhurst@{prefix}lsp.example"), &[])?;
        let play = Self {
            world,
            prefix,
            impersonator,
        };
        for file in [
            "00-namespaces",
            "10-tenants",
            "20-roles",
            "30-employees",
            "40-impersonation",
        ] {
            let yaml = fs::read_to_string(repository().join(format!("examples/quickstart/{file}.yaml")))?;
            let renamed = TENANTS[..2].iter().fold(yaml, |yaml, tenant| {
                yaml.replace(tenant, &format!("{}{tenant}", play.prefix))
            });
            fs::write(play.file(file), renamed)?;
        }
        Ok(play)
    }

    fn file(&self, name: &str) -> String {
        let folder = self.world.plane().dir();
        folder.join(format!("{}{name}.yaml", self.prefix)).display().to_string()
    }

    fn apply(&self) -> Result<()> {
        for name in ["00-namespaces", "10-tenants", "20-roles", "30-employees"] {
            self.world.kubectl(&["apply", "-f", &self.file(name)])?;
        }
        Ok(())
    }

    fn enter(&self) -> Result<()> {
        let args = ["create", "-f", &self.file("40-impersonation")];
        self.world.plane().kubectl_output(&self.impersonator, &args)?;
        Ok(())
    }

    fn stop(&self) -> Result<()> {
        let namespace = format!("--namespace={}lsp-paris", self.prefix);
        let patch = r#"--patch={"spec":{"stop":true}}"#;
        let args = [
            "patch",
            "impersonation.pimpernel.dev/dewhurst-1792",
            &namespace,
            "--type=merge",
            patch,
        ];
        self.world.plane().kubectl_output(&self.impersonator, &args)?;
        Ok(())
    }

    fn set_up(&self) -> Result<Part> {
        self.undisturbed(|| self.apply())
    }

    fn open(&self) -> Result<Part> {
        self.undisturbed(|| self.enter())
    }

    fn end(&self) -> Result<Part> {
        self.undisturbed(|| self.stop())
    }

    /// Does something and gives what comes of it when the operator rests.
    fn undisturbed(&self, act: impl Fn() -> Result<()>) -> Result<Part> {
        let plane = self.world.plane();
        let before = audit::here(plane)?;
        act()?;
        audit::quiet(plane)?;
        let state = state::of(self.world, &self.prefix, &TENANTS)?;
        ensure!(!state.is_empty(), "nothing came of it");
        let writes = audit::writes_since(plane, before)?.len();
        Ok(Part { state, writes })
    }

    /// Does something, kills the operator after so many of its writes, starts it again, and waits for the same end. A
    /// request that finds no operator is sent again, as every tool does.
    fn killed_after(&self, writes: usize, wanted: &State, act: impl Fn() -> Result<()>) -> Result<()> {
        let plane = self.world.plane();
        let before = audit::here(plane)?;
        thread::scope(|scope| {
            let killer = scope.spawn(|| {
                await_writes(self.world, before, writes)?;
                self.world.kill_operator()?;
                self.world.start_operator()
            });
            let mut refusal = String::new();
            let acted = wait::until("the request to pass", LIMIT, || match act() {
                Ok(()) => Ok(Some(())),
                Err(error) => {
                    refusal = error.to_string();
                    Ok(None)
                }
            });
            let ended = killer.join().map_err(|_| anyhow::anyhow!("the killer panicked"))?;
            if let Err(error) = acted {
                bail!("{error}: {refusal}");
            }
            ended
        })?;
        let mut found = State::new();
        let same = wait::until("the same end", LIMIT, || {
            found = state::of(self.world, &self.prefix, &TENANTS)?;
            Ok((found == *wanted).then_some(()))
        });
        if let Err(error) = same {
            let difference = state::difference(wanted, &found);
            bail!(
                "{}: after {writes} writes: {error}\n{difference}\n{}",
                self.prefix,
                self.world.log()
            );
        }
        Ok(())
    }
}

/// Waits for so many writes, or until no more come: counts that change together are written together, so the last ones may
/// be missing. Looks more often than [`wait::until`], so that few writes follow.
fn await_writes(world: &World, start: audit::Place, writes: usize) -> Result<()> {
    let mut last = (0, Instant::now());
    loop {
        let seen = audit::writes_since(world.plane(), start)?.len();
        if seen != last.0 {
            last = (seen, Instant::now());
        }
        let rests = seen > 0 && last.1.elapsed() > Duration::from_secs(2);
        if seen >= writes || rests {
            return Ok(());
        }
        ensure!(last.1.elapsed() < LIMIT, "the operator wrote nothing");
        thread::sleep(Duration::from_millis(1));
    }
}
