//! Ready when the service reports so itself.

use super::{Context, Manner, NotReady, Origin, Readiness, Target};

/// Ready when the service reports readiness by `sd_notify(3)`: it sends `READY=1` to the socket that the environment
/// variable `NOTIFY_SOCKET` names.
///
/// `STATUS=` is the last check in an error. `EXTEND_TIMEOUT_USEC=` gives the start that many microseconds from now, if
/// the timeout would end it earlier. After `MAINPID=`, the executor's pid, signals, exit code and stop refer to that
/// process. If another process reaps it, its code is unknown and counts as 0. A message counts if its sender is in the process tree, or has already ended and had the service's user. On
/// systems that do not tell the sender (all but Linux), every message counts. Windows does not have this check.
///
/// ```
/// use mirakuru::NotifyExecutor;
///
/// # fn main() -> mirakuru::Result<()> {
/// # if std::process::Command::new("systemd-notify").arg("--version").output().is_err() { return Ok(()); }
/// let script = "systemd-notify --ready --status='up and running'; exec sleep 60";
/// let service = NotifyExecutor::new(["sh", "-c", script]).started()?;
/// assert!(service.running());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Notify;

impl Notify {
    /// Creates the check.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Readiness for Notify {
    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        let Some(link) = &cx.start.link else {
            return Err(NotReady::new("nothing runs yet"));
        };
        link.current(|state| {
            if state.notified.ready {
                return Ok(());
            }
            let status = state.notified.status.as_deref();
            Err(NotReady::new(status.unwrap_or("it has reported nothing")))
        })
    }

    fn describe(&self, _cx: &Context) -> String {
        "READY=1 at the socket of NOTIFY_SOCKET".to_owned()
    }

    fn target(&self) -> Target {
        Target {
            notifies: true,
            ..Target::default()
        }
    }

    fn manner(&self, _cx: &Context) -> Manner {
        Manner::non_blocking()
    }

    fn origin(&self, _cx: &Context) -> Origin {
        Origin::Tree
    }

    fn needs_own_process(&self) -> bool {
        true
    }
}
