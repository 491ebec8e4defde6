//! Detects two different shared fixtures of a run that have the same name. Without this check, the tests of the second
//! fixture would get the service of the first.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::core::Core;
use crate::error::{Error, ErrorKind, Result};
use crate::readiness::Context;
use crate::run::RunPlace;
use crate::wait::Deadline;

/// Fails if another fixture of the run has the name of this one, but another command, another check, or another number
/// of executors.
pub(crate) fn ensure_only_one_of_its_name(cores: &[&Core], place: Option<&RunPlace>) -> Result<()> {
    /// The fixtures of this process, by name. Used if the run is not known.
    static WRITTEN: Mutex<BTreeMap<&str, String>> = Mutex::new(BTreeMap::new());
    let Some(name) = cores[0].state(|state| state.fixture_name()) else {
        return Ok(());
    };
    let all: Vec<_> = cores.iter().map(|core| core.written()).collect();
    let own = match &all[..] {
        [one] => one.clone(),
        all => format!("{} executors: {}", all.len(), all.join("; ")),
    };
    let first = place.map(|place| place.first_written(&own));
    let first = first.unwrap_or_else(|| {
        let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
        written.entry(name).or_insert_with(|| own.clone()).clone()
    });
    if first == own {
        return Ok(());
    }
    Err(cores[0].another_of_its_name(name, &first, &own))
}

impl Core {
    /// Returns the error for two different fixtures of a run that have the same name.
    fn another_of_its_name(&self, name: &str, first: &str, own: &str) -> Error {
        let mut scene = self.scene().reason(format!(
            "two different shared fixtures of the run have the name {name:?}. The first is {first}. This one is {own}"
        ));
        scene.advice = "give each fixture a unique name, or use one static for both".into();
        scene.into_error(ErrorKind::InvalidConfig)
    }

    /// Describes the executor as the user wrote it: its command, and the condition that its check waits for.
    /// Placeholders are not filled in, so the text is the same in every process.
    fn written(&self) -> String {
        let names = self.named_ports().into_iter().chain([String::new()]);
        let ports: BTreeMap<_, _> = names.zip((1..=u16::MAX).rev()).collect();
        let tmpdir = std::env::temp_dir().join("mirakuru-XXXXXX");
        let here = std::env::current_dir().unwrap_or_default().join("");
        let mut stands_for = vec![
            (tmpdir.display().to_string(), "{tmpdir}".to_owned()),
            // A relative path begins at the directory of the test process, which differs between packages.
            (here.display().to_string(), String::new()),
        ];
        stands_for.extend(ports.iter().map(|(name, port)| match name.as_str() {
            "" => (port.to_string(), "{port}".to_owned()),
            name => (port.to_string(), format!("{{port:{name}}}")),
        }));
        // A placeholder with a dot stands for itself, even if its value is known.
        let bound = self.placeholders().into_iter();
        let bindings = bound
            .filter(|name| name.contains('.'))
            .map(|name| (name.clone(), format!("{{{name}}}")));
        let place = self.bound_place(Some(tmpdir), ports, bindings.collect());
        let awaited = place.map_or_else(
            |mistake| mistake,
            |place| {
                let deadline = Deadline::after(self.config.start_bound());
                let context = Context::new(self.start_before_spawn(place, None, deadline));
                self.check.describe(&context)
            },
        );
        let awaited = stands_for
            .iter()
            .fold(awaited, |text, (value, name)| text.replace(value, name));
        format!(
            "`{}`, which waits for {awaited}",
            self.config.command.shown.line
        )
    }
}
