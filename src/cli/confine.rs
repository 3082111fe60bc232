//! Gives up whatever a command does not need, once all that can be open is, and says what that came to where
//! it is not what the user might expect.

use std::io::{self, IsTerminal};
use std::path::Path;

use super::command::{note, warn};
use super::failure::Failure;
use crate::sandbox::{self, Confined, Confinement, Dropped, FormerRoot, Needs};

/// Confines the process to what it needs. To be called before anything of a capture is read.
pub(super) fn confine(
    confinement: Confinement,
    dropped: Dropped,
    needs: &Needs,
) -> Result<(), Failure> {
    let Confined { root, is_sudo_unclear, missing, .. } =
        sandbox::confine(confinement, dropped, needs)?;
    // Elsewhere than on Linux there is nothing to be missed.
    for missing in missing.into_iter().filter(|_| cfg!(target_os = "linux")) {
        note(&missing.to_string());
    }
    let words = match root {
        None => return Ok(()),
        Some(FormerRoot::Nobody) => "going on as nobody",
        Some(FormerRoot::NameOnly) => "going on as root by name only",
    };
    if is_sudo_unclear {
        warn(&format!("SUDO_UID and SUDO_GID name no user: {words}"));
    } else if io::stderr().is_terminal() {
        note(&format!("{words} (--sandbox)"));
    }
    Ok(())
}

/// The needs of a command that puts files in these folders at its end.
pub(super) fn placing<'a>(places: impl IntoIterator<Item = Option<&'a Path>>) -> Needs {
    let places = places.into_iter().flatten().map(Path::to_owned).collect();
    Needs { places, ..Needs::default() }
}
