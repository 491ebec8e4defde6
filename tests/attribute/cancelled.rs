//! An async body whose future is dropped before it is complete: its processes go with it.

use std::{
    fs::File,
    future::{Future, pending},
    path::PathBuf,
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
};

use mirakuru::{OutputExecutor, with_process};
use nix::fcntl::{Flock, FlockArg};
use tempfile::TempDir;

use crate::PROGRAM;

static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("room"));

/// Every process of the service has a lock on this file.
fn held() -> PathBuf {
    DIRECTORY.path().join("held")
}

fn holds() -> OutputExecutor {
    let path = held();
    let path = path.to_str().expect("text");
    OutputExecutor::new([PROGRAM, "holds", path, "2"], "holding")
}

fn is_free() -> bool {
    let file = File::open(held()).expect("the service made it");
    Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok()
}

#[with_process(executor = holds())]
#[with_process(simple = "sleep 60")]
async fn never_ends() {
    pending::<()>().await;
}

#[test]
fn its_processes_are_gone_when_the_drop_returns() {
    {
        let mut future = pin!(never_ends());
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(future.as_mut().poll(&mut context), Poll::Pending);
        assert!(!is_free(), "it runs");
    }
    assert!(is_free());
}
