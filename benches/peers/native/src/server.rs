//! A server in a process of its own, as Caxton's is: the program starts itself again as `PROGRAM serve`, which prints its
//! address and ends when its standard input does.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
};

use crate::Failure;

/// The argument with which a program is the server.
const SERVE: &str = "serve";

/// True in the process that is to be the server.
pub fn is_server() -> bool {
    std::env::args().nth(1).is_some_and(|word| word == SERVE)
}

/// Says where the server listens, and ends the process when the other one is gone.
///
/// # Errors
/// The thread could not be started.
pub fn announce(address: impl std::fmt::Display) -> Result<(), Failure> {
    println!("http://{address}");
    std::thread::Builder::new().name("parent".into()).spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    })?;
    Ok(())
}

/// A server process; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// `http://ADDRESS:PORT`.
    pub url: String,
}

impl Server {
    /// Starts this program as a server.
    ///
    /// # Errors
    /// It does not start or says no address.
    pub fn start() -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SERVE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        if let Some(said) = child.stdout.take() {
            BufReader::new(said).read_line(&mut url)?;
        }
        let server = Self { child, url: url.trim().to_owned() };
        if server.url.is_empty() { Err("the server said no address".into()) } else { Ok(server) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
