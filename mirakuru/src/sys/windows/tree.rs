//! Manages the process tree of a supervisor: starts it, waits for it, and ends it. The system keeps the list of its
//! processes.
#![expect(unsafe_code, reason = "a call of the system")]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, ExitStatus};
use std::time::Duration;

use windows_sys::Win32::Foundation;
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent};

use super::job::Job;
use super::process::{Pid, command_line, has_ended_by, process_of, terminate};
use super::signals;
use super::sockets::Wakeup;
use super::spawn::Spawn;
use crate::sys::{Reaped, Stoppable, Stuck};

const STATUS_CONTROL_C_EXIT: i32 = Foundation::STATUS_CONTROL_C_EXIT;

/// The service and all processes that it started.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    job: Option<Job>,
    /// The main process, until its end was seen.
    main: Option<Child>,
    /// The processes that were started next to the service, each in a job with the processes that it starts.
    beside: BTreeMap<Pid, (Child, Job)>,
    populated: bool,
    /// The signals that were sent, one bit for each.
    sent: Cell<u64>,
}

impl Tree {
    /// Starts the service.
    ///
    /// # Errors
    ///
    /// The step that failed. No process is left in that case.
    pub(crate) fn start(spawn: &Spawn<'_>) -> Result<Self, Stuck> {
        let job = new_job()?;
        let main = spawn.start_in(&[&job])?;
        Ok(Self {
            job: Some(job),
            main: Some(main),
            populated: true,
            ..Self::default()
        })
    }

    /// Starts a process next to the service, in the same tree.
    ///
    /// # Errors
    ///
    /// The step that failed. No process is left in that case.
    pub(crate) fn start_beside(&mut self, spawn: &Spawn<'_>) -> Result<Pid, Stuck> {
        let job = match self.job.take() {
            Some(job) => job,
            None => new_job()?,
        };
        let job = self.job.insert(job);
        let own = new_job()?;
        let child = spawn.start_in(&[job, &own])?;
        let pid = pid_of(&child);
        self.populated = true;
        self.beside.insert(pid, (child, own));
        Ok(pid)
    }

    /// Returns `false`: on Windows a process cannot name another one as the main process.
    pub(crate) fn follow(&mut self, _process: Pid) -> bool {
        false
    }

