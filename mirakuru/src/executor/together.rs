//! Starts several executors at the same time, each in its own thread. The placeholders of each may refer to the
//! others. If one start fails, the others stop.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use super::core::Core;
use super::wait::AFTERMATH;
use crate::error::{Error, Result};
use crate::wait::Deadline;

thread_local! {
    /// The group of executors that start together, one of which this thread starts. A failure in the group sets the
    /// deadline until which the others may still begin. A thread-local and not a field of the executor, because other
    /// threads may start the same executor, alone or in another group.
    static CALLED_OFF: OnceCell<Arc<OnceLock<Deadline>>> = const { OnceCell::new() };
    /// Whether this thread has spawned a service itself. `false` if another thread or process started it.
    static HAS_SPAWNED: Cell<bool> = const { Cell::new(false) };
}

/// Notes that this thread has spawned a service.
pub(super) fn note_spawn() {
    HAS_SPAWNED.set(true);
}

/// Sets the values of `{NAME.port}` and the similar placeholders in each executor, from the others that have a name.
pub(crate) fn introduce(cores: &[&Core]) -> Result<()> {
    let names: BTreeSet<_> = cores.iter().filter_map(|core| core.given_name()).collect();
    let mistakes = cores.iter().filter_map(|core| core.unknown_peer(&names));
    fail_with(mistakes.collect())?;
    for (index, core) in cores.iter().enumerate() {
        let others = cores
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index);
        for (_, other) in others {
            if let Some(name) = &other.config.name {
                core.bind(name, other)?;
            }
        }
    }
    Ok(())
}

/// Starts all executors, each with `start` in its own thread. If one fails, the executors that this call has started
/// stop, and the error contains every failure. If a configuration contains a mistake, no executor starts.
pub(crate) fn start_together(
    cores: &[&Core],
    start: &(dyn Fn(&Core) -> Result<()> + Sync),
) -> Result<()> {
    let idle: Vec<&Core> = cores
        .iter()
        .filter_map(|core| core.unless_forked())
        .filter(|core| !core.is_up())
        .collect();
    let mistakes = idle.iter().filter_map(|core| {
        let deadline = Deadline::after(core.config.start_bound());
        core.validate(deadline).err()
    });
    // The ports are claimed in this thread: a claim of another thread would not show that this test has the port.
    let started = fail_with(mistakes.collect())
        .and_then(|()| reserve_all(&idle))
        .and_then(|()| start_in_threads(&idle, start));
    if started.is_err() {
        // An executor that is up was started by another thread meanwhile, and keeps its port.
        for core in idle.iter().filter(|core| !core.is_up()) {
            core.give_port_back();
        }
    }
    started
}

/// Claims the fixed ports of a test in ascending order, so that no two tests wait for each other. A fixture claims its
/// port when it starts.
#[cfg(feature = "macros")]
pub(crate) fn reserve(cores: &[&Core]) -> Result<()> {
    let own = cores.iter().copied().filter(|core| !core.is_fixture());
    reserve_all(&own.collect::<Vec<_>>())
}

fn reserve_all(cores: &[&Core]) -> Result<()> {
    let mut fixed: Vec<_> = cores
        .iter()
        .filter_map(|core| Some((core.port_to_reserve()?, core.unless_forked()?)))
        .collect();
    fixed.sort_by_key(|(port, _)| *port);
    fixed.iter().try_for_each(|(_, core)| core.reserve())
}

fn fail_with(errors: Vec<Error>) -> Result<()> {
    Error::of_several(errors).map_or(Ok(()), Err)
}

fn start_in_threads(cores: &[&Core], start: &(dyn Fn(&Core) -> Result<()> + Sync)) -> Result<()> {
    let called_off = Arc::new(OnceLock::new());
    let spawned = Mutex::new(Vec::new());
    // The failures, in the order in which they occurred.
    let failures = Mutex::new(Vec::new());
    let fail = |core, error| {
        let _ = called_off.set(Deadline::after(AFTERMATH));
        let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.push((core, error));
    };
    let start_one = |core| {
        CALLED_OFF.with(|own| _ = own.set(Arc::clone(&called_off)));
        let started = catch_unwind(AssertUnwindSafe(|| start(core)));
        if HAS_SPAWNED.get() {
            let mut spawned = spawned.lock().unwrap_or_else(PoisonError::into_inner);
            spawned.push(core);
        }
        match started {
            Ok(Ok(())) => {}
            Ok(Err(error)) => fail(core, Ok(error)),
            Err(panic) => fail(core, Err(panic)),
        }
    };
    thread::scope(|scope| {
        let test = thread::current();
        let name = test.name().unwrap_or("mirakuru-start");
        for &core in cores {
            // The timeline shows the name as that of the test.
            let thread = thread::Builder::new().name(name.to_owned());
            let start_one = &start_one;
            if let Err(error) = thread.spawn_scoped(scope, move || start_one(core)) {
                fail(core, Ok(core.refused("start a thread", error)));
            }
        }
    });
    let failures = failures.into_inner();
    let failures = failures.unwrap_or_else(PoisonError::into_inner);
    if !failures.is_empty() {
        let spawned = spawned.into_inner();
        let spawned: Vec<&Core> = spawned.unwrap_or_else(PoisonError::into_inner);
        let own = |core: &&&Core| spawned.iter().any(|own| std::ptr::eq(*own, **core));
        for core in cores.iter().rev().filter(own) {
            // The failure is more useful than an error of the stop.
            let _ = core.stop();
        }
    }
    joined(cores, failures)
}

