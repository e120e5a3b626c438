//! Objects of the chain's own that peers pass around like blocks: announced by `inv`, fetched by `getdata`.
//!
//! One kind is of interest to a block relay: the one by which a chain says that a block is [final](chain::Finality).
//! A session fetches what is announced, as far as an honest peer would announce it, and reports it unread; it serves
//! what the [`Shelf`] has, which is what a node of ours has confirmed.

use std::{collections::VecDeque, time::Instant};

use bytes::Bytes;
use wire::{InvItem, Message, sha256d};

use super::{
    Event, Session, Shelf, State,
    serve::{Allowance, OBJECTS},
};

/// How many objects may be on their way to us at a time: all that a peer may announce at once.
const AWAITED: usize = OBJECTS as usize;

/// What was asked for and has not come.
pub(super) struct Awaited {
    names: VecDeque<[u8; 32]>,
    allowance: Allowance,
}

impl Awaited {
    pub(super) fn new(now: Instant) -> Self {
        Self { names: VecDeque::new(), allowance: Allowance::of_objects(now) }
    }

    fn add(&mut self, name: [u8; 32]) {
        if self.names.len() == AWAITED {
            // What never came makes room; should it still come, it is one that nobody waits for.
            self.names.pop_front();
        }
        self.names.push_back(name);
    }

    fn take(&mut self, name: &[u8; 32]) -> bool {
        let found = self.names.iter().position(|awaited| awaited == name);
        found.and_then(|at| self.names.remove(at)).is_some()
    }
}

impl Session {
    /// Fetches what an `inv` announces of the kind, unless the shelf has it or it is on its way. A peer that announces
    /// more than a chain can bring forth is not asked for the rest.
    pub(super) fn objects_announced(&mut self, items: &[InvItem], shelf: &dyn Shelf, now: Instant) {
        let Some(kind) = self.object else { return };
        let (mut wanted, mut flood) = (Vec::new(), false);
        for item in items.iter().filter(|item| item.kind == kind.inv) {
            let State::Ready(steady) = &mut self.state else { return };
            if steady.objects.names.contains(&item.hash) {
                continue;
            }
            if !steady.objects.allowance.take(now) {
                flood = true;
                break;
            }
            let known = shelf.object(&item.hash).is_some();
            if !known {
                steady.objects.add(item.hash);
                wanted.push(*item);
            }
            self.emit(Event::ObjectAnnounced { id: item.hash });
        }
        if !wanted.is_empty() {
            self.send(Message::GetData(wanted));
        }
        if flood {
            self.fault("object_flood", now);
        }
    }

    /// An object has come. What nobody asked for is not looked at: no daemon pushes one.
    pub(super) fn object_arrived(&mut self, payload: Bytes, max_len: usize, now: Instant) {
        if payload.len() > max_len {
            return self.fault("object_too_long", now);
        }
        let State::Ready(steady) = &mut self.state else { return };
        if steady.objects.take(&sha256d(&payload)) {
            self.emit(Event::Object { payload });
        } else {
            self.fault("unasked_for", now);
        }
    }

    /// What was asked for will not come: the peer has it no more.
    pub(super) fn objects_missing(&mut self, items: &[InvItem]) {
        let (Some(kind), State::Ready(steady)) = (self.object, &mut self.state) else { return };
        for item in items.iter().filter(|item| item.kind == kind.inv).take(AWAITED) {
            steady.objects.take(&item.hash);
        }
    }

    /// The object that an entry of a `getdata` asks for, if it may be passed on.
    pub(super) fn object_for(&self, item: &InvItem, shelf: &dyn Shelf) -> Option<Message> {
        let kind = self.object.filter(|kind| kind.inv == item.kind)?;
        Some(Message::Unknown { command: kind.command, payload: shelf.object(&item.hash)? })
    }
}
