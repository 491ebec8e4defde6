//! The state of a shared fixture besides its executors: its scope, the files of its run, and its locks.
//!
//! A fixture of a run uses files that all processes of the run find by its name. File locks order the processes, and
//! thread locks order the threads of one process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::environment;
use crate::error::Result;
use crate::events;
use crate::executor::{
    Core, count_failures, ensure_only_one_of_its_name, introduce, start_together,
};
use crate::locks::{FileLock, ThreadLock, TurnGuard};
use crate::run::{self, Failures, RunPlace, Scope};
use crate::wait::Deadline;

/// The part of a `Shared` that does not depend on the fixture's type.
pub(crate) struct Sharing {
    pub(super) scope: Scope,
    /// The files of the run, or the reason why the runner is not known. The files of the fixture come first, then those
    /// of each executor if there are several.
    places: OnceLock<Result<Vec<Arc<RunPlace>>, String>>,
    // `locks/mod.rs` lists these locks and their order.
    making: ThreadLock,
    in_use: ThreadLock,
    starting: ThreadLock,
    /// The failed starts of a fixture of several executors in this process, if it is not shared by a run. Only the
    /// thread that starts them reads and writes it.
    failures: Mutex<Failures>,
}

/// The lock on a fixture, held against other threads and other processes.
pub(crate) struct Exclusive<'a> {
    // The fields drop in this order, so the next thread finds the file lock free.
    _process: Option<FileLock>,
    _thread: TurnGuard<'a>,
}

impl Sharing {
    pub(super) const fn new(scope: Scope) -> Self {
        Self {
            scope,
            places: OnceLock::new(),
            making: ThreadLock::new(),
            in_use: ThreadLock::new(),
            starting: ThreadLock::new(),
            failures: Mutex::new(Failures {
                count: 0,
                why: String::new(),
            }),
        }
    }

