//! All packets between two sockets, as one capture has them.

use std::collections::HashMap;

use super::super::{Conversation, Step};
use crate::decode::{Endpoint, Seq};
use crate::flow::{End, Orientation, Pair};

/// One connection as the capture at one end has it, with what came after it was over: an end that lost its
/// peer's RST goes on, which the other end sees as packets of a connection that it does not know.
#[derive(Clone, Debug)]
pub struct Track {
    /// Addresses and ports in that capture.
    pub endpoints: Pair<Endpoint>,
    /// The numbers that its parts have in that capture.
    pub ids: Vec<u64>,
    /// Its packets in the order of the capture.
    pub steps: Vec<Step>,
    /// True where no SYN told client from server.
    pub(super) guessed: bool,
}

impl Track {
    /// The sequence number of an end's SYN, if the capture has it.
    pub(super) fn syn(&self, end: End) -> Option<Seq> {
        self.steps.iter().find(|step| step.from == end && step.flags.syn()).map(|step| step.seq)
    }

    /// Where an end's numbers begin: at its SYN, or at the first that the capture tells, less one.
    pub(super) fn origin(&self, end: End) -> Option<Seq> {
        let told = || {
            self.steps.iter().find_map(|step| match step.from == end {
                true => Some(step.seq),
                false => step.ack,
            })
        };
        self.syn(end).or_else(|| told().map(|seq| seq.plus(u32::MAX)))
    }

    /// The same with client and server exchanged.
    pub(super) fn flipped(mut self) -> Track {
        let Pair { client, server } = self.endpoints;
        self.endpoints = Pair { client: server, server: client };
        self.steps.iter_mut().for_each(|step| step.from = step.from.other());
        self
    }
}

/// Puts together what belongs to one connection: what begins without a SYN goes on where the one before it
/// on the same ports ended.
pub(super) fn merge(conversations: Vec<Conversation>) -> Vec<Track> {
    let mut tracks: Vec<Track> = Vec::new();
    let mut newest: HashMap<[Endpoint; 2], usize> = HashMap::new();
    for conversation in conversations {
        let track = track(conversation);
        let Pair { client, server } = track.endpoints;
        let key = [client.min(server), client.max(server)];
        let opens = track.steps.iter().any(|step| step.flags.syn());
        let before = newest.get(&key).and_then(|&index| tracks.get_mut(index));
        match before.filter(|_| !opens) {
            Some(before) => append(before, track),
            None => {
                newest.insert(key, tracks.len());
                tracks.push(track);
            }
        }
    }
    tracks
}

fn append(before: &mut Track, track: Track) {
    let same_way = before.endpoints == track.endpoints;
    let track = if same_way { track } else { track.flipped() };
    before.ids.extend(track.ids);
    before.steps.extend(track.steps);
}

fn track(conversation: Conversation) -> Track {
    let record = conversation.record;
    Track {
        endpoints: Pair { client: record.client, server: record.server },
        ids: vec![record.id],
        steps: conversation.steps,
        guessed: record.orientation == Orientation::Guess,
    }
}
