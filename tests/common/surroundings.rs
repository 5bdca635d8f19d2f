//! What is around the operator of a [`World`]: the way to the API server, the node's clock, and signals.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use pimpernel_launcher::{ControlPlane, Operator, OperatorOptions, operator};

use super::proxy::Proxy;
use super::{PATIENCE, Wish, World};

const CLOCK: &str = "node-clock";
const PRELOADED: &str = "node-clock.so";

/// What is around the operator.
#[derive(Default)]
pub struct Surroundings {
    proxy: Option<Proxy>,
    node_clock: bool,
}

impl Surroundings {
    /// Those that are wished for; the operator will start in them.
    pub fn made(wish: Wish<'_>, plane: &ControlPlane, options: &mut OperatorOptions) -> Result<Self> {
        let proxy = wish.proxy.then(|| Proxy::before(plane)).transpose()?;
        options.kubeconfig = proxy.as_ref().map(Proxy::kubeconfig);
        if wish.node_clock {
            let (clock, preloaded) = (plane.dir().join(CLOCK), plane.dir().join(PRELOADED));
            fs::write(&clock, 0_i64.to_ne_bytes())?;
            let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/common/node_clock.c");
            let mut compiler = Command::new("cc");
            compiler.args(["-shared", "-fPIC", "-o"]).arg(&preloaded).arg(source);
            ensure!(compiler.status()?.success(), "{source} cannot be compiled");
            options.env.push(("NODE_CLOCK".to_owned(), clock.into()));
            options.env.push(("LD_PRELOAD".to_owned(), preloaded.into()));
        }
        Ok(Self {
            proxy,
            node_clock: wish.node_clock,
        })
    }
}

impl World {
    /// The proxy between the operator and the API server.
    pub fn proxy(&self) -> Result<&Proxy> {
        self.surroundings.proxy.as_ref().context("there is no proxy")
    }

    /// From here on the clock of the operator's node is so much ahead of the true time.
    pub fn node_clock_ahead(&self, ahead: SignedDuration) -> Result<()> {
        ensure!(self.surroundings.node_clock, "the node's clock cannot be moved");
        // In place: the operator has it open.
        let mut clock = fs::File::options().write(true).open(self.plane.dir().join(CLOCK))?;
        Ok(std::io::Write::write_all(&mut clock, &ahead.as_secs().to_ne_bytes())?)
    }

    /// Sends the operator a signal, such as `STOP`.
    pub fn signal_operator(&self, name: &str) -> Result<()> {
        let operator = self.operator();
        operator.as_ref().context("the operator does not run")?.signal(name)
    }

    /// Starts another process of the operator that listens there, and waits until it is ready. In the audit log its requests
    /// have the group `replica:NAME`.
    pub fn replica(&self, name: &str, port: u16) -> Result<Operator> {
        let mut options = self.options.clone();
        let group = format!("replica:{name}");
        options.kubeconfig = Some(self.plane.user(operator::USER, &[&group])?);
        options.args.push(format!("--webhook-listen=127.0.0.1:{port}"));
        options.args.push(format!("--identity={name}"));
        let started = Operator::start(&self.plane, &options)?;
        started.wait_ready(PATIENCE)?;
        Ok(started)
    }

    /// Says that this world needs next to nothing from here on, so that another one can begin beside it.
    pub fn rests(&self) {
        self.turn.end();
    }

    /// Ends the operator as a crash would, and lets the next one lead at once, as whoever knows that it is dead does.
    pub async fn crash_operator(&self) -> Result<()> {
        self.kill_operator()?;
        let leases = self.api::<k8s_openapi::api::coordination::v1::Lease>("pimpernel-system");
        leases
            .delete(operator::USER, &kube::api::DeleteParams::default())
            .await?;
        Ok(())
    }
}
