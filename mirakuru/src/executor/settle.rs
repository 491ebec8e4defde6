//! What a start needs before it spawns: a configuration without mistakes, a supervisor, a private
//! directory, a port, and every placeholder filled in.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

use super::Executor;
use super::config::Config;
use crate::command::{EnvChange, Place, Prepared, prepare, uses};
use crate::environment::{self, Keep};
use crate::error::{ErrorKind, Result};
use crate::link::Link;
use crate::readiness::{Context, Readiness, Target};
use crate::wait::Deadline;

impl<R: Readiness> Executor<R> {
    /// Finds what is wrong before anything is spawned, with stand-ins for what is not known yet.
    pub(super) fn look_through(&self, deadline: Deadline) -> Result<()> {
        let place = self.place(Some(std::env::temp_dir().join("mirakuru-XXXXXX")), 1);
        let looked = place.and_then(|place| {
            environment::timeout_scale()?;
            self.config.stop_signal.check()?;
            self.config.kill_signal.check()?;
            self.prepared(&place)?;
            let context = Context::new(self.situation(place, None, deadline));
            self.readiness.validate(&context)
        });
        looked.map_err(|mistake| self.invalid(mistake))
    }

    fn prepared(&self, place: &Place) -> Result<Prepared, String> {
        let of_the_run = self.session.place().is_some();
        prepare(&self.config.command, &self.config.shape, place, of_the_run)
    }

    /// Settles everything that a start needs: the supervisor, the private directory, the port.
    pub(super) fn settle(&self, deadline: Deadline) -> Result<(Arc<Link>, Context, Prepared)> {
        let link = self.link(deadline)?;
        let tmpdir = self
            .needs_directory()
            .then(|| self.directory(&link, deadline))
            .transpose()?;
        let port = self.settled_port()?;
        let place = self.place(tmpdir, port);
        let filled = place.and_then(|place| {
            let prepared = self.prepared(&place)?;
            let context = Context::new(self.situation(place, Some(Arc::clone(&link)), deadline));
            // Once more: lengths depend on what was filled in.
            self.readiness
                .validate(&context)
                .map(|()| (context, prepared))
        });
        let (context, prepared) = filled.map_err(|mistake| self.invalid(mistake))?;
        self.session.prepared(&prepared);
        Ok((link, context, prepared))
    }

    /// The supervisor, started now if there is none.
    pub(super) fn link(&self, deadline: Deadline) -> Result<Arc<Link>> {
        self.session
            .link(deadline)
            .map_err(|error| self.refused("start a supervisor", error))
    }

    /// The private directory, made now if it was not yet.
    pub(super) fn directory(&self, link: &Link, deadline: Deadline) -> Result<PathBuf> {
        match link.directory(deadline) {
            Some(Ok(directory)) => Ok(directory),
            Some(Err(failure)) => {
                let mut scene = self.scene().reason(failure.to_string());
                scene.advice = Some(format!(
                    "is there room in {}?",
                    std::env::temp_dir().display()
                ));
                scene.source = Some(failure.error());
                Err(scene.into_error(ErrorKind::Io))
            }
            None => Err(self.lost(link)),
        }
    }

    /// The host that the check names, or another executor's that it is bound to. `{host}` in it is the
    /// default: no other part gives one.
    pub(super) fn settled_host(&self) -> String {
        let default = Place {
            host: "127.0.0.1".to_owned(),
            bindings: self.config.bindings.clone(),
            ..Place::default()
        };
        let host = self.readiness.target().host;
        host.and_then(|host| default.fill(&host).ok())
            .unwrap_or(default.host)
    }

    pub(super) fn place(&self, tmpdir: Option<PathBuf>, port: u16) -> Result<Place, String> {
        let Target {
            socket, filename, ..
        } = self.readiness.target();
        let within = |name: &str| tmpdir.as_ref().map(|tmpdir| tmpdir.join(name));
        let mut place = Place {
            host: self.settled_host(),
            port,
            socket: within("socket"),
            pidfile: within("pid"),
            tmpdir,
            bindings: self.config.bindings.clone(),
        };
        if let Some(socket) = socket {
            place.socket = Some(place.fill_path(&socket)?);
        }
        if let Some(filename) = filename {
            place.pidfile = Some(place.fill_path(&filename)?);
        }
        Ok(place)
    }

    /// A text with its placeholders filled in, before the first start too.
    ///
    /// # Panics
    ///
    /// If the private directory is needed and cannot be made.
    pub(super) fn filled(&self, text: &str) -> String {
        let tmpdir = (self.needs_directory() || self.leads_to_directory(text.as_ref()))
            .then(|| self.tmpdir());
        let place = self.place(tmpdir, self.port());
        let filled = place.and_then(|place| place.fill(text));
        filled.unwrap_or_else(|mistake| panic!("{}", self.invalid(mistake)))
    }

    /// Whether anything that was written stands in the private directory.
    fn needs_directory(&self) -> bool {
        environment::keep() != Keep::Nobodys
            || self
                .texts()
                .iter()
                .any(|text| self.leads_to_directory(text))
    }

    /// Whether this text stands in the private directory. A socket or file of the check's own
    /// stands where it says, unless it says `{socket}` or `{pidfile}` itself.
    fn leads_to_directory(&self, text: &OsStr) -> bool {
        let Target {
            socket, filename, ..
        } = self.readiness.target();
        let lacking = |path: Option<PathBuf>, name: &str| {
            path.is_none_or(|path| uses(path.as_os_str(), name))
        };
        uses(text, "tmpdir")
            || (uses(text, "socket") && lacking(socket, "socket"))
            || (uses(text, "pidfile") && lacking(filename, "pidfile"))
    }

    /// Has `{name.port}` and its like stand for what another executor has. Only what is mentioned is
    /// asked for: a directory, say, is not made in vain.
    #[cfg(feature = "macros")]
    pub(crate) fn with_binding<S: Readiness>(mut self, name: &str, other: &Executor<S>) -> Self {
        let values: [(&str, &dyn Fn() -> String); 7] = [
            ("host", &|| other.host()),
            ("port", &|| other.port().to_string()),
            ("addr", &|| other.addr()),
            ("url", &|| other.url()),
            ("socket", &|| other.socket().display().to_string()),
            ("pidfile", &|| other.filename().display().to_string()),
            ("tmpdir", &|| other.tmpdir().display().to_string()),
        ];
        for (part, value) in values {
            let placeholder = format!("{name}.{part}");
            if self.mentions(&placeholder) {
                self.config.bindings.insert(placeholder, value());
            }
        }
        self
    }

    /// Whether a placeholder stands anywhere in what was written.
    pub(super) fn mentions(&self, name: &str) -> bool {
        self.texts().iter().any(|text| uses(text, name))
    }

    /// Everything written that may hold placeholders.
    fn texts(&self) -> Vec<OsString> {
        let Config { command, shape, .. } = &self.config;
        let Target {
            host,
            url,
            socket,
            filename,
            ..
        } = self.readiness.target();
        let mut texts = vec![OsString::from(command.shell_text())];
        texts.extend(host.into_iter().chain(url).map(OsString::from));
        texts.extend(
            [socket, filename, shape.cwd.clone()]
                .into_iter()
                .flatten()
                .map(OsString::from),
        );
        texts.extend(shape.env.iter().filter_map(|change| match change {
            EnvChange::Set(_, value) => Some(value.clone()),
            EnvChange::Remove(_) | EnvChange::Clear => None,
        }));
        texts
    }
}
