//! Servers whose connections both ends close of their own accord, so that chance decides whose FIN comes
//! first.

use std::collections::{HashMap, HashSet};

use super::Conversation;
use crate::decode::Endpoint;
use crate::flow::End;
use crate::verdict::{Shape, Verdict};

/// The servers of one capture at which FINs crossed, or at which now the client and now the server closed
/// first.
#[derive(Debug)]
pub(super) struct Races(HashSet<Endpoint>);

impl Races {
    pub(super) fn of(conversations: &[Conversation]) -> Races {
        let mut closers: HashMap<Endpoint, End> = HashMap::new();
        let mut races = HashSet::new();
        for Conversation { record, .. } in conversations {
            let (close, server) = (&record.close, record.server);
            let Some(by) = close.by.filter(|_| close.verdict == Verdict::Fin) else { continue };
            let before = *closers.entry(server).or_insert(by);
            if before != by || close.shape == Some(Shape::Simultaneous) {
                races.insert(server);
            }
        }
        Races(races)
    }

    /// True where it was chance who closed this connection first.
    pub(super) fn include(&self, conversation: &Conversation) -> bool {
        let record = &conversation.record;
        record.close.verdict == Verdict::Fin && self.0.contains(&record.server)
    }
}
