//! Which connections of the two captures are one and the same.
//!
//! Sequence numbers go through address translation unchanged. Every SYN, FIN and piece of data begins at one
//! and ends before another, and where a piece is cut up, its two edges remain. Connections are the same where
//!
//! 1. both captures have the client's SYN: its number is the same, and so is the SYN-ACK's if both have that;
//! 2. one lacks the SYN: addresses and ports are the same and an edge is, or two edges of each direction are.
//!
//! Of several, the one with the same addresses and then with the most edges in common is taken.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Track;
use crate::decode::{Endpoint, Seq};
use crate::flow::{End, Pair};

/// A sequence number at which something begins or ends.
type Edge = (End, Seq);

/// All connections of both captures, sorted.
#[derive(Debug, Default)]
pub(super) struct Paired {
    /// Those that can be compared, one side empty where that capture should have the connection.
    pub(super) together: Vec<Pair<Option<Track>>>,
    /// The numbers of those that only one capture has, and whose server no compared connection has.
    pub(super) elsewhere: Pair<u64>,
}

pub(super) fn pair(mut tracks: Pair<Vec<Track>>) -> Paired {
    orient(&mut tracks);
    let mut server: Vec<Option<Track>> = tracks.server.into_iter().map(Some).collect();
    let index = index(&server);
    let mut paired = Paired::default();
    let mut alone = Pair::<Vec<Track>>::default();
    for track in tracks.client {
        match best(&track, &server, &index).and_then(|place| server.get_mut(place)?.take()) {
            Some(found) => {
                paired.together.push(Pair { client: Some(track), server: Some(found) });
            }
            None => alone.client.push(track),
        }
    }
    alone.server = server.into_iter().flatten().collect();
    add_alone(&mut paired, alone);
    paired
}

/// Connections of a server that both captures know, but which only one has.
fn add_alone(paired: &mut Paired, alone: Pair<Vec<Track>>) {
    let known: Pair<HashSet<Endpoint>> = Pair::from_fn(|end| {
        let of_end = |tracks: &Pair<Option<Track>>| {
            tracks.at(end).as_ref().map(|track| track.endpoints.server)
        };
        paired.together.iter().filter_map(of_end).collect()
    });
    for track in alone.client {
        if known.client.contains(&track.endpoints.server) {
            paired.together.push(Pair { client: Some(track), server: None });
        } else {
            paired.elsewhere.client += 1;
        }
    }
    for track in alone.server {
        if known.server.contains(&track.endpoints.server) {
            paired.together.push(Pair { client: None, server: Some(track) });
        } else {
            paired.elsewhere.server += 1;
        }
    }
}

/// Turns round what was guessed the other way than the other capture knows or guesses it, by the edges.
fn orient(tracks: &mut Pair<Vec<Track>>) {
    let known: HashSet<Edge> = tracks.client.iter().flat_map(edges).collect();
    for track in tracks.server.iter_mut().filter(|track| track.guessed) {
        turn_to(&known, track);
    }
    let known: HashSet<Edge> = tracks.server.iter().flat_map(edges).collect();
    for track in tracks.client.iter_mut().filter(|track| track.guessed) {
        turn_to(&known, track);
    }
}

fn turn_to(known: &HashSet<Edge>, track: &mut Track) {
    let count = |track: &Track| edges(track).iter().filter(|edge| known.contains(*edge)).count();
    let turned = track.clone().flipped();
    if count(&turned) > count(track) {
        *track = turned;
    }
}

/// Which connections have an edge.
fn index(tracks: &[Option<Track>]) -> HashMap<Edge, Vec<usize>> {
    let mut index: HashMap<Edge, Vec<usize>> = HashMap::new();
    for (place, track) in tracks.iter().enumerate() {
        for edge in track.iter().flat_map(edges) {
            index.entry(edge).or_default().push(place);
        }
    }
    index
}

fn best(
    track: &Track,
    others: &[Option<Track>],
    index: &HashMap<Edge, Vec<usize>>,
) -> Option<usize> {
    let mut shared: BTreeMap<usize, Pair<u64>> = BTreeMap::new();
    for (from, seq) in edges(track) {
        for &place in index.get(&(from, seq)).into_iter().flatten() {
            *shared.entry(place).or_default().at_mut(from) += 1;
        }
    }
    let candidates = shared.into_iter().filter_map(|(place, shared)| {
        let other = others.get(place)?.as_ref()?;
        let same_addresses = other.endpoints == track.endpoints;
        let fits = fits(track, other, same_addresses, shared);
        fits.then_some((same_addresses, shared.client + shared.server, std::cmp::Reverse(place)))
    });
    candidates.max().map(|(_, _, place)| place.0)
}

fn fits(a: &Track, b: &Track, same_addresses: bool, shared: Pair<u64>) -> bool {
    let same_syn = |end| a.syn(end).zip(b.syn(end)).map(|(a, b)| a == b);
    match (same_syn(End::Client), same_syn(End::Server)) {
        (Some(client), server) => client && server != Some(false),
        (None, Some(false)) => false,
        (None, Some(true) | None) => same_addresses || (shared.client >= 2 && shared.server >= 2),
    }
}

/// The edges of all that takes up sequence numbers, each once.
fn edges(track: &Track) -> HashSet<Edge> {
    let mut edges = HashSet::new();
    for step in track.steps.iter().filter(|step| !step.flags.rst()) {
        let length = step.payload_len + u32::from(step.flags.syn()) + u32::from(step.flags.fin());
        if length > 0 {
            edges.insert((step.from, step.seq));
            edges.insert((step.from, step.seq.plus(length)));
        }
    }
    edges
}
