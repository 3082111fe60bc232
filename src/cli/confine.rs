//! Gives up whatever a command does not need, once all that can be open is, and says what that came to where
//! it is not what the user might expect.

use std::cell::Cell;
use std::io::{self, IsTerminal};
use std::path::Path;

use super::command::{note, warn};
use super::failure::Failure;
use crate::sandbox::{self, Confined, Confinement, Dropped, FormerRoot, Needs};

/// How far a command is to be confined, and what has become of root by that.
pub(super) struct Confining {
    wanted: Confinement,
    root: Cell<Option<FormerRoot>>,
}

impl Confining {
    pub(super) fn new(wanted: Confinement) -> Confining {
        Confining { wanted, root: Cell::new(None) }
    }

    pub(super) fn wanted(&self) -> Confinement {
        self.wanted
    }

    /// Tells root at a terminal, behind the report, who closecheck was.
    pub(super) fn tell(&self) {
        if let Some(root) = self.root.get().filter(|_| io::stderr().is_terminal()) {
            note(&format!("went on as {} (--sandbox)", name(root)));
        }
    }
}

/// Who root has become.
fn name(root: FormerRoot) -> &'static str {
    match root {
        FormerRoot::Nobody => "nobody",
        FormerRoot::NameOnly => "root by name only",
    }
}

/// Confines the process to what it needs. To be called before anything of a capture is read.
pub(super) fn confine(
    confining: &Confining,
    dropped: Dropped,
    needs: &Needs,
) -> Result<(), Failure> {
    let Confined { root, is_sudo_unclear, missing, .. } =
        sandbox::confine(confining.wanted, dropped, needs)?;
    // Elsewhere than on Linux there is nothing to be missed.
    for missing in missing.into_iter().filter(|_| cfg!(target_os = "linux")) {
        note(&missing.to_string());
    }
    match root {
        Some(root) if is_sudo_unclear => {
            warn(&format!("SUDO_UID and SUDO_GID name no user: going on as {}", name(root)));
        }
        Some(_) | None => confining.root.set(root),
    }
    Ok(())
}

/// The needs of a command that puts files in these folders at its end.
pub(super) fn placing<'a>(places: impl IntoIterator<Item = Option<&'a Path>>) -> Needs {
    let places = places.into_iter().flatten().map(Path::to_owned).collect();
    Needs { places, ..Needs::default() }
}
