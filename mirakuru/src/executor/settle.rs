//! Prepares a start before the spawn: validates the configuration, gets the supervisor, the private directory and the
//! ports, and fills in every placeholder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::core::Core;
use super::port::Wanted;
use super::state::State;
use crate::command::{Place, Prepared, Stdio, Template, is_word, prepare};
use crate::environment::{self, Keep};
use crate::error::Result;
use crate::link::Link;
use crate::paths;
use crate::readiness::{Context, Start, Target};
use crate::tmpdir;
use crate::wait::Deadline;

/// The prepared parts of a start, before the spawn.
pub(super) struct Settled {
    pub(super) link: Arc<Link>,
    pub(super) context: Context,
    pub(super) prepared: Prepared,
}

impl Core {
    /// Validates the configuration before the spawn. Uses dummy values for a directory and ports that are not known
    /// yet.
    pub(super) fn validate(&self, deadline: Deadline) -> Result<()> {
        let names = self.named_ports().into_iter().chain([String::new()]);
        let ports = names.map(|name| (name, 1)).collect();
        let place = self.place(Some(std::env::temp_dir().join("mirakuru-XXXXXX")), ports);
        let validated = place.and_then(|place| {
            environment::validate()?;
            self.config.stop_signal.check()?;
            self.config.kill_signal.check()?;
            self.ensure_reusable()?;
            self.prepared(&place)?;
            let context = Context::new(self.start_before_spawn(place, None, deadline));
            self.check
                .validate(&context)
                .map_err(|mistake| mistake.to_string())
        });
        validated.map_err(|mistake| self.invalid(mistake))
    }

    pub(super) fn prepared(&self, place: &Place) -> Result<Prepared, String> {
        let of_the_run = self.state(|state| state.place.is_some());
        prepare(&self.config.command, &self.config.shape, place, of_the_run)
    }

    /// Creates the supervisor, the private directory and the leases on the free ports. After that the ports do not
    /// change.
    pub(super) fn prepare(&self) -> Result<()> {
        let deadline = Deadline::after(self.config.start_bound());
        self.validate(deadline)?;
        let _turn = self.turn();
        let link = self.link()?;
        self.directory(&link, deadline)?;
        let target = self.check.target();
        let has_other_port = target.reports_port || target.port_name.is_some();
        if self.wanted_port() == Wanted::None && !has_other_port {
            // `port()` returns this port. A service may read it from a configuration file.
            self.lease_free_port("")?;
        }
        self.ports_for_start()?;
        self.settle_ports();
        Ok(())
    }

    /// Gets the supervisor, the private directory and the ports, and fills in the placeholders.
    pub(super) fn settle(&self, deadline: Deadline) -> Result<Settled> {
        let link = self.link()?;
        let tmpdir = self
            .needs_directory()
            .then(|| self.directory(&link, deadline))
            .transpose()?;
        let place = self.place(tmpdir, self.ports_for_start()?);
        let filled = place.and_then(|place| {
            let prepared = self.prepared(&place)?;
            let start = self.start_before_spawn(place, Some(Arc::clone(&link)), deadline);
            let shown = Arc::new(prepared.shown.clone());
            let context = Context::new(Start {
                command: Arc::clone(&shown.line),
                ..start
            });
            // Validated once more, because the length of a path depends on the values.
            self.check
                .validate(&context)
                .map_err(|mistake| mistake.to_string())?;
            self.state(|state| state.shown = Some(shown));
            Ok((context, prepared))
        });
        let (context, prepared) = filled.map_err(|mistake| self.invalid(mistake))?;
        #[cfg(feature = "services")]
        let prepared = self.provide(&context, prepared, deadline)?;
        Ok(Settled {
            link,
            context,
            prepared,
        })
    }

    /// Returns the data of a start that the checks get before the process exists.
    pub(super) fn start_before_spawn(
        &self,
        place: Place,
        link: Option<Arc<Link>>,
        deadline: Deadline,
    ) -> Start {
        static STARTS: AtomicU64 = AtomicU64::new(1);
        let streams = &self.config.shape.streams;
        Start {
            number: STARTS.fetch_add(1, Ordering::Relaxed),
            place,
            command: self.command(),
            user: self.config.shape.other_user(),
            link,
            pid: None,
            stdout: None,
            stderr: None,
            captures: [&streams.stdout, &streams.stderr].map(Stdio::is_captured),
            log: None,
            deadline,
            captured: Mutex::new(BTreeMap::new()),
            listeners: Mutex::new(BTreeMap::new()),
        }
    }

