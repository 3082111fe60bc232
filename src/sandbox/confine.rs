//! What is left to a command once its capture and its files are open, and the rest given up.

use std::fmt;
use std::os::fd::RawFd;
use std::path::PathBuf;

use super::rights::{self, Dropped, RightsError};

/// How much of the kernel's confinement is asked for (`--sandbox`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Confinement {
    /// Landlock and seccomp, or nothing is done.
    Strict,
    /// As much as the kernel has.
    #[default]
    Auto,
    /// Neither; and root without sudo stays root.
    Off,
}

/// As `--sandbox` has it.
impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Confinement::Strict => "strict",
            Confinement::Auto => "auto",
            Confinement::Off => "off",
        })
    }
}

/// What a command still does once it is confined. Nothing, unless said otherwise.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Captures that are open, by their descriptors: these are read from, and nothing else is done with them.
    pub captures: Vec<RawFd>,
    /// Files that are still to be opened, to be read.
    pub readable: Vec<PathBuf>,
    /// Folders in which files are still to get their names.
    pub places: Vec<PathBuf>,
    /// True where files are still to be made there.
    pub makes_files: bool,
    /// True where something is still sent through a socket that is open: to the kernel, which is asked for its
    /// sockets or links, or to a process of closecheck's own.
    pub sends: bool,
    /// Connections that are still to be made.
    pub tcp: Option<Tcp>,
    /// True where processes of its own are continued and ended.
    pub processes: bool,
}

/// The TCP connections that a command makes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// The port that it calls.
    pub calls: u16,
    /// The port that it calls from, where it asks for that one.
    pub binds: Option<u16>,
    /// True where it has to make sockets for that.
    pub makes_sockets: bool,
    /// True where a process of its own is given one of the sockets.
    pub hands_over: bool,
}

impl Needs {
    /// True where a file is still to be opened.
    pub(super) fn opens(&self) -> bool {
        !self.readable.is_empty() || self.makes_files
    }
}

/// What the kernel did not give to confine the process with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No Landlock.
    Landlock,
    /// No seccomp, or not for this processor.
    Seccomp,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Missing::Landlock => "no Landlock here: this user's files stay within reach",
            Missing::Seccomp => "no seccomp here: system calls stay unfiltered",
        })
    }
}

/// What came of [`confine`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confined {
    /// Who the process is now, where it was root and nobody had called it by sudo.
    pub root: Option<FormerRoot>,
    /// True where sudo's variables were set then and named no user.
    pub is_sudo_unclear: bool,
    /// The version of Landlock that is in force.
    pub landlock: Option<i32>,
    /// What is not in force though it was asked for.
    pub missing: Vec<Missing>,
}

/// What became of root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormerRoot {
    /// The user nobody, with no right left.
    Nobody,
    /// Root by name, with no capability but those over files or processes that the command needs: it
    /// has files to write or read that are root's, or a command to look after.
    NameOnly,
}

/// Confines the process to what it needs, beyond return. To be called once the capture and all files that
/// can be are open, with one thread, and before anything of a capture is read.
///
/// # Errors
/// [`RightsError`]: a right that cannot be given up, or with [`Confinement::Strict`] what the kernel lacks.
pub fn confine(
    confinement: Confinement,
    dropped: Dropped,
    needs: &Needs,
) -> Result<Confined, RightsError> {
    let mut confined =
        Confined { root: None, is_sudo_unclear: false, landlock: None, missing: Vec::new() };
    if confinement == Confinement::Off {
        return Ok(confined);
    }
    if dropped == Dropped::StillRoot {
        confined.root = Some(rights::give_up_root(needs)?);
        confined.is_sudo_unclear = rights::is_sudo_unclear();
    }
    (confined.landlock, confined.missing) = restrict(needs)?;
    match (confinement, confined.missing.first()) {
        (Confinement::Strict, Some(&missing)) => Err(RightsError::Unconfined(missing)),
        (Confinement::Strict | Confinement::Auto | Confinement::Off, _) => Ok(confined),
    }
}

#[cfg(target_os = "linux")]
fn restrict(needs: &Needs) -> Result<(Option<i32>, Vec<Missing>), RightsError> {
    let mut missing = Vec::new();
    let landlock =
        super::landlock::confine(needs).map_err(rights::failed_by("confine it by Landlock"))?;
    missing.extend(landlock.is_none().then_some(Missing::Landlock));
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64"))]
    let is_filtered =
        super::seccomp::confine(needs).map_err(rights::failed_by("filter its system calls"))?;
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
    let is_filtered = false;
    if !is_filtered {
        missing.push(Missing::Seccomp);
    }
    Ok((landlock, missing))
}

/// Other systems have neither.
#[cfg(not(target_os = "linux"))]
fn restrict(_needs: &Needs) -> Result<(Option<i32>, Vec<Missing>), RightsError> {
    Ok((None, vec![Missing::Landlock, Missing::Seccomp]))
}
