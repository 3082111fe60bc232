//! The links between pages of documentation, wherever these are installed.

use std::fs;
use std::path::{Path, PathBuf};

/// What a page links to beside it: the page itself or another file, which must be there, and the heading in it.
#[track_caller]
pub(crate) fn links(page: &Path) -> Vec<(PathBuf, Option<String>)> {
    let text = fs::read_to_string(page).expect("a page");
    let targets = text.split("](").skip(1).filter_map(|behind| behind.split(')').next());
    let own = targets.filter(|target| !target.contains("://"));
    let link = |target: &str| {
        let (file, heading) = target.split_once('#').unwrap_or((target, ""));
        let to = if file.is_empty() { page.to_owned() } else { page.with_file_name(file) };
        let to = to.canonicalize().unwrap_or_else(|error| panic!("{target}: {error}"));
        (to, Some(heading.to_owned()).filter(|name| !name.is_empty()))
    };
    own.map(link).collect()
}

/// The names by which links reach the headings of a page.
pub(crate) fn anchors(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).expect("a page");
    let headings = text.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    headings.map(|heading| heading.to_lowercase().replace('`', "").replace(' ', "-")).collect()
}
