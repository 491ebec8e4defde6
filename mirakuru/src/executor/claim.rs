//! Claims the fixed port before a start, by the policy that `on_conflict` set: fail, wait, or reuse the service that
//! answers there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::core::Core;
use super::port::Wanted;
use super::reuse::Warming;
use super::together::is_called_off;
use super::wait::SLOW;
use crate::environment;
use crate::error::{ErrorKind, Result, seconds};
use crate::events::Step;
use crate::locks;
use crate::port::{self, OnConflict, PortClaim, Ticket};
use crate::run;
use crate::wait::{self, Deadline};

/// The result of a claim.
pub(super) enum Claim {
    /// The executor has the port, and the start must end before this deadline.
    Ours(Deadline),
    /// The executor reuses the service that answers there.
    Reused,
}

impl Core {
    #[cfg(feature = "macros")]
    pub(crate) fn set_default_policy(&mut self, policy: OnConflict) {
        self.config.on_conflict.get_or_insert(policy);
    }

    /// Returns the fixed port, if it must be claimed together with the other fixed ports of the test.
    pub(crate) fn port_to_reserve(&self) -> Option<u16> {
        match self.wanted_port() {
            Wanted::Fixed(port) if self.policy() != OnConflict::Reuse => Some(port),
            _ => None,
        }
    }

    /// Claims the fixed port before the start, for a test that claims several ports in one order.
    pub(crate) fn reserve(&self) -> Result<()> {
        let _turn = self.turn();
        self.claim(Deadline::after(self.config.start_bound()))
            .map(drop)
    }

    /// Claims the fixed port, by the policy. Succeeds if the executor has no fixed port.
    pub(super) fn claim(&self, deadline: Deadline) -> Result<Claim> {
        self.ensure_not_called_off()?;
        let mut warming = Warming::default();
        if self.reuses(deadline, &mut warming)? {
            return Ok(Claim::Reused);
        }
        let Wanted::Fixed(port) = self.wanted_port() else {
            return Ok(Claim::Ours(warming.deadline(self, deadline)));
        };
        let policy = self.policy();
        let mut queue = Queue {
            core: self,
            port,
            bound: Deadline::after(environment::queue_bound()),
            ticket: None,
            next_note: SLOW,
        };
        loop {
            let waits = policy != OnConflict::Fail;
            let Some(holder) = self.take_fixed(port, waits)? else {
                // The time in the queue does not count as time of the start.
                let unqueued = warming.deadline(self, deadline);
                let own = || Deadline::after(self.config.start_bound());
                return Ok(Claim::Ours(queue.ticket.map_or(unqueued, |_| own())));
            };
            match policy {
                OnConflict::Fail => return Err(self.held_elsewhere(port, &holder)),
                OnConflict::Wait if self.is_held_by_run(port)? => {
                    return Err(self.never_released(port, "a shared fixture of this run"));
                }
                OnConflict::Wait | OnConflict::Reuse => queue.wait(&holder)?,
            }
            if self.reuses(deadline, &mut warming)? {
                return Ok(Claim::Reused);
            }
        }
    }

    pub(super) fn policy(&self) -> OnConflict {
        // A run that ended a moment ago may still hold the port. With `Fail`, a shared fixture would then fail in the
        // test that comes first.
        match self.config.on_conflict {
            Some(policy) => policy,
            None if self.is_fixture() => OnConflict::Wait,
            None => OnConflict::Fail,
        }
    }

    pub(super) fn is_fixture(&self) -> bool {
        self.state(|state| state.fixture.is_some())
    }

    pub(super) fn locks(&self) -> Result<PathBuf> {
        locks::lock_directory()
            .map_err(|mistake| self.scene().reason(mistake).into_error(ErrorKind::Io))
    }

    /// Describes this executor for the errors of other executors that request the port.
    pub(super) fn holder(&self) -> String {
        let words: Vec<_> = std::env::args_os()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        let (pid, command) = (std::process::id(), self.command());
        format!("pid {pid} ({}), for `{command}`", words.join(" "))
    }

    /// Returns whether a shared fixture of this run holds the port.
    fn is_held_by_run(&self, port: u16) -> Result<bool> {
        let locks = self.locks()?;
        let holder = port::holder(&locks, port);
        Ok(holder.is_some_and(|pid| run::supervisors(&locks).contains(&pid)))
    }
}

/// The wait for a port that another executor holds.
struct Queue<'a> {
    core: &'a Core,
    port: u16,
    bound: Deadline,
    /// The place in the queue, from the first wait on.
    ticket: Option<Ticket>,
    next_note: Duration,
}

