//! A guest that would connect to the network, so that its component imports `wasi:sockets`.

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/caxton", world: "agent" });
}

use bindings::{
    caxton::agent::types::{Fault, FaultKind, Message},
    exports::caxton::agent::{handler, lifecycle},
};

struct Sockets;

impl lifecycle::Guest for Sockets {
    fn init(_start: lifecycle::Start) -> Result<(), Fault> {
        Ok(())
    }
}

impl handler::Guest for Sockets {
    fn handle(_batch: Vec<Message>) -> Result<(), Fault> {
        std::net::TcpStream::connect("127.0.0.1:1").map(|_| ()).map_err(|error| Fault {
            kind: FaultKind::Retryable,
            code: "network".into(),
            detail: error.to_string(),
        })
    }
}

bindings::export!(Sockets with_types_in bindings);
