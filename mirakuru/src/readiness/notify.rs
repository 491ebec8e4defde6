//! The check that is ready when the service reports readiness itself, by `sd_notify(3)`.
//!
//! The supervisor receives the messages of the service. The check reads what the supervisor has reported.

use super::{Context, Manner, NotReady, Origin, Readiness, Target};

/// Ready when the service reports readiness by `sd_notify(3)`: it sends `READY=1` to the socket that the environment
/// variable `NOTIFY_SOCKET` names.
///
/// The check understands these other messages:
///
/// - `STATUS=`: an error shows this text as the last check.
/// - `EXTEND_TIMEOUT_USEC=`: the start may take at least this many microseconds from now, even beyond its timeout.
/// - `MAINPID=`: the executor's pid, signals, exit code and stop refer to this process from then on. If another process
///   reaps it, its exit code is unknown and counts as 0.
///
/// On Linux, a message counts if its sender is in the process tree, or if the sender has already ended and had the
/// service's user. Other systems do not report the sender, so every message counts. Windows does not have this check.
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
    ///
    /// ```no_run
    /// use mirakuru::{Executor, readiness::Notify};
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let service = Executor::with_readiness("my-daemon --foreground", Notify::new()).started()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

impl Readiness for Notify {
    fn after_start_check(&self, cx: &Context) -> Result<(), NotReady> {
        let Some(link) = &cx.start.link else {
            return Err(NotReady::new("the process is not running yet"));
        };
        link.current(|state| {
            if state.notified.ready {
                return Ok(());
            }
            let status = state.notified.status.as_deref();
            Err(NotReady::new(
                status.unwrap_or("it has not reported anything yet"),
            ))
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
