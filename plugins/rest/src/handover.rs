//! The listener goes from one instance to the next: both accept from one socket for a moment.
//!
//! The old instance tells the number of its listener's file, and the new one takes a copy while the old one still holds
//! it. Connections that wait to be accepted belong to the socket, so none is reset, and a server on port 0 keeps its port.
//! Listening twice on one port (SO_REUSEPORT) would reset what waits at the old listener.
//!
//! The only file of this crate with unsafe code.
#![allow(unsafe_code)]

use std::{
    net::SocketAddr,
    os::fd::{AsRawFd, BorrowedFd},
};

use caxton_plugin::{Code, Error};
use tokio::net::TcpListener;

/// The listener's file number.
pub(crate) fn number(listener: &TcpListener) -> i32 {
    listener.as_raw_fd()
}

/// Takes a copy of a listener of this process; `None` when it listens on another address than is wanted now.
///
/// # Errors
/// When the number is no listener.
pub(crate) fn inherit(number: i32, address: SocketAddr) -> Result<Option<TcpListener>, Error> {
    let refused = |why: String| {
        let text = format!(
            "`listener` is {number}, which is no listener on {address}: {why}; leave the key out, the server sets it"
        );
        Error::new(Code::PLUGIN_START_FAILED, text)
    };
    if number < 0 {
        return Err(refused("a file number is not negative".to_owned()));
    }
    // SAFETY: the number is only used for the copy in the next line. The instance before, which told it, holds the file
    // open until this one has started; a number of another file is found out below, and only its copy is touched.
    let held = unsafe { BorrowedFd::borrow_raw(number) };
    let copy = held.try_clone_to_owned().map_err(|error| refused(error.to_string()))?;
    let listener = std::net::TcpListener::from(copy);
    let bound = listener.local_addr().map_err(|error| refused(error.to_string()))?;
    if bound != address {
        return Ok(None);
    }
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener).map(Some).map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_accept_from_one_socket_and_what_waits_is_not_reset() {
        let old = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = old.local_addr().unwrap();
        let waiting = tokio::net::TcpStream::connect(address).await.unwrap();
        let new = inherit(number(&old), address).unwrap().unwrap();
        drop(old);
        let (_, from) = new.accept().await.unwrap();
        assert_eq!(from, waiting.local_addr().unwrap());
    }

    #[tokio::test]
    async fn a_listener_on_another_address_is_not_taken() {
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(inherit(number(&other), "127.0.0.1:1".parse().unwrap()).unwrap().is_none());
    }

    #[tokio::test]
    async fn a_number_of_something_else_is_refused() {
        for wrong in [-1, 0, 1_000_000] {
            let error = inherit(wrong, "127.0.0.1:1".parse().unwrap()).unwrap_err();
            assert!(error.message().contains("the server sets it"), "{error}");
        }
    }
}