    /// Takes the lock under which the fixture is made.
    ///
    /// # Panics
    ///
    /// Panics if this thread is making the fixture, because it would wait for itself.
    pub(super) fn making(&self) -> TurnGuard<'_> {
        let taken = self.making.take(Deadline::after(Duration::MAX));
        taken.unwrap_or_else(|_| {
            panic!("the closure that makes a shared fixture must not use that fixture")
        })
    }

    /// Starts the fixture if it is not running, for the run or for this process. Does nothing in a forked child.
    pub(super) fn ensure_up(&self, cores: &[&Core]) -> Result<()> {
        if cores[0].unless_forked().is_none() {
            return Ok(());
        }
        let places = self.places(cores.len());
        let is_up = |core: &&Core| match places {
            Some(_) => core.has_joined(),
            None => core.is_up(),
        };
        if !cores.iter().all(is_up) {
            ensure_only_one_of_its_name(cores, places.map(|places| &*places[0]))?;
        }
        let start = |core: &Core, at_once| match place_of(core, cores, places) {
            Some(place) => core.join(place, at_once),
            None => core.start_again_if_dead(),
        };
        if let [core] = cores {
            return start(core, true);
        }
        // Leave an executor alone if this thread has stopped it for an outage.
        let in_outage = |core: &Core| core.lock_is_out_of_place().is_some();
        let wanted = cores.iter().copied().filter(|core| !in_outage(core));
        let wanted: Vec<_> = wanted.collect();
        if wanted.iter().all(is_up) {
            return Ok(());
        }
        // A failed start stops the executors that it has started, so no other thread may use them yet.
        let queue = Deadline::after(environment::queue_bound());
        let starting = self.starting.take(queue);
        let _starting = starting.map_err(|refusal| cores[0].not_locked(refusal.why(), queue))?;
        let Some(first) = wanted.iter().find(|core| !is_up(core)) else {
            return Ok(());
        };
        // All processes of the run must see the same ports, so only one process at a time starts the missing executors.
        let whole = places.map(|places| first.lock_file(&places[0].lock(), queue));
        let _whole = whole.transpose()?;
        for core in cores {
            if let Some(place) = place_of(core, cores, places) {
                core.join_if_there(place)?;
            }
        }
        if places.is_some() {
            stop_users_of_lost_ports(cores)?;
        }
        // The run has all executors or none. Otherwise, the next test could find some that use the ports of others that
        // are gone.
        self.count_failures(&wanted, places.map(|places| &*places[0]), || {
            introduce(cores)?;
            start_together(&wanted, &|core| start(core, false))?;
            wanted.iter().try_for_each(|core| start(core, true))
        })
    }

    /// Calls `start`, which starts several executors, and counts its failures for the run or for this process.
    fn count_failures(
        &self,
        cores: &[&Core],
        place: Option<&RunPlace>,
        start: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let lock = || self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let before = place.map_or_else(|| lock().clone(), RunPlace::failures);
        let note = |failures| match place {
            Some(place) => place.note_failures(&failures),
            None => *lock() = failures,
        };
        count_failures(cores, &before, note, start)
    }

    /// Takes the lock on the fixture, running or not.
    pub(crate) fn lock(&self, cores: &[&Core]) -> Result<Exclusive<'_>> {
        let queue = Deadline::after(environment::queue_bound());
        for core in cores {
            if let Some(why) = core.lock_is_out_of_place() {
                return Err(core.not_locked(why, queue));
            }
        }
        let core = cores
            .first()
            .expect("`Shared::made` rejects a fixture without an executor");
        let thread = self.in_use.take(queue);
        let thread = thread.map_err(|refusal| core.not_locked(refusal.why(), queue))?;
        let places = self.places(cores.len());
        let process = places.map(|places| core.lock_file(&places[0].exclusive_use(), queue));
        Ok(Exclusive {
            _process: process.transpose()?,
            _thread: thread,
        })
    }

    /// Returns the rank by which a test orders the locks of several fixtures, so that two tests cannot wait for each
    /// other. For fixtures of a run, every process has the same order.
    #[cfg(feature = "macros")]
    pub(crate) fn rank(&self) -> (&'static str, usize) {
        match self.scope {
            Scope::Process => ("", std::ptr::from_ref(self).addr()),
            Scope::Run(name) => (name, 0),
        }
    }

    /// Returns the files of the run, or `None` for a fixture of the process or if the runner is not known.
    fn places(&self, executors: usize) -> Option<&[Arc<RunPlace>]> {
        let Scope::Run(name) = self.scope else {
            return None;
        };
        let find = || {
            let of = |name: &str| RunPlace::of(run::find()?, name).map(Arc::new);
            let members = (0..executors).filter(|_| executors > 1);
            let members = members.map(|index| of(&format!("{name}.{index}")));
            std::iter::once(of(name)).chain(members).collect()
        };
        match self.places.get_or_init(find) {
            Ok(places) => Some(places),
            Err(why) => {
                warn_once(name, why);
                None
            }
        }
    }
}

/// Stops executors of the run that name the ports of an executor whose supervisor is gone.
///
/// A supervisor is gone if, for example, it was killed with the process that started it. Its executor will get other
/// ports, so the executors that know its old ports must start again.
fn stop_users_of_lost_ports(cores: &[&Core]) -> Result<()> {
    let lost = cores.iter().filter(|core| !core.is_known_to_run());
    let lost: Vec<_> = lost.filter_map(|core| core.given_name()).collect();
    let names = |core: &&&Core| lost.iter().any(|name| core.names(name));
    let mut stale = cores.iter().filter(|core| core.has_joined()).filter(names);
    stale.try_for_each(|core| core.stop())
}

/// Returns the files of one executor.
fn place_of<'a>(
    core: &Core,
    cores: &[&Core],
    places: Option<&'a [Arc<RunPlace>]>,
) -> Option<&'a Arc<RunPlace>> {
    let index = cores.iter().position(|other| std::ptr::eq(*other, core))?;
    let own = if cores.len() == 1 { 0 } else { index + 1 };
    places?.get(own)
}

/// Prints once in each process that a fixture is not shared by the run.
///
/// The harness hides the output of a passing test, so this line bypasses it: the tests pass, but slowly, with a service
/// for each process.
fn warn_once(name: &str, why: &str) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !WARNED.swap(true, Ordering::Relaxed) {
        events::print_uncaptured(&format!(
            "mirakuru: the fixture {name:?} belongs to this process alone, not to the run: {why}"
        ));
    }
}
