//! Free loopback ports.
//!
//! Ports come from below the range that the kernel hands out for outgoing connections: otherwise any client could take
//! the port in the moment between looking and binding, or while a restarted server is down.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};

const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that nobody listens on and that this process has not been given before.
pub fn free() -> Result<u16> {
    let start = u16::try_from(RandomState::new().hash_one(std::process::id()) % u64::from(COUNT))?;
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let port = free_from(start, &taken)?;
    taken.insert(port);
    Ok(port)
}

fn free_from(start: u16, taken: &BTreeSet<u16>) -> Result<u16> {
    (0..COUNT)
        .map(|step| FIRST + (start + step) % COUNT)
        .find(|port| !taken.contains(port) && listen(*port).is_ok())
        .with_context(|| format!("no free port between {FIRST} and {} on 127.0.0.1", FIRST + COUNT - 1))
}

fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let ports: BTreeSet<u16> = (0..50).map(|_| free().unwrap()).collect();
        assert_eq!(ports.len(), 50);
        assert!(ports.iter().all(|port| (FIRST..FIRST + COUNT).contains(port)));
    }

    #[test]
    fn a_port_somebody_listens_on_is_passed_over() {
        let (_listener, port) = (0..COUNT)
            .find_map(|step| Some((listen(FIRST + step).ok()?, step)))
            .unwrap();
        let given = free_from(port, &BTreeSet::new()).unwrap();
        assert!(given > FIRST + port);
        assert!(free_from(port, &BTreeSet::from([given])).unwrap() > given);
    }
}
