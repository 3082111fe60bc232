//! What the kernel says while the wire is watched: both sockets in its table over time.

use std::time::Instant;

use super::ends::{Setting, now};
use crate::flow::{End, Pair};
use crate::netlink::{SocketEntry, SocketTable};
use crate::report::Sample;

/// Looks both ends' sockets up again and again and keeps what has changed.
#[derive(Debug)]
pub(super) struct Sampler {
    table: SocketTable,
    begun: Instant,
    last: Pair<Option<SocketEntry>>,
    /// What has changed, in the order of time.
    pub(super) samples: Vec<Sample>,
}

impl Sampler {
    pub(super) fn new(table: SocketTable) -> Sampler {
        Sampler { table, begun: now(), last: Pair::default(), samples: Vec::new() }
    }

    /// Looks both up.
    pub(super) fn sample(&mut self, setting: &Setting) {
        for end in End::BOTH {
            let Some(entry) = setting.look_up(&self.table, end) else { continue };
            if self.last.at(end).is_some_and(|last| last == entry) {
                continue;
            }
            *self.last.at_mut(end) = Some(entry);
            self.samples.push(Sample {
                seconds: (now() - self.begun).as_secs_f64(),
                end,
                state: entry.state,
                recv_q: entry.recv_q,
                send_q: entry.send_q,
            });
        }
    }

    /// What was found last.
    pub(super) fn last(&self) -> &Pair<Option<SocketEntry>> {
        &self.last
    }

    /// When the first look was.
    pub(super) fn begun(&self) -> Instant {
        self.begun
    }
}
