//! Waits until the service fulfils a condition that the user gives as a closure.

use super::Executor;
use super::core::Core;
use super::run::Run;
use super::wait::{Ended, Why};
use crate::error::Result;
use crate::protocol::Gone;
use crate::readiness::{NotReady, Origin, Readiness};
use crate::wait::Deadline;

impl<R: Readiness> Executor<R> {
    /// Waits until `ready` returns `true`. Calls `ready` as often as a readiness check. The wait fails after the
    /// executor's timeout.
    ///
    /// ```
    /// use mirakuru::SimpleExecutor;
    ///
    /// # fn main() -> mirakuru::Result<()> {
    /// let script = "sleep 0.1; echo > {tmpdir}/imported; exec sleep 60";
    /// let service = SimpleExecutor::new(["sh", "-c", script]).started()?;
    /// let imported = service.tmpdir().join("imported");
    /// service.wait_for(|| imported.exists())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `TimeoutExpired`: `ready` did not return `true` in time. The process tree is stopped.
    /// - `ProcessExitedWithError`: the process ended, and a last call of `ready` returned `false`.
    /// - `Io`: the process is not running, and `ready` returned `false`. Or another process killed the supervisor.
    pub fn wait_for(&self, mut ready: impl FnMut() -> bool) -> Result<&Self> {
        let what = ("the closure to return true", "the closure returned false");
        self.act(|core| core.wait_for(&mut ready, what))
    }
}

impl Core {
    /// Waits until the process has ended with 0.
    #[cfg(feature = "services")]
    pub(crate) fn wait_for_end(&self) -> Result<()> {
        let what = ("its end without an error", "it has not ended");
        self.wait_for(&mut || self.exit_code() == Some(0), what)
    }

    /// Waits until `ready` returns `true`. `what` has two texts for the error: the awaited condition, and the reason
    /// why a check of it fails.
    fn wait_for(&self, ready: &mut dyn FnMut() -> bool, what: (&str, &str)) -> Result<()> {
        let Some(run) = self.up() else {
            return ready()
                .then_some(())
                .ok_or_else(|| self.not_running("waited for"));
        };
        let deadline = Deadline::after(self.config.start_bound());
        let mut ask = || {
            let not_yet = || NotReady::new(what.1);
            Some(ready().then_some(()).ok_or_else(not_yet))
        };
        // While a process of the tree is left, an exit with 0 may be that of a daemon's parent.
        let ended = Ended {
            origin: &|| Origin::Outside,
            code: &|state, _| state.exit.filter(|code| *code != 0 || state.empty),
        };
        let waited = self.wait_until(&run, &|| deadline, true, &ended, &mut ask);
        waited.map_err(|failed| {
            let gone = match &failed.why {
                Why::Overdue { .. } => self.stop_overdue(&run),
                Why::Ended | Why::Taken { .. } | Why::Hopeless | Why::Lost | Why::CalledOff => None,
            };
            run.link.drain();
            self.wait_failed(&run, *failed, Some(what.0), gone)
        })
    }

    /// Stops the service of this run. If another test that shares the executor has started a newer service, leaves
    /// that service and its port alone.
    fn stop_overdue(&self, run: &Run) -> Option<Gone> {
        let _turn = self.turn();
        let _run_lock = self.run_lock().ok()?;
        let run = self.up().filter(|latest| latest.is(run))?;
        let gone = self.bring_down(&run, run.plan.hasty(), None);
        self.give_port_back();
        gone
    }
}
