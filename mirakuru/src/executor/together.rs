//! Starts several executors at the same time. Each may name the ports of the others.

use std::panic::resume_unwind;
use std::thread;

use super::core::Core;
use crate::error::{Error, Result};

/// Fills in `{NAME.port}` and its like in each executor, for the others that have a name.
pub(crate) fn introduce(cores: &[&Core]) -> Result<()> {
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

/// Starts all executors, each by `start` in a thread of its own. If one fails, those that this call has started
/// stop, and the error contains every failure.
pub(crate) fn start_together(
    cores: &[&Core],
    start: &(dyn Fn(&Core) -> Result<()> + Sync),
) -> Result<()> {
    let idle: Vec<&Core> = cores
        .iter()
        .filter_map(|core| core.unless_forked())
        .filter(|core| !core.is_up())
        .collect();
    // For this thread: a claim of another thread would not show that this test has the port.
    let started = reserve_all(&idle).and_then(|()| start_in_threads(&idle, start));
    if started.is_err() {
        for core in idle.iter().rev() {
            // The failure says more than the error of the stop.
            let _ = core.stop();
            core.give_port_back();
        }
    }
    started
}

/// Claims the fixed ports of a test in one order, so that no two tests wait for each other. A fixture claims its own
/// when it starts.
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

fn start_in_threads(cores: &[&Core], start: &(dyn Fn(&Core) -> Result<()> + Sync)) -> Result<()> {
    let outcomes: Vec<_> = thread::scope(|scope| {
        let name = thread::current()
            .name()
            .unwrap_or("mirakuru-start")
            .to_owned();
        let spawned = cores.iter().map(|&core| {
            // The timeline shows the name as that of the test.
            let thread = thread::Builder::new().name(name.clone());
            let started = thread.spawn_scoped(scope, move || start(core));
            started.map_err(|error| core.refused("start a thread", error))
        });
        let spawned: Vec<_> = spawned.collect();
        let joined = spawned.into_iter().map(|spawned| match spawned {
            Ok(thread) => thread.join(),
            Err(error) => Ok(Err(error)),
        });
        joined.collect()
    });
    let (mut errors, mut panic) = (Vec::new(), None);
    for outcome in outcomes {
        match outcome {
            Ok(started) => errors.extend(started.err()),
            Err(why) => panic = Some(why),
        }
    }
    if let Some(panic) = panic {
        for core in cores {
            drop(core.stop());
        }
        resume_unwind(panic);
    }
    Error::of_several(errors).map_or(Ok(()), Err)
}