    /// Returns `None`: the job rings the bell.
    pub(crate) fn wakeup(&self) -> Option<Wakeup<'_>> {
        None
    }

    /// Returns no limit: the job rings the bell, so no poll is needed.
    pub(crate) fn next_look(&self) -> Duration {
        Duration::MAX
    }

    /// Kills a process that was started next to the service, and the processes that it started.
    pub(crate) fn kill_beside(&self, process: Pid) {
        if let Some((_, job)) = self.beside.get(&process) {
            self.note_sent(signals::KILL);
            job.terminate(signals::KILL);
        }
    }

    /// Returns the number of the main process for messages, or 0 once its end was seen.
    pub(crate) fn pid(&self) -> u32 {
        self.main.as_ref().map_or(0, Child::id)
    }

    /// Ends the main process, or the whole tree if the signal is for the group. `SIGINT` first sends `CTRL_BREAK`.
    pub(crate) fn signal_service(&self, signal: i32, to_group: bool) {
        if signal == signals::INT && self.interrupt() {
            return;
        }
        match &self.main {
            Some(main) if !to_group => {
                self.note_sent(signal);
                let _ = terminate(main, signal);
            }
            _ => drop(self.terminate(signal)),
        }
    }

    /// Returns `false`: shared memory ends with the processes that have it open.
    pub(crate) fn remove_shared_memory(&self, _since: Duration) -> bool {
        false
    }

    /// Checks which processes have ended.
    pub(crate) fn reap(&mut self) -> Reaped {
        let mut reaped = Reaped::default();
        // The job is queried first: the system removes a process from the list only after its end can be seen.
        let is_empty = self.populated && self.job.as_ref().is_none_or(Job::is_empty);
        if let Some(status) = self.main.as_mut().and_then(|main| ended(main, is_empty)) {
            self.main = None;
            reaped.exit = Some(self.code_of(status));
        }
        let over = self
            .beside
            .iter_mut()
            .filter_map(|(pid, (child, _))| Some((*pid, ended(child, is_empty)?)));
        let over: Vec<_> = over.collect();
        for (pid, status) in over {
            self.beside.remove(&pid);
            reaped.children.push((pid, self.code_of(status)));
        }
        if is_empty {
            self.populated = false;
            reaped.emptied = true;
        }
        reaped
    }

    /// Sends `CTRL_BREAK` to the main process and its console group.
    ///
    /// Returns `false` if the system refuses, because the process never had a console or has left it.
    fn interrupt(&self) -> bool {
        // If the group has ended, the system would send the event to the whole console.
        let main = self.main.as_ref().filter(|main| !has_ended_by(*main));
        let Some(main) = main else { return false };
        self.note_sent(signals::INT);
        // SAFETY: the call takes any numbers.
        unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, main.id()) != 0 }
    }

    /// Returns the exit code for a status.
    ///
    /// After a termination, it is the negative number of the signal. After a `CTRL_BREAK` that the process does not
    /// handle, it is that of `SIGINT`. If a program itself chooses such a number, for example -1, the lowest eight bits
    /// are the code, as on other systems.
    fn code_of(&self, status: ExitStatus) -> i32 {
        let was_sent = |signal: i32| self.sent.get() & 1 << signal != 0;
        match status.code().unwrap_or_default() {
            STATUS_CONTROL_C_EXIT if was_sent(signals::INT) => -signals::INT,
            code @ -63..=-1 if !was_sent(-code) => code & 0xFF,
            code => code,
        }
    }

    fn note_sent(&self, signal: i32) {
        self.sent.set(self.sent.get() | 1 << signal);
    }

    fn terminate(&self, signal: i32) -> bool {
        self.note_sent(signal);
        self.job.as_ref().is_some_and(|job| job.terminate(signal))
    }
}

fn new_job() -> Result<Job, Stuck> {
    Job::new().map_err(|error| super::spawn::stuck("make a job", &error))
}

fn pid_of(child: &Child) -> Pid {
    process_of(child.id()).unwrap_or_else(Pid::this)
}

/// Returns how a process has ended. Waits for its end if the job `is_over`, as the job may report the end a moment
/// earlier or later.
fn ended(child: &mut Child, is_over: bool) -> Option<ExitStatus> {
    if is_over {
        return child.wait().ok();
    }
    child.try_wait().ok().flatten()
}

impl Stoppable for Tree {
    fn is_empty(&self) -> bool {
        !self.populated
    }

    fn main_is_alive(&self) -> bool {
        self.main.is_some()
    }

    fn living(&self) -> Vec<(u32, String)> {
        let numbers = self.job.iter().flat_map(Job::processes);
        numbers
            .filter_map(|number| Some((number, command_line(process_of(number)?))))
            .collect()
    }

    /// Sends `CTRL_BREAK` to the main process for `SIGINT`. Any other signal terminates the tree.
    fn ask(&self, signal: i32, asked: &mut BTreeSet<Pid>, _all: bool) -> bool {
        // The tree is one group, also after its main process has ended.
        if !asked.insert(Pid::this()) {
            return false;
        }
        (signal == signals::INT && self.interrupt()) || self.terminate(signal)
    }

    fn kill_pass(&self) {
        self.terminate(signals::KILL);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_tree_is_asked_once_even_if_its_main_process_ends() {
        let main = Command::new("cmd").args(["/d", "/c", "exit"]).spawn();
        let mut tree = Tree {
            main: Some(main.expect("the shell starts")),
            ..Tree::default()
        };
        let mut asked = BTreeSet::new();
        tree.ask(signals::TERM, &mut asked, false);
        let mut main = tree.main.take().expect("it was set");
        main.wait().expect("it ends");
        tree.sent.set(0);
        tree.ask(signals::TERM, &mut asked, false);
        assert_eq!(tree.sent.get(), 0);
    }
}
