//! The library as a test author uses it: an exchange run from a `#[test]`, asserted on in a few lines.
#![cfg(target_os = "linux")]

use closecheck::Linger;
use closecheck::flow::End;
use closecheck::lab::{Exchange, Family, Isolation};
use closecheck::verdict::{Cause, Verdict};

#[test]
#[ignore = "needs root"]
fn linger_0_resets_and_linger_1_does_not() {
    let linger =
        |seconds| Exchange { linger: Linger::Seconds(seconds), port: 0, ..Exchange::default() };
    let abort = linger(0).run().unwrap().close.unwrap();
    assert_eq!((abort.verdict, abort.by), (Verdict::Rst, Some(End::Server)));
    assert_eq!(abort.cause, Some(Cause::AbortLinger0));

    let close = linger(1).run().unwrap().close.unwrap();
    assert_eq!((close.verdict, close.by), (Verdict::Fin, Some(End::Server)));
}

#[test]
#[ignore = "needs root"]
fn threads_get_namespaces_of_their_own_and_port_8000_each() {
    let exchange = |family| Exchange {
        closer: End::Client,
        family,
        isolation: Isolation::Always,
        ..Exchange::default()
    };
    std::thread::scope(|scope| {
        let runs = [Family::V4, Family::V6, Family::V4]
            .map(|family| scope.spawn(move || exchange(family).run().unwrap()));
        for run in runs {
            let outcome = run.join().unwrap();
            assert!(!outcome.is_incomplete(), "{:?}", outcome.report.capture);
            let close = outcome.close.unwrap();
            assert_eq!((close.verdict, close.by), (Verdict::Fin, Some(End::Client)));
        }
    });
}