    /// Returns the host that the check asks. Leases the ports that the host contains. The host may come from another
    /// executor.
    pub(super) fn host(&self) -> Result<String> {
        let host = Template::parse(self.check.target().host.unwrap_or_default());
        let names_port = host.names().any(|name| name.starts_with("port"));
        let ports = names_port.then(|| self.ports_for(&host)).transpose()?;
        let bindings = self.state(|state| state.bindings.clone());
        Ok(self.host_at(ports.unwrap_or_default(), bindings))
    }

    /// Returns the host with these values filled in. `{host}` in it stands for the default.
    fn host_at(&self, ports: BTreeMap<String, u16>, bindings: BTreeMap<String, String>) -> String {
        let default = Place {
            host: "127.0.0.1".to_owned(),
            ports,
            bindings,
            ..Place::default()
        };
        let host = self.check.target().host;
        host.and_then(|host| default.fill_text(&host).ok())
            .unwrap_or(default.host)
    }

    /// Returns the host with the values that are known now. Leases no port.
    pub(super) fn known_host(&self) -> String {
        let known = |state: &mut State| (state.port.known(), state.bindings.clone());
        let (ports, bindings) = self.state(known);
        self.host_at(ports, bindings)
    }

    /// Returns the values of all placeholders, from this directory and these ports.
    pub(super) fn place(
        &self,
        tmpdir: Option<PathBuf>,
        ports: BTreeMap<String, u16>,
    ) -> Result<Place, String> {
        self.bound_place(tmpdir, ports, self.state(|state| state.bindings.clone()))
    }

    /// Returns the values of all placeholders. `bindings` has the values of the placeholders with a dot.
    pub(super) fn bound_place(
        &self,
        tmpdir: Option<PathBuf>,
        ports: BTreeMap<String, u16>,
        bindings: BTreeMap<String, String>,
    ) -> Result<Place, String> {
        let Target {
            socket, filename, ..
        } = self.check.target();
        let within = |name: &str| tmpdir.as_ref().map(|tmpdir| tmpdir.join(name));
        let mut place = Place {
            host: self.host_at(ports.clone(), bindings.clone()),
            ports,
            socket: tmpdir.as_deref().map(tmpdir::socket),
            pidfile: within("pid"),
            log_file: None,
            tmpdir,
            bindings,
        };
        if let Some(socket) = socket {
            place.socket = Some(place.fill_path(&socket)?);
        }
        if let Some(filename) = filename {
            place.pidfile = Some(place.fill_path(&filename)?);
        }
        if let Some(log_file) = &self.config.log_file {
            place.log_file = match place.fill(log_file) {
                Ok(path) if path.is_empty() => {
                    return Err("the log file's path is empty".to_owned());
                }
                Ok(path) => Some(paths::absolute(path.as_ref())),
                // The executor also describes services of other processes, which have no log file here.
                Err(_) if place.tmpdir.is_none() => None,
                Err(mistake) => return Err(mistake),
            };
        }
        Ok(place)
    }

    /// Returns a text with its placeholders filled in, before the first start too.
    ///
    /// # Panics
    ///
    /// Panics if the private directory is needed and cannot be created, if no port can be leased, or if the text
    /// contains an unknown placeholder.
    pub(super) fn filled(&self, text: &str) -> String {
        let template = Template::parse(text);
        let needs_tmpdir =
            self.needs_directory() || self.refers_to_directory(|name| template.mentions(name));
        let tmpdir = needs_tmpdir.then(|| self.tmpdir());
        let ports = self.ports_for(&template);
        let ports = ports.unwrap_or_else(|error| panic!("{error}"));
        let place = self.place(tmpdir, ports);
        let filled = place.and_then(|place| place.fill_text(text));
        filled.unwrap_or_else(|mistake| panic!("{}", self.invalid(mistake)))
    }

    /// Leases the ports that a text may name. The text may name other texts, which name ports.
    fn ports_for(&self, text: &Template) -> Result<BTreeMap<String, u16>> {
        let mut ports = BTreeMap::new();
        for name in self.named_ports() {
            let port = self.port_named(&name)?;
            ports.insert(name, port);
        }
        if text.mentions("port") || self.wanted_port() != Wanted::None {
            ports.insert(String::new(), self.port()?);
        }
        Ok(ports)
    }

