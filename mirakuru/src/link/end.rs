//! Ends a tree and its supervisor, by request or by force, and cleans up afterwards.

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
    /// Stops the tree, gives back the lease on the port `release`, and waits until the kernel reports that the tree is
    /// gone. Returns `None` if the supervisor was killed, or hangs; then the supervisor is killed and the tree swept.
    pub(crate) fn stop(&self, plan: StopPlan, release: Option<u16>) -> Option<Gone> {
        let bound = plan.longest().saturating_add(KILL_BOUND + SUPERVISOR_BOUND);
        self.stop_within(plan, release, bound)
    }

    /// Stops the tree with another bound on the time that the supervisor has to reply.
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
        if self.is_hung_up() && self.ends_by_itself() {
            return Some(Gone::default());
        }
        self.give_up();
        None
    }

    /// Gives up a supervisor that does not answer: kills it, and the kernel kills the service with it.
    pub(crate) fn give_up(&self) {
        // The exit hook ends the supervisor, and kills and sweeps if it must.
        if self.is_hung_up() {
            self.ends_by_itself();
            self.reader.cached(|state| state.lost = true);
            return;
        }
        // A supervisor that a run shares is not ours to kill.
        match self.silence.get() {
            None => drop(self.process().kill()),
            Some(silence) if !self.process().ended_within(Duration::ZERO) => note_silence(silence),
            Some(_) => {}
        }
        self.reader.cached(|state| state.lost = true);
        self.swept();
    }

    /// Returns the processes that a killed supervisor left, after sweeping them on the first call. A supervisor that
    /// lives cleans up by itself.
    pub(crate) fn swept(&self) -> &[(u32, String)] {
        // The end of the socket to a supervisor that a run shares does not mean the end of that supervisor. Any other
        // supervisor was killed if it is lost.
        let is_lost = || self.reader.try_known(|state| state.lost) != Some(false);
        let was_killed = !self.is_shared() && is_lost();
        if !was_killed && !self.process().ended_within(Duration::ZERO) {
            return &[];
        }
        self.sweep_once()
    }

    /// Sweeps the processes and files that a killed supervisor left.
    fn sweep_once(&self) -> &[(u32, String)] {
        self.swept.get_or_init(|| {
            // The kernel signals the service when the supervisor has fully ended.
            self.process().ended_within(KILL_BOUND);
            self.process().reap();
            let swept = sweep(&self.name);
            // Must not wait for the lock of a thread that an exit has stopped.
            let known = |state: &mut State| std::mem::take(&mut state.leftovers);
            for Leftover { path, user } in self.reader.try_known(known).unwrap_or_default() {
                let _ = sys::remove_file(&path, user.as_ref().map(Identity::as_other));
            }
            let begun = self.reader.try_known(|state| state.begun).flatten();
            if let Some((pid, begun)) = begun {
                sweep_shared_memory(pid, begun);
            }
            // The next attempt fails with the same error, and reports it.
            let _ = self.remove_directory(true);
            swept
        })
    }

    /// Removes the private directory if a supervisor that has ended did not. Takes no lock, as the exit hook calls it.
    ///
    /// # Errors
    ///
    /// Returns an error that names what stays of the private directory, and the reason.
    pub(super) fn clean_up(&self) -> io::Result<()> {
        self.remove_directory(self.swept.get().is_some())
    }

    /// Removes the private directory, unless it is kept. A supervisor that was not killed has already removed it.
    fn remove_directory(&self, was_killed: bool) -> io::Result<()> {
        let is_kept = self.kept.load(Ordering::Relaxed) || (was_killed && self.home.stays);
        match self.directory.get() {
            Some(directory) if is_kept => directory.remove_short(),
            Some(directory) => directory.remove(),
            None => Ok(()),
        }
    }

    /// Closes the link to a supervisor whose tree is gone: waits until the supervisor has cleaned up and ended, and
    /// leaves no zombie.
    ///
    /// # Errors
    ///
    /// Returns an error that names what stays of the private directory.
    pub(crate) fn close(self: &Arc<Self>) -> io::Result<()> {
        if self.is_shared() {
            return Ok(());
        }
        self.notify(Request::Bye);
        // The tree is gone, unless the supervisor was taken for lost.
        let bound = SUPERVISOR_BOUND.saturating_add(self.patience());
        self.await_end(Deadline::after(bound));
        exit_hook::unregister(self);
        self.clean_up()
    }

    /// Hangs up, even if a forked child holds the socket too. The supervisor then stops the tree.
    pub(crate) fn hang_up(&self) {
        // Before the socket refuses requests: a thread whose request fails must see the reason.
        self.hung_up.store(true, Ordering::SeqCst);
        let _ = self.reader.source().stream.shutdown(Shutdown::Write);
    }

    /// Waits for the end of a supervisor that was asked to end. If it was killed instead, or must be killed now,
    /// the tree is swept by its mark. Takes no lock, as the exit hook calls it.
    ///
    /// Returns `false` if the supervisor lives and belongs to the run: a thread may hand it over during the exit.
    pub(crate) fn await_end(&self, deadline: Deadline) -> bool {
        const LOOK: Duration = Duration::from_millis(100);
        let ended = loop {
            if self.process().ended_within(deadline.remaining().min(LOOK)) {
                break true;
            }
            if self.is_shared() {
                return false;
            }
            if deadline.has_passed() {
                break false;
            }
        };
        if !ended {
            if self.sharing.load(Ordering::SeqCst) {
                return false;
            }
            let _ = self.process().kill();
        }
        if !(ended && self.process().reap()) {
            self.sweep_once();
        }
        true
    }

    /// Waits until a supervisor has ended that the exit has hung up, and returns whether it has. It refuses requests and
    /// ends its tree. A kill would interrupt it, and a process that has cleared its environment would be left.
    fn ends_by_itself(&self) -> bool {
        let bound = self.patience().saturating_add(KILL_BOUND);
        !self.is_shared() && self.process().ended_within(bound)
    }

    /// Returns whether the exit of this process has hung up.
    fn is_hung_up(&self) -> bool {
        self.hung_up.load(Ordering::SeqCst)
    }

    pub(crate) fn patience(&self) -> Duration {
        Duration::from_millis(self.patience.load(Ordering::Relaxed))
    }
}