/// Joins the failures of executors that start together. The first failure comes first, and names the executors that
/// stopped only because of it.
fn joined(cores: &[&Core], failures: Vec<(&Core, thread::Result<Error>)>) -> Result<()> {
    let (mut failed, mut errors) = (Vec::new(), Vec::new());
    for (core, failure) in failures {
        match failure {
            Ok(error) if error.is_consequence() => {}
            Ok(error) => {
                failed.push(core);
                errors.push(error);
            }
            Err(panic) => resume_unwind(panic),
        }
    }
    let others = cores.iter().filter(|&&core| {
        let has_failed = |failed: &&Core| std::ptr::eq(*failed, core);
        !failed.iter().any(has_failed)
    });
    let others: Vec<_> = others.map(|core| core.scene().subject()).collect();
    if let Some(first) = errors.first_mut().filter(|_| !others.is_empty()) {
        first.add_note(format!(
            "because of this, also stopped: {}",
            others.join(", ")
        ));
    }
    fail_with(errors)
}

/// Returns whether another executor of this thread's group has failed.
pub(super) fn is_called_off() -> bool {
    called_off().is_some()
}

/// Returns the deadline until which executors of this thread's group may still begin, if one has failed.
fn called_off() -> Option<Deadline> {
    CALLED_OFF.with(|own| own.get()?.get().copied())
}

impl Core {
    /// Fails if another executor of the group failed while this one waited for its turn. An executor that is only a
    /// little late still starts, and may show its own failure.
    pub(super) fn ensure_not_called_off(&self) -> Result<()> {
        let is_late = called_off().is_some_and(|end| end.has_passed());
        if is_late {
            Err(self.called_off())
        } else {
            Ok(())
        }
    }

    /// Returns an error if a placeholder with a dot does not name another executor. `names` has the names of all
    /// executors that start together.
    fn unknown_peer(&self, names: &BTreeSet<&str>) -> Option<Error> {
        let bound = |name: &String| self.state(|state| state.bindings.contains_key(name));
        let placeholders = self.placeholders();
        let mut with_dot = placeholders.iter().filter_map(|placeholder| {
            let (name, part) = placeholder.split_once('.')?;
            Some((placeholder, name, part))
        });
        let own = self.given_name();
        let (placeholder, name, part) = with_dot.find(|(placeholder, name, _)| {
            (Some(*name) == own || !names.contains(name)) && !bound(placeholder)
        })?;
        let others: Vec<_> = names.iter().filter(|name| Some(**name) != own).collect();
        let listed = others.iter().map(|name| format!("{name:?}"));
        let listed = listed.collect::<Vec<_>>().join(", ");
        Some(self.invalid(if Some(name) == own {
            format!("{{{placeholder}}} names this executor itself: write {{{part}}}")
        } else if others.is_empty() {
            format!("{{{placeholder}}}: no other executor that starts together with this one has a name")
        } else {
            format!(
                "{{{placeholder}}}: no executor that starts together with this one has the name {name:?}: there are {listed}; write {{{{{placeholder}}}}} for the text itself"
            )
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::readiness::Spawned;

    #[test]
    fn late_executor_does_not_start_after_a_failure() {
        let core = Core::new("Executor", "sleep 60".into(), Arc::new(Spawned));
        let end = Arc::new(OnceLock::from(Deadline::after(Duration::ZERO)));
        let start = || {
            CALLED_OFF.with(|own| own.set(end)).expect("a new thread");
            core.start()
        };
        let started = thread::scope(|scope| scope.spawn(start).join());
        let error = started.expect("no panic").expect_err("it is called off");
        assert!(error.is_consequence(), "{error}");
        assert!(core.state(|state| state.link.is_none()), "no supervisor");
    }
}
