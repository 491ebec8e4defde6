//! Windows: the place is kept, the work is not done.
//!
//! What belongs here: a Job Object with kill-on-close in place of the subreaper, no Unix sockets,
//! and no signals but terminate.

compile_error!(
    "mirakuru does not support Windows yet: it needs process groups, signals and Unix sockets. \
     Guard the dependency with [target.'cfg(unix)'.dev-dependencies]."
);
