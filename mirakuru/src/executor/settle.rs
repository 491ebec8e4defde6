//! Settles what a start needs before it spawns: a configuration without mistakes, a supervisor, a private
//! directory, a port, and every placeholder filled in.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::core::Core;
use crate::command::{Place, Prepared, Shown, Template, prepare};
use crate::environment::{self, Keep};
use crate::error::Result;
use crate::link::Link;
use crate::readiness::{Context, Start, Target};
use crate::wait::Deadline;

/// What a start has before it spawns.
pub(super) struct Settled {
    pub(super) link: Arc<Link>,
    pub(super) context: Context,
    pub(super) prepared: Prepared,
}

impl Core {
    /// Finds mistakes in the configuration before anything is spawned, with placeholder values for what is
    /// not known yet.
    pub(super) fn validate(&self, deadline: Deadline) -> Result<()> {
        let place = self.place(Some(std::env::temp_dir().join("mirakuru-XXXXXX")), 1);
        let validated = place.and_then(|place| {
            environment::timeout_scale()?;
            self.config.stop_signal.check()?;
            self.config.kill_signal.check()?;
            self.prepared(&place)?;
            let context = Context::new(self.start_before_spawn(place, None, deadline));
            self.check.validate(&context)
        });
        validated.map_err(|mistake| self.invalid(mistake))
    }

    fn prepared(&self, place: &Place) -> Result<Prepared, String> {
        let of_the_run = self.state(|state| state.place.is_some());
        prepare(&self.config.command, &self.config.shape, place, of_the_run)
    }

    /// Settles the supervisor, the private directory and the port, and fills them in.
    pub(super) fn settle(&self, deadline: Deadline) -> Result<Settled> {
        let link = self.link(deadline)?;
        let tmpdir = self
            .needs_directory()
            .then(|| self.directory(&link, deadline))
            .transpose()?;
        let port = self.port_for_start()?;
        let place = self.place(tmpdir, port);
        let filled = place.and_then(|place| {
            let prepared = self.prepared(&place)?;
            let start = self.start_before_spawn(place, Some(Arc::clone(&link)), deadline);
            let shown = Arc::new(Shown::of(&prepared.words));
            let context = Context::new(Start {
                command: Arc::clone(&shown.line),
                ..start
            });
            // Once more: lengths depend on what was filled in.
            self.check.validate(&context)?;
            self.state(|state| state.shown = Some(shown));
            Ok((context, prepared))
        });
        let (context, prepared) = filled.map_err(|mistake| self.invalid(mistake))?;
        Ok(Settled {
            link,
            context,
            prepared,
        })
    }

    /// A start as its checks see it before there is a process.
    pub(super) fn start_before_spawn(
        &self,
        place: Place,
        link: Option<Arc<Link>>,
        deadline: Deadline,
    ) -> Start {
        static STARTS: AtomicU64 = AtomicU64::new(1);
        Start {
            number: STARTS.fetch_add(1, Ordering::Relaxed),
            place,
            command: self.command(),
            link,
            pid: None,
            stdout: None,
            stderr: None,
            deadline,
            captured: Mutex::new(BTreeMap::new()),
        }
    }

    /// The host that the check names, which another executor may have. `{host}` in it is the default.
    pub(super) fn host(&self) -> String {
        let default = Place {
            host: "127.0.0.1".to_owned(),
            bindings: self.config.bindings.clone(),
            ..Place::default()
        };
        let host = self.check.target().host;
        host.and_then(|host| default.fill_text(&host).ok())
            .unwrap_or(default.host)
    }

    pub(super) fn place(&self, tmpdir: Option<PathBuf>, port: u16) -> Result<Place, String> {
        let Target {
            socket, filename, ..
        } = self.check.target();
        let within = |name: &str| tmpdir.as_ref().map(|tmpdir| tmpdir.join(name));
        let mut place = Place {
            host: self.host(),
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

    /// Returns a text with its placeholders filled in, before the first start too.
    ///
    /// # Panics
    ///
    /// Panics if the private directory is needed and cannot be made.
    pub(super) fn filled(&self, text: &str) -> String {
        let template = Template::parse(text);
        let lies_there = self.needs_directory() || self.lies_there(|name| template.mentions(name));
        let tmpdir = lies_there.then(|| self.tmpdir());
        let place = self.place(tmpdir, self.port());
        let filled = place.and_then(|place| place.fill_text(text));
        filled.unwrap_or_else(|mistake| panic!("{}", self.invalid(mistake)))
    }

    /// Returns the private directory. See `Executor::tmpdir`.
    pub(super) fn tmpdir(&self) -> PathBuf {
        // Before the turn, which a thread of the parent may have held at the fork.
        assert!(
            self.unless_forked().is_some(),
            "the private directory belongs to the parent process"
        );
        let _turn = self.turn();
        let deadline = Deadline::after(self.config.start_bound());
        let link = self.link(deadline);
        let directory = link.and_then(|link| self.directory(&link, deadline));
        directory.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Returns whether anything of the executor lies in the private directory.
    fn needs_directory(&self) -> bool {
        environment::keep() != Keep::Nobodys || self.lies_there(|name| self.mentions(name))
    }

    /// Returns whether what mentions these placeholders lies in the private directory. A path that the check
    /// gives itself for `{socket}` or `{pidfile}` lies elsewhere, unless it contains that placeholder.
    fn lies_there(&self, mentions: impl Fn(&str) -> bool) -> bool {
        let target = self.check.target();
        let own = [("socket", target.socket), ("pidfile", target.filename)];
        let is_own = |name: &str, given: Option<PathBuf>| {
            given.is_none_or(|path| Template::parse(path).mentions(name))
        };
        mentions("tmpdir")
            || own
                .into_iter()
                .any(|(name, given)| mentions(name) && is_own(name, given))
    }

    /// Returns whether a placeholder of this name stands in the command, an option or the check.
    pub(super) fn mentions(&self, name: &str) -> bool {
        let target = self.check.target();
        let texts = [target.host, target.url].map(|text| text.map(PathBuf::from));
        let of_the_check = texts.into_iter().chain([target.socket, target.filename]);
        self.config.shape.mentions(&self.config.command, name)
            || of_the_check
                .flatten()
                .any(|text| Template::parse(text).mentions(name))
    }

    /// Gives `{name.port}` and its like the values of another executor. Asks only for what is mentioned: a
    /// directory, say, is not made for nothing.
    #[cfg(feature = "macros")]
    pub(crate) fn bind(&mut self, name: &str, other: &Self) {
        let values: [(&str, &dyn Fn() -> String); 7] = [
            ("host", &|| other.host()),
            ("port", &|| other.port().to_string()),
            ("addr", &|| other.addr()),
            ("url", &|| other.url()),
            ("socket", &|| other.filled("{socket}")),
            ("pidfile", &|| other.filled("{pidfile}")),
            ("tmpdir", &|| other.tmpdir().display().to_string()),
        ];
        for (part, value) in values {
            let placeholder = format!("{name}.{part}");
            if self.mentions(&placeholder) {
                self.config.bindings.insert(placeholder, value());
            }
        }
    }
}
