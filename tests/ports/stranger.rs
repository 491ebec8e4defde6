//! An unrelated listener that takes the port between the check before the start and the service's own bind.

use std::{net::TcpListener, sync::Mutex};

use mirakuru::{Context, NotReady, Readiness, readiness::Tcp};

/// A check that binds the port in the test process, once the service was started and before the first look. The file
/// `bound` in the private directory appears then.
pub(crate) struct TakenAfterTheStart {
    check: Tcp,
    unrelated: Mutex<Option<TcpListener>>,
}

impl TakenAfterTheStart {
    pub(crate) fn new(check: Tcp) -> Self {
        Self {
            check,
            unrelated: Mutex::default(),
        }
    }
}

impl Readiness for TakenAfterTheStart {
    fn after_start_check(&self, cx: &Context) -> std::result::Result<(), NotReady> {
        self.unrelated
            .lock()
            .expect("no panic")
            .get_or_insert_with(|| TcpListener::bind(("127.0.0.1", cx.port())).expect("free"));
        std::fs::write(cx.tmpdir().join("bound"), "").expect("own directory");
        self.check.after_start_check(cx)
    }

    fn target(&self) -> mirakuru::readiness::Target {
        self.check.target()
    }
}
