//! Runs the commands of checks in the tree of the service, each within a time limit.

use std::time::{Duration, Instant};

use super::launch::prepare;
use super::requests::Answer;
use super::serve::Server;
use crate::protocol::{Exec, Failure, Launch, MARK, Reply, StreamTarget};
use crate::sys::{self, Handle, Pid};

/// A running command, and the client that waits for its end.
pub(super) struct Running {
    client: u64,
    number: Option<u64>,
    process: Pid,
    until: Instant,
}

impl Server {
    /// Starts a command in the tree of the service. Returns `None` if it was started: the reply follows when it ends.
    pub(super) fn exec(
        &mut self,
        client: u64,
        number: Option<u64>,
        exec: Exec,
        output: Vec<Handle>,
    ) -> Option<Answer> {
        let until = Instant::now() + exec.limit;
        match self.spawn_check(exec, output) {
            Ok(process) => {
                self.execs.push(Running {
                    client,
                    number,
                    process,
                    until,
                });
                None
            }
            Err(failure) => Some((Reply::Ran(Err(failure)), Vec::new())),
        }
    }

    fn spawn_check(&mut self, exec: Exec, output: Vec<Handle>) -> Result<Pid, Failure> {
        let order = self
            .service
            .order
            .as_ref()
            .filter(|_| self.stopping.is_none());
        let order = order.cloned().ok_or_else(|| Failure {
            step: "run a command for a service that does not run".to_owned(),
            code: sys::NO_SUCH_PROCESS,
        })?;
        let mut env = order.env;
        // The command keeps the mark of the tree.
        for (name, value) in exec.env.into_iter().filter(|(name, _)| name != MARK) {
            env.retain(|(known, _)| !sys::is_same_variable(known, &name));
            env.extend(value.map(|value| (name, value)));
        }
        let order = Launch {
            words: exec.words,
            env,
            cwd: exec.cwd.unwrap_or(order.cwd),
            streams: [StreamTarget::Null, StreamTarget::Given, StreamTarget::Given],
            ..order
        };
        let oom_score = self.oom_score.as_deref();
        let tree = &mut self.service.tree;
        let started = prepare(&order, output, oom_score, |spawn| tree.start_beside(spawn));
        started.map(|launched| launched.started)
    }

    /// Replies to the clients whose commands have ended.
    pub(super) fn end_execs(&mut self, ended: &[(Pid, i32)]) {
        for (process, code) in ended {
            let index = self.execs.iter().position(|exec| exec.process == *process);
            if let Some(exec) = index.map(|index| self.execs.swap_remove(index)) {
                self.clients
                    .reply(exec.client, exec.number, Reply::Ran(Ok(*code)), &[]);
            }
        }
    }

    /// Kills the commands whose time is over, or all commands if the service has failed. Returns the time until the
    /// next look.
    pub(super) fn limit_execs(&self) -> Duration {
        let now = Instant::now();
        let has_failed = self.service.description.exit.is_some_and(|code| code != 0);
        let mut next = Duration::MAX;
        for exec in &self.execs {
            let left = exec.until.saturating_duration_since(now);
            if has_failed || left.is_zero() {
                self.service.tree.kill_beside(exec.process);
            } else {
                next = next.min(left);
            }
        }
        next
    }
}
