//! Sends the requests of a test process to its supervisor, with one method for each request.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::state::Answer;
use super::{Link, SUPERVISOR_BOUND, State};
use crate::paths::absolute;
use crate::protocol::frames;
use crate::protocol::{Call, Exec, Failure, Launch, Leased, Ready, Reply, Request, Stream};
use crate::sys::{self, Handle};
use crate::tmpdir::Private;
use crate::wait::Deadline;

/// The time that a supervisor has to bring the captured files up to date.
const DRAIN_BOUND: Duration = Duration::from_secs(1);

fn no_room() -> io::Error {
    io::Error::from_raw_os_error(sys::TOO_MANY_FILES)
}

impl Link {
    /// Sends a request, and returns its reply with the handles that travel with it. Returns `None` if no reply arrives
    /// by the deadline, or if the supervisor is gone. A supervisor that does not even accept the request, because it is
    /// frozen, is given up.
    pub(super) fn call(
        &self,
        request: Request,
        handles: &[Handle],
        deadline: Deadline,
    ) -> Option<Answer> {
        let answer = self.try_call(request, handles, deadline);
        self.or_give_up(answer).ok().flatten()
    }

    /// Makes a call with the bound on work that a supervisor does by itself.
    pub(super) fn ask(&self, request: Request) -> Option<Answer> {
        let answer = self.call(request, &[], Deadline::after(SUPERVISOR_BOUND));
        if answer.is_none() && !self.current(|state| state.lost) {
            self.give_up();
        }
        answer
    }

    /// Sends a request without waiting for a reply.
    pub(super) fn notify(&self, request: Request) {
        if !self.is_foreign() {
            let number = None;
            let call = Call { number, request };
            let sent = self.send(&call, &[], Deadline::after(SUPERVISOR_BOUND));
            let _ = self.or_give_up(sent);
        }
    }

    fn try_call(
        &self,
        request: Request,
        handles: &[Handle],
        deadline: Deadline,
    ) -> io::Result<Option<Answer>> {
        if self.is_foreign() {
            return Ok(None);
        }
        // The call is registered before the request is sent, as another thread may read the reply at once.
        let call = self.reader.cached(State::begin_call);
        let number = Some(call);
        let sent = self.send(&Call { number, request }, handles, deadline);
        let answer = sent.map(|()| self.reader.wait(deadline, |state| state.reply(call)));
        self.reader.cached(|state| {
            // Another thread may have received the reply after this wait gave up: it still counts.
            let late = state.end_call(call);
            let answer = answer.map(|answer| answer.or(late));
            state.silent |= match &answer {
                Ok(answer) => answer.is_none(),
                Err(error) => error.kind() == io::ErrorKind::TimedOut,
            };
            answer
        })
    }

    fn or_give_up<T>(&self, sent: io::Result<T>) -> io::Result<T> {
        sent.inspect_err(|error| {
            if error.kind() == io::ErrorKind::TimedOut {
                self.give_up();
            }
        })
    }

    fn send(&self, call: &Call, handles: &[Handle], deadline: Deadline) -> io::Result<()> {
        let whole_frame = self.sending.take(deadline);
        let _whole_frame = whole_frame.map_err(|_| io::ErrorKind::TimedOut)?;
        frames::send(&self.reader.source().stream, call, handles, deadline)
    }

    /// Returns the private directory. The first call creates it. Returns `None` if the supervisor does not answer.
    pub(crate) fn directory(&self, deadline: Deadline) -> Option<Result<PathBuf, Failure>> {
        if let Some(made) = self.directory.get() {
            return Some(Ok(made.path().to_owned()));
        }
        let bound = deadline.or_sooner(SUPERVISOR_BOUND);
        let request = Request::MakeDirectory(self.home.parent.clone());
        let answer = self.try_call(request, &[], bound);
        let (Reply::Directory(made), handles) = answer.ok().flatten()? else {
            return None;
        };
        Some(made.and_then(|path| {
            // The kernel drops the handles that this process has no room for.
            let missing = || Failure::at("receive the temporary directory", &no_room());
            let made = Private::of(path, handles).ok_or_else(missing)?;
            Ok(self.directory.get_or_init(|| made).path().to_owned())
        }))
    }

    /// Requests a lease on this port, or on a free one. Returns `None` if the supervisor does not answer.
    pub(crate) fn lease(
        &self,
        port: Option<u16>,
        holder: String,
        directory: PathBuf,
    ) -> Option<Leased> {
        let request = Request::Lease {
            directory,
            port,
            holder,
        };
        match self.ask(request)? {
            (Reply::Leased(leased), _) => Some(leased),
            _ => None,
        }
    }

    /// Gives a lease back, and returns after other executors can take it.
    pub(crate) fn release(&self, port: u16) {
        self.ask(Request::Release(port));
    }