impl Queue<'_> {
    /// Waits for a moment. Fails if the wait has taken too long, or would deadlock.
    fn wait(&mut self, holder: &str) -> Result<()> {
        let (core, port) = (self.core, self.port);
        if is_called_off() {
            return Err(core.called_off());
        }
        if self.bound.has_passed() {
            // This counts as a failed start, because the next test would wait too. A deadlock does not count: it is a
            // mistake of the test.
            core.state(|state| state.failures.count += 1);
            return Err(core.not_free_in_time(port, holder, self.bound));
        }
        if self.ticket.is_none() {
            core.emit(Step {
                port: Some(port),
                ..Step::info(format!("queues for port {port}, held by {holder}"))
            });
            self.ticket = Some(Ticket::new(core.locks()?, port));
        }
        // If the ticket cannot write its note, the bound of the queue still ends the wait.
        let ticket = self.ticket.as_mut();
        if let Some(Ok(Some(held))) = ticket.map(|ticket| ticket.has_to_give_way(own_ports)) {
            return Err(core.would_deadlock(port, held, holder));
        }
        let elapsed = self.bound.elapsed();
        if elapsed >= self.next_note {
            self.next_note = elapsed * 2;
            let age = seconds(elapsed);
            core.emit(Step {
                port: Some(port),
                elapsed: Some(elapsed),
                always_shown: true,
                ..Step::info(format!(
                    "has queued {age} for port {port}, held by {holder}"
                ))
            });
        }
        wait::pause(wait::next_try(elapsed));
        Ok(())
    }
}

/// Returns the ports that stay held while this thread waits.
fn own_ports(locks: &Path) -> Vec<u16> {
    let mut own = PortClaim::own();
    own.extend(port::leased(locks, &run::supervisors(locks)));
    own
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::readiness::{Readiness, Spawned, Tcp};
    use crate::run::Scope;

    fn core(command: &str, check: impl Readiness) -> Core {
        Core::new("Executor", command.into(), Arc::new(check))
    }

    fn fixed(port: u16) -> Core {
        core("serve", Tcp::new("127.0.0.1", port))
    }

    #[test]
    fn a_shared_fixture_waits_for_its_port_by_default() {
        let core = fixed(7);
        assert_eq!(core.policy(), OnConflict::Fail);
        core.become_fixture(Scope::Process);
        assert_eq!(core.policy(), OnConflict::Wait);
    }

    #[test]
    fn the_users_policy_overrides_every_default() {
        let mut core = fixed(7);
        core.config.on_conflict = Some(OnConflict::Fail);
        core.become_fixture(Scope::Process);
        #[cfg(feature = "macros")]
        core.set_default_policy(OnConflict::Wait);
        assert_eq!(core.policy(), OnConflict::Fail);
    }

    #[test]
    fn a_port_placeholder_requests_a_free_port() {
        let wanted = |core: Core| core.wanted_port();
        assert_eq!(wanted(fixed(7)), Wanted::Fixed(7));
        assert_eq!(wanted(fixed(0)), Wanted::Free);
        assert_eq!(wanted(core("serve {port}", Spawned)), Wanted::Free);
        assert_eq!(wanted(core("serve {{port}}", Spawned)), Wanted::None);
    }

    #[test]
    fn without_a_fixed_port_a_claim_starts_no_supervisor() {
        let deadline = Deadline::after(Duration::from_secs(1));
        let claimed = core("serve {port}", Spawned).claim(deadline);
        assert!(matches!(claimed, Ok(Claim::Ours(_))));
    }

    #[cfg(feature = "macros")]
    #[test]
    fn a_reused_port_is_not_reserved() {
        let mut core = fixed(7);
        assert_eq!(core.port_to_reserve(), Some(7));
        core.config.on_conflict = Some(OnConflict::Reuse);
        assert_eq!(core.port_to_reserve(), None);
    }

    #[test]
    fn the_ports_of_this_thread_stay_held_while_it_waits() {
        let locks = tempfile::tempdir().expect("a temporary directory");
        let claim = PortClaim::note(17, "a test", false);
        assert_eq!(own_ports(locks.path()), [17]);
        let elsewhere = || own_ports(locks.path());
        let other = std::thread::scope(|scope| scope.spawn(elsewhere).join());
        assert!(!other.expect("it does not panic").contains(&17));
        drop(claim);
        assert_eq!(own_ports(locks.path()), [0; 0]);
    }
}
