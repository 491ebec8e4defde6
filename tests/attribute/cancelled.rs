//! If the future of an async body is dropped before it is complete, its processes are stopped.

use std::{
    future::{Future, pending},
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use mirakuru::{OutputExecutor, with_process};
use mirakuru_tests::hold::Hold;

use crate::PROGRAM;

static HOLD: LazyLock<Hold> = LazyLock::new(Hold::new);

fn holds() -> OutputExecutor {
    OutputExecutor::new(HOLD.command(&[PROGRAM, "holds", "2"]), "holding")
}

#[with_process(executor = holds())]
#[with_process(simple = "sleep 60")]
async fn never_ends() {
    pending::<()>().await;
}

#[test]
fn processes_are_gone_when_the_drop_returns() {
    {
        let mut future = pin!(never_ends());
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(future.as_mut().poll(&mut context), Poll::Pending);
        assert!(!HOLD.is_free(), "the process runs");
    }
    assert!(HOLD.is_free());
}
