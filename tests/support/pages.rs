//! Pages that commands write, and what is in them.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test that called it")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{closecheck, run};

/// A folder for pages.
pub(crate) struct Pages(tempfile::TempDir);

impl Pages {
    pub(crate) fn new() -> Pages {
        Pages(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The page that a command writes, with this exit status.
    pub(crate) fn of(&self, name: &str, arguments: &[&str], status: i32) -> PathBuf {
        let path = self.path(name);
        run(closecheck([arguments[0], "--html"]).arg(&path).args(&arguments[1..])).exits(status);
        path
    }

    pub(crate) fn read(&self, capture: &Path) -> PathBuf {
        self.of("read.html", &["read", capture.to_str().unwrap()], 0)
    }

    pub(crate) fn names(&self) -> usize {
        fs::read_dir(self.0.path()).unwrap().count()
    }
}

/// The data of a page.
pub(crate) fn data(page: &Path) -> Value {
    let text = fs::read_to_string(page).unwrap();
    let (_, rest) = text.split_once("id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}
