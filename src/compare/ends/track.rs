//! All packets between two sockets, as one capture has them.

use std::collections::{HashMap, HashSet};

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
    /// The sequence numbers of an end's SYNs. All but one are forged, or were given up for another.
    pub(super) fn syns(&self, end: End) -> impl Iterator<Item = Seq> {
        self.steps
            .iter()
            .filter(move |step| step.from == end && step.flags.syn())
            .map(|step| step.seq)
    }

    /// The acknowledgement numbers of an end's SYNs.
    fn answers(&self, end: End) -> impl Iterator<Item = Seq> {
        self.steps
            .iter()
            .filter(move |step| step.from == end && step.flags.syn())
            .filter_map(|step| step.ack)
    }

    /// Where an end's numbers begin by the first that the capture tells.
    fn told(&self, end: End) -> Option<Seq> {
        let told = self.steps.iter().find_map(|step| match step.from == end {
            true => Some(step.seq),
            false => step.ack,
        });
        told.map(|seq| seq.plus(u32::MAX))
    }

    /// The same with client and server exchanged.
    pub(super) fn flipped(mut self) -> Track {
        let Pair { client, server } = self.endpoints;
        self.endpoints = Pair { client: server, server: client };
        self.steps.iter_mut().for_each(|step| step.from = step.from.other());
        self
    }
}

/// Where the numbers of an end begin: at its SYN, rather at one that both captures have and that was answered, or
/// else at the first that a capture tells, less one. Its own capture is asked first.
pub(super) fn origin(sender: End, tracks: &Pair<Option<Track>>) -> Seq {
    let captures = [tracks.at(sender).as_ref(), tracks.at(sender.other()).as_ref()];
    let numbers = captures.map(|track| -> HashSet<Seq> {
        track.into_iter().flat_map(|track| track.syns(sender)).collect()
    });
    let all = || captures.into_iter().flatten();
    let answers: HashSet<Seq> = all().flat_map(|track| track.answers(sender.other())).collect();
    let is_worse = |syn: &Seq| {
        let is_shared = numbers.iter().all(|numbers| numbers.contains(syn));
        (!is_shared, !answers.contains(&syn.plus(1)))
    };
    let syn = all().flat_map(|track| track.syns(sender)).min_by_key(is_worse);
    syn.or_else(|| all().find_map(|track| track.told(sender))).unwrap_or_default()
}

/// Puts together what belongs to one connection: what begins without a SYN, or with the answer to a SYN of the one
/// before it on the same ports and to none of its own, goes on where that ended.
pub(super) fn merge(conversations: Vec<Conversation>) -> Vec<Track> {
    let mut tracks: Vec<Track> = Vec::new();
    let mut newest: HashMap<[Endpoint; 2], Newest> = HashMap::new();
    for conversation in conversations {
        let track = track(conversation);
        let Pair { client, server } = track.endpoints;
        let key = [client.min(server), client.max(server)];
        let syns: Vec<Seq> = track.syns(End::Client).collect();
        let before = newest.get_mut(&key).filter(|before| before.is_continued_by(&track));
        match before.and_then(|before| Some((tracks.get_mut(before.place)?, &mut before.syns))) {
            Some((before, known)) => {
                append(before, track);
                known.extend(syns);
            }
            None => {
                let syns = syns.into_iter().collect();
                newest.insert(key, Newest { place: tracks.len(), client, syns });
                tracks.push(track);
            }
        }
    }
    tracks
}

/// The newest connection on its ports.
struct Newest {
    place: usize,
    client: Endpoint,
    /// The numbers of the client's SYNs.
    syns: HashSet<Seq>,
}

impl Newest {
    fn is_continued_by(&self, track: &Track) -> bool {
        let Some(answer) = track.answers(End::Server).next() else {
            return !track.steps.iter().any(|step| step.flags.syn());
        };
        let answered = answer.plus(u32::MAX);
        self.client == track.endpoints.client
            && self.syns.contains(&answered)
            && !track.syns(End::Client).any(|syn| syn == answered)
    }
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
