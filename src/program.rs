//! The program that is running: how to give it the right to capture.

use std::env;
use std::ffi::OsString;

/// What a user does who may not capture on Linux, with a command that a shell takes as it is.
pub(crate) fn how_to_give_the_right() -> String {
    let path = env::current_exe().ok().and_then(|path| quoted(path.into_os_string()));
    let path = path.unwrap_or_else(|| r#""$(command -v closecheck)""#.to_owned());
    format!("run it with sudo, or give it the right once with `sudo setcap cap_net_raw=ep {path}`")
}

/// A path as one word of a shell; `None` where its text cannot be shown as it is.
fn quoted(path: OsString) -> Option<String> {
    let path = path.into_string().ok()?;
    let is_plain =
        |letter: char| letter.is_ascii_graphic() || letter.is_alphanumeric() || letter == ' ';
    if !path.chars().all(is_plain) {
        return None;
    }
    shlex::try_quote(&path).ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_the_path_as_one_word() {
        for path in ["/usr/bin/closecheck", "/a b/it's", r#"/$HOME/`id`/"x"\y"#, "/Größe/*;&|"] {
            let word = quoted(path.into()).unwrap();
            let mut shell = Command::new("sh");
            let read = shell.arg("-c").arg(format!("printf %s {word}")).output().unwrap();
            assert_eq!(String::from_utf8(read.stdout).unwrap(), path);
        }
        assert_eq!(quoted("/usr/bin/closecheck".into()).as_deref(), Some("/usr/bin/closecheck"));
        assert_eq!(quoted("/a\u{1b}[2J".into()), None);
    }

    #[test]
    fn the_path_is_that_of_the_running_program() {
        let path = env::current_exe().unwrap().display().to_string();
        assert!(how_to_give_the_right().contains(&path));
    }
}
