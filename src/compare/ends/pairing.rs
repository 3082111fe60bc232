//! Which connections of the two captures are one and the same.
//!
//! Sequence numbers go through address translation unchanged. Every SYN, FIN and piece of data begins at one
//! and ends before another, and where a piece is cut up, its two edges remain. Connections are the same where
//!
//! 1. both captures have a SYN of the client: a number is the same, and so is one of the SYN-ACKs' if both have any;
//! 2. one lacks the SYN: addresses and ports are the same and an edge is, or two edges of each direction are.
//!
//! Of several, the one with the same addresses and then with the most edges in common is taken.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use super::{IsOver, Track};
use crate::decode::{Endpoint, Seq};
use crate::flow::{End, Pair};

/// A sequence number at which something begins or ends.
type Edge = (End, Seq);

/// Connections with one edge in common that are looked at: a scanner may give all of its SYNs one number. Likewise
/// those with the same addresses and ports: beyond, only those with an edge in common are.
const CANDIDATES: usize = 64;

/// All connections of both captures, sorted.
#[derive(Debug, Default)]
pub(super) struct Paired {
    /// Those that can be compared, one side empty where that capture should have the connection.
    pub(super) together: Vec<Pair<Option<Track>>>,
    /// The numbers of those that only one capture has, and whose server no compared connection has.
    pub(super) elsewhere: Pair<u64>,
}

/// Pairs them; `None` where that is over before they all are, as a connection whose counterpart was not looked for
/// is not known to have none.
pub(super) fn pair(mut tracks: Pair<Vec<Track>>, is_over: IsOver<'_>) -> Option<Paired> {
    orient(&mut tracks, is_over);
    let mut server: Vec<Option<Track>> = tracks.server.into_iter().map(Some).collect();
    let index = Index::of(&server, is_over);
    let mut paired = Paired::default();
    let mut alone = Pair::<Vec<Track>>::default();
    for track in tracks.client {
        let found = best(&track, &server, &index, is_over);
        if is_over() {
            return None;
        }
        match found.and_then(|place| server.get_mut(place)?.take()) {
            Some(found) => {
                paired.together.push(Pair { client: Some(track), server: Some(found) });
            }
            None => alone.client.push(track),
        }
    }
    alone.server = server.into_iter().flatten().collect();
    add_alone(&mut paired, alone);
    Some(paired)
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
fn orient(tracks: &mut Pair<Vec<Track>>, is_over: IsOver<'_>) {
    let known = edges_of(&tracks.client, is_over);
    turn_guessed(&known, &mut tracks.server, is_over);
    let known = edges_of(&tracks.server, is_over);
    turn_guessed(&known, &mut tracks.client, is_over);
}

fn edges_of(tracks: &[Track], is_over: IsOver<'_>) -> HashSet<Edge> {
    tracks.iter().take_while(|_| !is_over()).flat_map(edges).collect()
}

fn turn_guessed(known: &HashSet<Edge>, tracks: &mut [Track], is_over: IsOver<'_>) {
    for track in tracks.iter_mut().filter(|track| track.guessed).take_while(|_| !is_over()) {
        turn_to(known, track);
    }
}

fn turn_to(known: &HashSet<Edge>, track: &mut Track) {
    let count = |track: &Track| edges(track).iter().filter(|edge| known.contains(*edge)).count();
    let turned = track.clone().flipped();
    if count(&turned) > count(track) {
        *track = turned;
    }
}

/// What of a connection is the same in both captures; looking for it takes as long as the connection is.
#[derive(Debug, Default)]
struct Traits {
    edges: HashSet<Edge>,
    syns: Pair<HashSet<Seq>>,
}

impl Traits {
    fn of(track: &Track) -> Traits {
        Traits { edges: edges(track), syns: Pair::from_fn(|end| track.syns(end).collect()) }
    }

    /// How many edges of each direction both have.
    fn shared(&self, other: &Traits) -> Pair<u64> {
        let mut shared = Pair::default();
        for edge in self.edges.intersection(&other.edges) {
            *shared.at_mut(edge.0) += 1;
        }
        shared
    }
}

/// Where to look for the counterpart of a connection.
#[derive(Debug, Default)]
struct Index {
    by_addresses: HashMap<[Endpoint; 2], Vec<usize>>,
    by_edge: HashMap<Edge, Vec<usize>>,
    /// What there is to go by of each connection.
    traits: Vec<Traits>,
}

impl Index {
    fn of(tracks: &[Option<Track>], is_over: IsOver<'_>) -> Index {
        let mut index = Index::default();
        for (place, track) in tracks.iter().enumerate().take_while(|_| !is_over()) {
            let Some(track) = track else { continue };
            index.by_addresses.entry(addresses(track)).or_default().push(place);
            let traits = Traits::of(track);
            for &edge in &traits.edges {
                let places = index.by_edge.entry(edge).or_default();
                if places.len() < CANDIDATES {
                    places.push(place);
                }
            }
            index.traits.push(traits);
        }
        index
    }

    /// Those with one of these edges.
    fn with_any(&self, edges: &HashSet<Edge>) -> BTreeSet<usize> {
        edges.iter().filter_map(|edge| self.by_edge.get(edge)).flatten().copied().collect()
    }
}

/// The best counterpart that is not taken: among those with the same addresses, else among all.
fn best(
    track: &Track,
    others: &[Option<Track>],
    index: &Index,
    is_over: IsOver<'_>,
) -> Option<usize> {
    let own = Traits::of(track);
    let best_of = |candidates: BTreeSet<usize>, same_addresses: bool| {
        let candidates = candidates.into_iter().take_while(|_| !is_over());
        let rated = candidates.filter_map(|place| {
            let other = others.get(place)?.as_ref()?;
            let has_same = addresses(other) == addresses(track);
            if same_addresses && !has_same {
                return None;
            }
            let traits = index.traits.get(place)?;
            let shared = traits.shared(&own);
            let total = shared.client + shared.server;
            let fits = total > 0 && fits(&own.syns, &traits.syns, has_same, shared);
            fits.then_some((total, Reverse(place)))
        });
        rated.max().map(|(_, place)| place.0)
    };
    let same = index.by_addresses.get(&addresses(track)).map_or(&[][..], Vec::as_slice);
    let same = match same.len() {
        ..=CANDIDATES => same.iter().copied().collect(),
        _ => index.with_any(&own.edges),
    };
    best_of(same, true).or_else(|| best_of(index.with_any(&own.edges), false))
}

fn addresses(track: &Track) -> [Endpoint; 2] {
    [track.endpoints.client, track.endpoints.server]
}

fn fits(
    a: &Pair<HashSet<Seq>>,
    b: &Pair<HashSet<Seq>>,
    same_addresses: bool,
    shared: Pair<u64>,
) -> bool {
    let same_syn = |end| {
        let (a, b) = (a.at(end), b.at(end));
        (!a.is_empty() && !b.is_empty()).then(|| !a.is_disjoint(b))
    };
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
