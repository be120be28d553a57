//! The listener goes from one instance to the next, see [`caxton_plugin::handover`].

use std::{net::SocketAddr, os::fd::AsRawFd};

use caxton_plugin::Error;
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
    let inherited = caxton_plugin::handover::inherit(number, address)?;
    inherited.map(TcpListener::from_std).transpose().map_err(Error::from)
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
