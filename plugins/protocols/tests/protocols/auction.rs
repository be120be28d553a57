//! The messages of one auction: the call to an agent carries `reply-with` 100 more than its number, its proposal 200,
//! the acceptance 300. Calls are answered until a second after [`T0`](crate::kit::T0).

use crate::kit::{I, Msg, Net, T0, say};

pub fn cfp(to: u32) -> Msg {
    say(I, to, "cfp").with(100 + to).by(T0 + 1_000)
}

pub fn propose(from: u32) -> Msg {
    say(from, I, "propose").with(200 + from).re(100 + from)
}

pub fn accept(to: u32) -> Msg {
    say(I, to, "accept-proposal").with(300 + to).re(200 + to)
}

pub fn reject(to: u32) -> Msg {
    say(I, to, "reject-proposal").re(200 + to)
}

pub fn inform(from: u32) -> Msg {
    say(from, I, "inform").re(300 + from)
}

/// A net where the calls went out.
pub fn called(to: &[u32]) -> Net {
    let mut net = Net::new();
    net.observe(&to.iter().map(|to| cfp(*to).observed()).collect::<Vec<_>>());
    net
}

/// A net where all proposed.
pub fn bid(from: &[u32]) -> Net {
    let mut net = called(from);
    from.iter().for_each(|from| assert!(net.send(propose(*from)).delivered()));
    net
}

/// A net where all proposed and the first was accepted.
pub fn accepted(from: &[u32]) -> Net {
    let mut net = bid(from);
    net.send(accept(from[0]).by(T0 + 5_000));
    net
}