    /// Starts a service. `handles` are the streams that travel with the order. Returns `None` if no reply arrives in
    /// time.
    pub(crate) fn launch(
        &self,
        order: Launch,
        handles: &[Handle],
        deadline: Deadline,
    ) -> Option<Result<u32, Failure>> {
        let patience = order.on_owner_exit.longest().as_millis();
        let patience = u64::try_from(patience).unwrap_or(u64::MAX);
        self.patience.store(patience, Ordering::Relaxed);
        self.kept.store(order.keep, Ordering::Relaxed);
        let leftovers = order.leftovers.clone();
        // A supervisor that is still coming up may have less time than the service.
        let is_up = self.cached(|state| state.is_up);
        let bound = if is_up {
            deadline
        } else {
            deadline.or_sooner(SUPERVISOR_BOUND)
        };
        let answer = self.try_call(Request::Launch(Box::new(order)), handles, bound);
        let (reply, _) = match self.or_give_up(answer) {
            Ok(answer) => answer?,
            // The order is longer than a frame may be.
            Err(error) if error.raw_os_error() == Some(sys::TOO_LONG) => {
                return Some(Err(Failure::at("run the program", &error)));
            }
            Err(_) => return None,
        };
        let Reply::Launched(launched) = reply else {
            return None;
        };
        if launched.is_ok() {
            self.reader.cached(|state| state.leftovers = leftovers);
        }
        Some(launched)
    }

    /// Runs a command in the tree of the service, with its output in the file. Returns the command's exit code. Returns
    /// `None` if the supervisor does not answer.
    pub(crate) fn exec(&self, exec: Exec, output: &File) -> Option<Result<i32, Failure>> {
        let output = sys::copy_of(output).ok()?;
        let handles = [output.try_clone().ok()?, output];
        let deadline = Deadline::after(exec.limit.saturating_add(SUPERVISOR_BOUND));
        let answer = self.try_call(Request::Exec(Box::new(exec)), &handles, deadline);
        let (reply, _) = answer.ok().flatten()?;
        match reply {
            Reply::Ran(ran) => Some(ran),
            _ => None,
        }
    }

    /// Requests that the supervisor keeps the files of the service.
    pub(crate) fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
        self.notify(Request::Keep);
    }

    /// Reports that the service is ready. Returns after every other test process that uses it knows.
    pub(crate) fn report_ready(&self, groups: Vec<(String, String)>, begins: [u64; 2]) {
        let at = sys::monotonic_time();
        let request = Request::Ready(Ready { at, groups, begins });
        if self.is_shared() {
            self.ask(request);
        } else {
            self.notify(request);
        }
    }

    /// Sends a signal to the main process, or to its process group. An exit caused by this signal is then expected.
    pub(crate) fn signal(&self, signal: i32, to_group: bool) {
        self.reader.cached(|state| state.sent.insert(signal));
        self.notify(Request::Signal { signal, to_group });
    }

    /// Returns the writing end of this service's standard input, if it is open and the supervisor answers in time.
    pub(crate) fn input(&self, service: u64, deadline: Deadline) -> Option<Handle> {
        // A late reply is not the end of the supervisor.
        let answer = self.try_call(Request::Input(service), &[], deadline);
        answer.ok().flatten()?.1.pop()
    }

    /// Closes the writing end of the standard input. Returns `None` if the supervisor does not answer.
    pub(crate) fn close_input(&self) -> Option<()> {
        self.ask(Request::CloseInput).map(drop)
    }

    /// Makes the supervisor write all output printed so far into the files, where output that is still in a pipe would
    /// be missing. A frozen supervisor is waited for once and briefly, and is not given up: the output that it wrote
    /// earlier is in the files.
    pub(crate) fn drain(&self) {
        // Checked before the state: in a forked child, the state reports a lost supervisor.
        if self.is_foreign() || self.current(|state| state.lost || state.silent) {
            return;
        }
        let _ = self.try_call(Request::Drain, &[], Deadline::after(DRAIN_BOUND));
    }

    /// Requests that the next output beyond `seen` counts as news. At most one watch per stream is active.
    pub(crate) fn watch_output(&self, stream: Stream, seen: u64) {
        let begin =
            |state: &mut State| std::mem::replace(&mut state.output_watched[stream as usize], true);
        if !self.reader.cached(begin) {
            self.notify(Request::WatchOutput(stream, seen));
        }
    }

    /// Requests that the next change in the directory of this path counts as news. At most one watch is active, and no
    /// change between two watches is missed.
    pub(crate) fn watch_path(&self, path: &Path) {
        let begin = |state: &mut State| std::mem::replace(&mut state.path_watched, true);
        if !self.reader.cached(begin) {
            // The supervisor has another working directory.
            self.notify(Request::WatchPath(absolute(path)));
        }
    }

    /// Ends the watch of the path.
    pub(crate) fn forget_path(&self) {
        self.reader.cached(|state| state.path_watched = false);
        self.notify(Request::ForgetPath);
    }
}
