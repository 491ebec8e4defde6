//! A shared fixture is started once and lent to every test, and no test stops it.

use mirakuru::{OutputExecutor, Shared, TcpExecutor, with_process};

use crate::PROGRAM;

static SERVICE: Shared<TcpExecutor> =
    Shared::new(|| TcpExecutor::new([PROGRAM, "listens_late", "{port}"], "127.0.0.1", 0));

mod elsewhere {
    use mirakuru::{OutputExecutor, Shared};

    pub(super) static BROKEN: Shared<OutputExecutor> =
        Shared::new(|| OutputExecutor::new([crate::PROGRAM, "1"], "ready"));
}

#[with_process(shared = SERVICE, bind = db)]
fn pid() -> Option<u32> {
    SERVICE.pid()
}

#[with_process(shared = SERVICE, bind = db)]
#[with_process(output = [PROGRAM, "prints", "{db.port}"], banner = ".")]
#[test]
fn lent(service: &TcpExecutor, prints: &OutputExecutor) {
    let reported = prints.output().text();
    assert_eq!(reported.trim_end(), service.port().to_string());
}

#[with_process(shared = SERVICE)]
#[tokio::test]
async fn lent_to_an_async_test(service: &TcpExecutor) {
    tokio::task::yield_now().await;
    assert!(service.running());
}

#[test]
fn a_shared_fixture_stays_up() {
    let first = pid();
    assert!(first.is_some());
    assert_eq!(pid(), first);
    assert!(SERVICE.running());
}

#[with_process(shared = elsewhere::BROKEN)]
fn cannot_start() {}

#[test]
fn a_fixture_that_cannot_start_fails_the_test() {
    let reported = crate::bodies::panic_of(cannot_start);
    assert!(reported.contains("ended before it was ready"), "{reported}");
}

macro_rules! lent {
    ($name:ident, $fixture:path) => {
        #[with_process(shared = $fixture)]
        #[test]
        fn $name(service: &TcpExecutor) {
            assert!(service.running());
        }
    };
}

lent!(lent_by_a_fragment, SERVICE);
