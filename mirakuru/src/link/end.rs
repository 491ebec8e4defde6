//! The end of a tree, and of its supervisor: asked for, forced, and cleaned up after.

use std::io;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::attach::note_silence;
use super::exit_hook;
use super::sweep::{sweep, sweep_shared_memory};
use super::{Link, SUPERVISOR_BOUND, State};
use crate::protocol::{Gone, Identity, KILL_BOUND, Leftover, Reply, Request, StopPlan};
use crate::sys;
use crate::wait::Deadline;

impl Link {
    /// Brings the tree down, gives the lease on the port `release` back, and waits for the kernel's word that the
    /// tree is gone. `None` if the supervisor was killed, or hangs; then it is killed and the tree swept.
    pub(crate) fn stop(&self, plan: StopPlan, release: Option<u16>) -> Option<Gone> {
        let bound = plan.longest().saturating_add(KILL_BOUND + SUPERVISOR_BOUND);
        self.stop_within(plan, release, bound)
    }

    /// Stops with another bound on how long the supervisor may take to reply.
    pub(crate) fn stop_within(
        &self,
        plan: StopPlan,
        release: Option<u16>,
        bound: Duration,
    ) -> Option<Gone> {
        if self.is_foreign() {
            return None;
        }
        self.reader.cached(|state| state.ending = true);
        let request = Request::Stop { plan, release };
        let answer = self.call(request, &[], Deadline::after(bound));
        if let Some((Reply::Gone(gone), _)) = answer {
            return Some(gone);
        }
        self.give_up();
        None
    }

    /// The supervisor is of no use any more: it goes, and the kernel kills the service with it.
    pub(crate) fn give_up(&self) {
        // What a run shares is not this process's to kill.
        match self.silence.get() {
            None => drop(self.process().kill()),
            Some(silence) if !self.process().ended_within(Duration::ZERO) => note_silence(silence),
            Some(_) => {}
        }
        self.reader.cached(|state| state.lost = true);
        self.swept();
    }

    /// What a killed supervisor left behind, swept on the first call. One that lives cleans up by itself.
    pub(crate) fn swept(&self) -> &[(u32, String)] {
        // Of what a run shares, the end of the socket does not mean the end of the supervisor. Any other
        // supervisor was killed if it is lost.
        let is_lost = || self.reader.try_known(|state| state.lost) != Some(false);
        let was_killed = !self.is_shared() && is_lost();
        if !was_killed && !self.process().ended_within(Duration::ZERO) {
            return &[];
        }
        self.sweep_once()
    }

    /// Sweeps what a supervisor left that was killed.
    fn sweep_once(&self) -> &[(u32, String)] {
        self.swept.get_or_init(|| {
            // The service gets the kernel's signal when the supervisor's end is complete.
            self.process().ended_within(KILL_BOUND);
            self.process().reap();
            let swept = sweep(&self.name);
            // No lock of a thread that an exit has stopped is waited for.
            let known = |state: &mut State| std::mem::take(&mut state.leftovers);
            for Leftover { path, user } in self.reader.try_known(known).unwrap_or_default() {
                let _ = sys::remove_file(&path, user.as_ref().map(Identity::as_other));
            }
            let begun = self.reader.try_known(|state| state.begun).flatten();
            if let Some((pid, begun)) = begun {
                sweep_shared_memory(pid, begun);
            }
            // An error is that of the next attempt too, which is reported.
            let _ = self.remove_directory(true);
            swept
        })
    }

    /// Removes what a supervisor that has ended did not remove. Takes no lock: the exit hook comes here.
    ///
    /// # Errors
    ///
    /// What stays of the private directory, and why.
    pub(super) fn clean_up(&self) -> io::Result<()> {
        self.remove_directory(self.swept.get().is_some())
    }

    /// Removes the private directory, unless it is kept. The supervisor did so before, if it was not killed.
    fn remove_directory(&self, was_killed: bool) -> io::Result<()> {
        let is_kept = self.kept.load(Ordering::Relaxed) || (was_killed && self.home.stays);
        match self.directory.get() {
            Some(directory) if is_kept => directory.remove_short(),
            Some(directory) => directory.remove(),
            None => Ok(()),
        }
    }

    /// The end of a supervisor whose tree is gone: waits until it cleaned up and ended, and leaves
    /// no zombie.
    ///
    /// # Errors
    ///
    /// What stays of the private directory.
    pub(crate) fn close(self: &Arc<Self>) -> io::Result<()> {
        if self.is_shared() {
            return Ok(());
        }
        self.notify(Request::Bye);
        self.await_end(Deadline::after(SUPERVISOR_BOUND));
        exit_hook::unregister(self);
        self.clean_up()
    }

    /// Hangs up, also where a forked child holds the socket too: the tree is brought down.
    pub(crate) fn hang_up(&self) {
        let _ = self.reader.source().stream.shutdown(Shutdown::Write);
    }

    /// Waits for the end of a supervisor that was told to. One that was killed instead, or has to
    /// be now, leaves what the mark finds. Takes no lock: the exit hook comes here.
    pub(crate) fn await_end(&self, deadline: Deadline) {
        let ended = self.process().ended_within(deadline.remaining());
        if !ended {
            let _ = self.process().kill();
        }
        if !(ended && self.process().reap()) {
            self.sweep_once();
        }
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience.load(Ordering::Relaxed))
    }
}
