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
fn a_scenario_is_chosen_by_its_name() {
    let scenario = "unread".parse().unwrap();
    let outcome = Exchange { scenario, port: 0, ..Exchange::default() }.run().unwrap();
    assert_eq!(outcome.close.unwrap().cause, Some(Cause::AbortUnreadData));
    assert_eq!(outcome.report.connections[0].lab.as_ref().unwrap().as_documented, Some(true));
}

#[test]
fn a_scenario_with_a_process_asks_for_the_program_to_start() {
    let scenario = "killed".parse().unwrap();
    let error = Exchange { scenario, ..Exchange::default() }.prepare().err().unwrap();
    assert_eq!(
        error.to_string(),
        "the scenario `killed` starts a process and needs the closecheck program"
    );
    assert!(error.hint().unwrap().contains("Exchange::program"));
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
