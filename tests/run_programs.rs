//! Programs that are not ours, each closing once with a FIN and once with an RST, as whoever runs the tests and
//! as nobody.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod support;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{NOBODY, Public, clean, run, words};

/// A folder with the program and the scripts in it, and the user that they are run as.
struct Scene {
    public: Public,
    user: u32,
}

impl Scene {
    fn new(user: u32) -> Scene {
        let public = Public::new();
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs");
        for name in ["http.sh", "nginx.sh", "server.go"] {
            let script = [programs.join(name), public.path(name)];
            run(clean("install").args(["-m", "644"]).args(script)).succeeded();
        }
        Scene { public, user }
    }

    /// `closecheck run` of a script that gets an argument and a folder to write to; how the connections ended.
    #[track_caller]
    fn ends(&self, script: &str, how: &str) -> Vec<String> {
        let folder = self.public.folder(&format!("{script}-{how}"), self.user, "755");
        let script = self.public.path(script);
        let command = ["sh".as_ref(), script.as_os_str(), how.as_ref(), folder.as_os_str()];
        self.run(&command).iter().map(ended).collect()
    }

    #[track_caller]
    fn run(&self, command: &[&OsStr]) -> Vec<Value> {
        let options = words("run --keep never --format json --report - --");
        let mut closecheck = if nix::unistd::geteuid().as_raw() == self.user {
            let mut closecheck = clean(self.public.program());
            closecheck.args(options);
            closecheck
        } else {
            self.public.as_nobody(options)
        };
        let report = run(closecheck.args(command)).exits(0).json();
        report["connections"].as_array().unwrap().clone()
    }

    #[track_caller]
    fn builds_the_go_server(&self) -> PathBuf {
        let server = self.public.path("server");
        let mut go = clean("go");
        go.args(["build", "-o"]).arg(&server).arg(self.public.path("server.go"));
        go.env("GOCACHE", self.public.path("go-cache")).env("GO111MODULE", "off");
        run(&mut go).succeeded();
        server
    }
}

/// `fin by server`, and what the capture lacks.
fn ended(connection: &Value) -> String {
    let close = &connection["close"];
    let word = |name: &str| close[name].as_str().unwrap_or("nobody");
    let gaps = close["gaps"].as_array().unwrap();
    let gaps = if gaps.is_empty() { String::new() } else { format!(", lacking {gaps:?}") };
    format!("{} by {}{gaps}", word("verdict"), word("by"))
}

fn users() -> Vec<u32> {
    match nix::unistd::geteuid().as_raw() {
        0 => vec![0, NOBODY],
        user => vec![user],
    }
}

#[test]
fn python_s_http_server_and_curl_close_with_fin_and_a_refused_body_with_rst() {
    for user in users() {
        let scene = Scene::new(user);
        // Both close once the answer is through, and either may be first.
        let ends = scene.ends("http.sh", "get");
        assert!([["fin by server"], ["fin by client"]].contains(&[&ends.join(" ")]), "{ends:?}");
        // The server shuts its side down and then closes over the unread body. Its FIN is not always on the wire
        // before its RST is.
        let ends = scene.ends("http.sh", "post").join(" ");
        assert!(["rst by server", "fin-then-rst by server"].contains(&ends.as_str()), "{ends}");
    }
}

#[test]
fn nginx_closes_idle_connections_with_fin_and_those_that_it_gives_no_answer_with_rst() {
    for user in users() {
        let scene = Scene::new(user);
        assert_eq!(scene.ends("nginx.sh", "keepalive"), ["fin by server"]);
        assert_eq!(scene.ends("nginx.sh", "444"), ["rst by server"]);
    }
}

#[test]
fn a_go_server_closes_with_fin_and_under_set_linger_0_with_rst() {
    for user in users() {
        let scene = Scene::new(user);
        let server = scene.builds_the_go_server();
        for (how, end) in [("fin", "fin by server"), ("rst", "rst by server")] {
            let connections = scene.run(&[server.as_os_str(), how.as_ref()]);
            let ends: Vec<String> = connections.iter().map(ended).collect();
            assert_eq!(ends, [end], "{connections:#?}");
            assert_eq!(connections[0]["server"]["ip"], "::1");
        }
    }
}
