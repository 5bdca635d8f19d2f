//! Stands in for a Service: takes connections at one address and hands each to one of the processes behind it, in turn. As
//! behind a Service, a connection that exists stays when its process leaves.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// A running one, until it is dropped.
pub struct Splitter {
    behind: Arc<Mutex<Behind>>,
    runtime: Option<Runtime>,
}

#[derive(Default)]
struct Behind {
    ports: Vec<u16>,
    turn: usize,
    taken: BTreeMap<u16, usize>,
}

impl Splitter {
    /// Takes connections at a port of this machine.
    pub fn at(port: u16) -> Result<Self> {
        // Of its own: a test may block its runtime.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).context("the port is taken")?;
        listener.set_nonblocking(true)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let behind = Arc::<Mutex<Behind>>::default();
        runtime.spawn(take(listener, behind.clone()));
        Ok(Self {
            behind,
            runtime: Some(runtime),
        })
    }

    /// From here on new connections also go there.
    pub fn add(&self, port: u16) {
        lock(&self.behind).ports.push(port);
    }

    /// From here on no new connection goes there.
    pub fn remove(&self, port: u16) {
        lock(&self.behind).ports.retain(|known| *known != port);
    }

    /// How many connections went there.
    pub fn taken(&self, port: u16) -> usize {
        lock(&self.behind).taken.get(&port).copied().unwrap_or_default()
    }
}

impl Drop for Splitter {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn lock(behind: &Mutex<Behind>) -> MutexGuard<'_, Behind> {
    behind.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn take(listener: TcpListener, behind: Arc<Mutex<Behind>>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let Some(port) = lock(&behind).next() else { continue };
        tokio::spawn(async move {
            if let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                let _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

impl Behind {
    fn next(&mut self) -> Option<u16> {
        self.turn += 1;
        let port = *self.ports.get(self.turn % self.ports.len().max(1))?;
        *self.taken.entry(port).or_default() += 1;
        Some(port)
    }
}
