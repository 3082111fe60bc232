//! What of files and of the network stays within reach of this process, by Landlock (landlock(7)).
//!
//! Everything that the kernel can withhold is: opening, making, removing files, TCP, signals and abstract
//! Unix sockets of others; a debugger's view of other processes goes with it. What is needed after all is
//! named. Descriptors that are open already stay what they were.

use std::path::Path;

use ::landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
    make_bitflags,
};

use super::Needs;

/// The newest version whose rights are asked for; an older kernel gives those that it has.
const NEWEST: ABI = ABI::V6;

/// Confines the calling thread, and gives the version of Landlock that does so; `None` where the kernel has
/// none.
///
/// # Errors
/// Whatever the kernel refuses though it has Landlock.
pub(super) fn confine(needs: &Needs) -> Result<Option<i32>, RulesetError> {
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(scopes(needs))?
        .create()?;
    let read: BitFlags<AccessFs> = AccessFs::ReadFile.into();
    let place = make_bitflags!(AccessFs::{MakeReg | RemoveFile | WriteFile});
    let mut rules = allow(rules, needs.readable.iter().map(|path| (path.as_path(), read)))?;
    rules = allow(rules, needs.places.iter().map(|path| (path.as_path(), place)))?;
    if let Some(tcp) = needs.tcp {
        rules = rules.add_rule(NetPort::new(tcp.calls, AccessNet::ConnectTcp))?;
        if let Some(port) = tcp.binds {
            rules = rules.add_rule(NetPort::new(port, AccessNet::BindTcp))?;
        }
    }
    let status = rules.restrict_self()?;
    Ok(match (status.ruleset, status.landlock) {
        (RulesetStatus::NotEnforced, _) => None,
        (_, LandlockStatus::Available { effective_abi, .. }) => Some(effective_abi as i32),
        (_, LandlockStatus::NotEnabled | LandlockStatus::NotImplemented) => None,
    })
}

/// Signals reach processes of its own, where it ends these: they are outside as well.
fn scopes(needs: &Needs) -> BitFlags<Scope> {
    let all = Scope::from_all(NEWEST);
    if needs.processes { all & !Scope::Signal } else { all }
}

/// Allows what is named. What is not there or out of this user's reach needs no rule: opening it says so.
fn allow<'a>(
    rules: RulesetCreated,
    paths: impl Iterator<Item = (&'a Path, BitFlags<AccessFs>)>,
) -> Result<RulesetCreated, RulesetError> {
    let open = paths.filter_map(|(path, access)| Some((PathFd::new(path).ok()?, access)));
    rules
        .add_rules(open.map(|(path, access)| Ok::<_, RulesetError>(PathBeneath::new(path, access))))
}
