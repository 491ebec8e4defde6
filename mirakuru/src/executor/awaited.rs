//! The wait for something else than readiness.

use super::Executor;
use super::report::{InVain, Unready};
use super::run::Run;
use crate::error::Result;
use crate::link::State;
use crate::protocol::Gone;
use crate::readiness::probe::Answer;
use crate::readiness::{NotReady, Readiness};
use crate::wait::Deadline;

impl<R: Readiness> Executor<R> {
    /// Waits until `ready` returns `true`. It is called at the same pace as a readiness check. The wait
    /// may take as long as the executor's timeout.
    ///
    /// # Errors
    ///
    /// - `TimeoutExpired`: `ready` did not return `true` in time. The process tree is killed.
    /// - `ProcessExitedWithError`: the process ended, and a last call of `ready` returned `false`.
    pub fn wait_for(&self, mut ready: impl FnMut() -> bool) -> Result<&Self> {
        if self.session.is_foreign() {
            return Ok(self);
        }
        let Some(run) = self.up() else {
            return if ready() {
                Ok(self)
            } else {
                Err(self.not_running("waited for"))
            };
        };
        let deadline = Deadline::after(self.config.start_bound());
        let ask = || {
            if ready() {
                Answer::Ready
            } else {
                Answer::NotReady(NotReady::new("the closure returned false"))
            }
        };
        // As long as anything of its tree is left, an end with 0 may be that of a daemon's parent.
        let ended = |state: &State| state.exit.filter(|code| *code != 0 || state.empty);
        let Err(unready) = self.wait_until(&run, deadline, true, ended, ask) else {
            return Ok(self);
        };
        let mut wait = InVain::new(&run, Some("the closure to return true"), deadline);
        if let Unready::Overdue { .. } = &unready {
            wait.gone = self.kill_overdue(&run);
        }
        Err(self.unready(unready, &wait))
    }

    /// Only the service that was waited for: another one may have been started meanwhile, by whoever
    /// shares it, and that one's port is not given back.
    fn kill_overdue(&self, run: &Run) -> Option<Gone> {
        let _turn = self.session.turn();
        let _exclusive = self.exclusive().ok()?;
        let run = self.up().filter(|latest| latest.number == run.number)?;
        let gone = self.session.bring_down(&run, run.plan.kill(), None);
        self.give_back();
        gone
    }
}
