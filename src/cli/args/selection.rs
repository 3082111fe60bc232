//! The arguments that say which connections are held and listed.

use std::num::NonZeroUsize;

use super::{rule, whole};
use crate::flow::Table;
use crate::verdict::Expectation;

#[derive(Debug, clap::Args)]
pub(super) struct SelectionArgs {
    /// List only connections that ended so: 'rst'
    ///
    /// By what was seen of them; --expect, if it is given, is about these alone.
    #[arg(long, value_name = "RULE", value_parser = rule(), hide_possible_values = true)]
    pub(super) only: Option<Expectation>,
    /// Hold at most N connections at once, in 256 bytes each. Where packets are missing, repeated or out of place it
    /// takes up to 4 KB, for which there are another 256 bytes for each of the N, or 4 MiB. Where there is no more room,
    /// unanswered SYNs and then silent connections are given up, and the report says so.
    #[arg(long, value_name = "N", default_value_t = Table::LIMIT, value_parser = whole::<NonZeroUsize>(1..=u64::MAX))]
    pub(super) max_open: NonZeroUsize,
}
