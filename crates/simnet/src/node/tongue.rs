//! Speaking: to one peer or to all, at once or, as some daemons do, now and then late.

use std::time::Duration;

use rand::Rng;
use wire::Message;

use super::{ConnectionId, HangUp, Node, Output, timers::Timer};
use crate::Temperament;

impl Node {
    /// Makes the node say something to everybody with whom the handshake is done, whatever it is.
    pub fn say(&mut self, message: &Message, now: Duration) {
        self.tick(now);
        let ready: Vec<ConnectionId> =
            self.connections.iter().filter(|(_, c)| c.is_ready()).map(|(id, _)| *id).collect();
        ready.into_iter().for_each(|id| self.send(id, message.clone(), now));
    }

    pub(super) fn send(&mut self, to: ConnectionId, message: Message, at: Duration) {
        let silent = self.temperament == Temperament::Mute;
        let Some(connection) = self.connections.get_mut(&to) else { return };
        if silent && connection.is_ready() {
            return;
        }
        connection.sent += (wire::HEADER_LEN + message.encode().len()) as u64;
        let at = self.stalled(to, at);
        self.outbox.push_back(Output::Send { to, message, at });
    }

    pub(super) fn hang_up(&mut self, id: ConnectionId, reason: HangUp, at: Duration) {
        let at = self.stalled(id, at);
        if self.forget(id) {
            self.outbox.push_back(Output::HangUp { connection: id, reason, at });
        }
    }

    /// When what is done now reaches the kernel: nothing overtakes, and of what is done at different times one in so
    /// many is [late](crate::profile::Stall).
    fn stalled(&mut self, id: ConnectionId, at: Duration) -> Duration {
        let (Some(stall), Some(whims)) = (self.profile.stall, &mut self.whims) else { return at };
        let Some(connection) = self.connections.get_mut(&id) else { return at };
        if connection.spoke_at != Some(at)
            && at >= connection.late_until
            && whims.random_ratio(1, stall.one_in)
        {
            connection.late_until = at + stall.by;
        }
        connection.spoke_at = Some(at);
        at.max(connection.late_until)
    }

    /// The handshake is done: something else will come to the daemon's mind.
    pub(super) fn plan_afterthought(&mut self, id: ConnectionId, at: Duration) {
        if let (Some(afterthought), Some(whims)) = (self.profile.afterthought, &mut self.whims) {
            let after = afterthought.within.mul_f64(whims.random());
            self.timers.set(at + after, Timer::Afterthought(id));
        }
    }

    pub(super) fn tell_afterthought(&mut self, id: ConnectionId, at: Duration) {
        for what in self.profile.afterthought.map_or(&[][..], |afterthought| afterthought.say) {
            self.utter(id, *what, at);
        }
    }
}
