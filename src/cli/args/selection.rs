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
    /// Hold at most N connections at once, 256 bytes each, and up to 4 KB where packets are missing, repeated or out of
    /// place. Where more are open, unanswered SYNs and then silent connections are given up, and the report says so.
    #[arg(long, value_name = "N", default_value_t = Table::LIMIT, value_parser = whole::<NonZeroUsize>(1..=u64::MAX))]
    pub(super) max_open: NonZeroUsize,
}
