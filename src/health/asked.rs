//! Asks from outside whether a process is ready: what `helm test` does.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// For how long an answer is waited for, and how long until the next question.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(500);
/// More than an answer has.
const MOST: u64 = 64 * 1024;

/// Asks `HOST:PORT` until it is ready, but not for longer than `within`; then the last answer is the error.
pub fn ready(address: &str, within: Duration) -> Result<()> {
    let began = Instant::now();
    loop {
        match ask(address) {
            Err(_) if began.elapsed() < within => std::thread::sleep(PAUSE),
            answer => return answer.with_context(|| format!("asking `{address}` whether it is ready")),
        }
    }
}

fn ask(address: &str) -> Result<()> {
    let place = address.to_socket_addrs()?.next().context("it has no address")?;
    let mut stream = TcpStream::connect_timeout(&place, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let question = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(question.as_bytes())?;
    let mut answer = String::new();
    stream.take(MOST).read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("its answer breaks off")?;
    ensure!(head.split(' ').nth(1) == Some("200"), "it is not: {}", body.trim_end());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers one question after the other with these.
    fn answering(answers: &[&'static str]) -> String {
        let answers = answers.to_vec();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = [0; 1024];
                let read = stream.read(&mut asked).unwrap();
                assert!(asked[..read].starts_with(b"GET /readyz HTTP/1.1\r\n"));
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        address
    }

    #[test]
    fn whoever_is_not_ready_is_asked_again_until_the_time_is_over() {
        let shut = "HTTP/1.1 503 Service Unavailable\r\n\r\ncaches: not complete\n";
        let open = "HTTP/1.1 200 OK\r\n\r\nok\n";
        let error = format!("{:#}", ready(&answering(&[shut]), Duration::ZERO).unwrap_err());
        assert!(error.contains("it is not: caches: not complete"), "{error}");
        ready(&answering(&[shut, open]), Duration::from_mins(1)).unwrap();
        ready(&answering(&[open]), Duration::ZERO).unwrap();
    }

    #[test]
    fn nobody_there_and_half_an_answer_are_errors() {
        for address in ["127.0.0.1:1", "no-port", &answering(&["HTTP/1.1 200 OK\r\n"])] {
            assert!(ready(address, Duration::ZERO).is_err(), "{address}");
        }
    }
}
