//! Aborts wait for the end of the run, where the kernel's counters may tell why.

use crate::report::html::Listed;
use crate::report::{Record, Trace};
use crate::sandbox::{CounterFiles, Counters};
use crate::verdict::{Cause, Close, Confidence, Resets, Risen};

/// Connections that wait at once: about 1 KB each, beside their packets.
const WAITING: usize = 10_000;

/// A connection that is judged and not yet reported.
pub(super) struct Judged {
    pub(super) record: Record,
    pub(super) packets: Option<Trace>,
    /// What a page needs to list it, where there is one that does.
    pub(super) listed: Option<Listed>,
    /// True where it is counted and not listed.
    pub(super) only_counts: bool,
}

/// The aborts of a run.
pub(super) struct Aborts {
    counters: Option<(CounterFiles, Counters)>,
    risen: Option<Risen>,
    resets: Resets,
    waiting: Vec<Judged>,
}

impl Aborts {
    /// To be called before the command is started, in its network namespace. Where that is not `private`,
    /// the counters say nothing.
    pub(super) fn new(private: bool) -> Aborts {
        let open = || {
            let files = CounterFiles::open().ok()?;
            let before = files.read().ok()?;
            Some((files, before))
        };
        let counters = private.then(open).flatten();
        Aborts { counters, risen: None, resets: Resets::default(), waiting: Vec::new() }
    }

    /// Reads the counters, once every packet has been taken: an RST that comes later is one too many.
    pub(super) fn count(&mut self) {
        self.risen = self
            .counters
            .as_ref()
            .and_then(|(files, before)| Some(files.read().ok()?.since(before)));
    }

    /// Takes every connection there is, whether it is reported or not.
    pub(super) fn add(&mut self, close: &Close) {
        self.resets.add(close);
    }

    /// Keeps a connection that the counters may tell something of, and gives back any other. Beyond ten
    /// thousand they are given back too, and stay what the packets tell.
    pub(super) fn hold(&mut self, judged: Judged) -> Option<Judged> {
        let is_abort = judged.record.close.cause == Some(Cause::Abort);
        if self.counters.is_none() || !is_abort || self.waiting.len() == WAITING {
            return Some(judged);
        }
        self.waiting.push(judged);
        None
    }

    /// Those that waited, with the cause where the counters prove it or make it likely, and the counters
    /// where there was an abort. Without every packet nothing is told.
    pub(super) fn finish(self, is_whole: bool) -> (Vec<Judged>, Option<Risen>) {
        let Aborts { risen, resets, mut waiting, .. } = self;
        let told = risen.as_ref().filter(|_| is_whole).and_then(|risen| resets.explained(risen));
        if let Some((cause, confidence)) = told {
            waiting.iter_mut().for_each(|judged| name(&mut judged.record, cause, confidence));
        }
        (waiting, risen.filter(|_| resets.has_aborts()))
    }
}

fn name(record: &mut Record, cause: Cause, confidence: Confidence) {
    record.close.cause = Some(cause);
    record.close.confidence = Some(confidence);
}
