//! A listener goes from one instance of a plugin to the next: both accept from one socket for a moment.
//!
//! The old instance tells the number of its listener's file, and the new one takes a copy while the old one still holds
//! it. Connections that wait to be accepted belong to the socket, so none is reset, and a server on port 0 keeps its port.
//! Listening twice on one port (SO_REUSEPORT) would reset what waits at the old listener.
#![allow(unsafe_code)]

use std::{
    net::{SocketAddr, TcpListener},
    os::fd::BorrowedFd,
};

use caxton_abi::Code;

use crate::Error;

/// Takes a copy of a listener of this process, which does not block; `None` when it listens on another address than is
/// wanted now.
///
/// # Errors
/// When the number is no listener.
pub fn inherit(number: i32, address: SocketAddr) -> Result<Option<TcpListener>, Error> {
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
    let listener = TcpListener::from(copy);
    let bound = listener.local_addr().map_err(|error| refused(error.to_string()))?;
    if bound != address {
        return Ok(None);
    }
    listener.set_nonblocking(true)?;
    Ok(Some(listener))
}