    /// Returns the private directory. See `Executor::tmpdir`.
    pub(super) fn tmpdir(&self) -> PathBuf {
        // Checked before the turn: a thread of the parent may have held the turn at the fork.
        assert!(
            self.unless_forked().is_some(),
            "the private directory belongs to the parent process"
        );
        let _turn = self.turn();
        // Not the start's timeout: a service that runs would be given up with its supervisor.
        let deadline = Deadline::after(Duration::MAX);
        // If the supervisor of the run does not answer, its directory still exists.
        let silent = self.shared_link().filter(|link| link.is_out_of_reach());
        let link = silent.map_or_else(|| self.link(), Ok);
        let directory = link.and_then(|link| self.directory(&link, deadline));
        directory.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Returns whether the executor needs the private directory.
    fn needs_directory(&self) -> bool {
        self.config.keep() != Keep::Nothing || self.refers_to_directory(|name| self.mentions(name))
    }

    /// Returns whether a text refers to the private directory. `mentions` reports whether the text contains a
    /// placeholder.
    fn refers_to_directory(&self, mentions: impl Fn(&str) -> bool) -> bool {
        let mut own = ["socket", "pidfile"].iter();
        mentions("tmpdir") || own.any(|name| mentions(name) && self.lies_in_directory(name))
    }

    /// Returns whether `{socket}` or `{pidfile}` is in the private directory. A path that the check gives is
    /// elsewhere, unless it contains that placeholder.
    pub(super) fn lies_in_directory(&self, name: &str) -> bool {
        let target = self.check.target();
        let given = match name {
            "socket" => target.socket,
            _ => target.filename,
        };
        given.is_none_or(|path| Template::parse(path).mentions(name))
    }

    /// Returns the placeholders in the command, the options and the check.
    pub(super) fn placeholders(&self) -> BTreeSet<String> {
        let mut all = self.placeholders_of_the_check();
        let of_the_command = self.config.shape.placeholders(&self.config.command);
        let of_the_command =
            of_the_command.chain(self.config.log_file.iter().flat_map(Template::names));
        all.extend(of_the_command.map(str::to_owned));
        all
    }

    pub(super) fn placeholders_of_the_check(&self) -> BTreeSet<String> {
        let target = self.check.target();
        let texts = [target.host, target.url].into_iter().flatten();
        let paths = [target.socket, target.filename].into_iter().flatten();
        let of_the_check: Vec<_> = texts
            .chain(target.texts)
            .map(Template::parse)
            .chain(paths.map(Template::parse))
            .collect();
        let all = of_the_check.iter().flat_map(Template::names);
        let mut all: BTreeSet<String> = all.map(str::to_owned).collect();
        all.extend(target.port_name.map(|name| format!("port:{name}")));
        all
    }

    /// Returns whether a placeholder such as `{name.port}` refers to the executor of this name.
    pub(crate) fn names(&self, name: &str) -> bool {
        let of_it = |placeholder: &String| placeholder.split('.').next() == Some(name);
        self.placeholders()
            .iter()
            .any(|placeholder| placeholder.contains('.') && of_it(placeholder))
    }

    /// Returns whether a placeholder of this name is in the command, an option or the check.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.placeholders().contains(name)
    }

    /// Returns each `NAME` of the placeholders `{port:NAME}`.
    pub(super) fn named_ports(&self) -> Vec<String> {
        let placeholders = self.placeholders();
        let names = placeholders
            .iter()
            .filter_map(|name| name.strip_prefix("port:"));
        names
            .filter(|name| is_word(name))
            .map(str::to_owned)
            .collect()
    }

    /// Sets the values of `{name.port}` and the similar placeholders from the executor `other`. Reads only the values
    /// that the placeholders use, so no directory is created without need.
    pub(crate) fn bind(&self, name: &str, other: &Self) -> Result<()> {
        for placeholder in self.placeholders() {
            let part = placeholder
                .strip_prefix(name)
                .and_then(|part| part.strip_prefix('.'));
            let value = match part {
                Some("host") => other.host()?,
                Some("port") => other.port()?.to_string(),
                Some("addr") => other.addr()?,
                Some("url") => other.url()?,
                Some("socket") => other.filled("{socket}"),
                Some("pidfile") => other.filled("{pidfile}"),
                Some("tmpdir") => other.tmpdir().display().to_string(),
                _ => match part.and_then(|part| part.strip_prefix("port:")) {
                    Some(label) if other.named_ports().iter().any(|port| port == label) => {
                        other.port_named(label)?.to_string()
                    }
                    Some(label) => {
                        return Err(self
                            .invalid(format!("{{{placeholder}}}: {name} has no port {label:?}")));
                    }
                    None => continue,
                },
            };
            self.state(|state| drop(state.bindings.insert(placeholder, value)));
        }
        Ok(())
    }
}
