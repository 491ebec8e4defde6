//! The guide: one page for each question.
//!
//! | question | page |
//! |---|---|
//! | How does a start find out that my service is ready? | [`readiness`] |
//! | How does a service stop, and what happens if the test is killed? | [`stopping`] |
//! | How do parallel tests share ports? | [`ports`] |
//! | How do I start PostgreSQL, Redis or another known server? | [`services`] |
//! | How do tests share one server? | [`sharing`] |
//! | How do I test a backend with a database? | [`web_backend`] |
//! | What happens under `cargo nextest`: timeouts, Ctrl-C, retries, partitions? | [`nextest`] |
//! | Does it work in async tests? | [`async_tests`] |
//! | A start timed out: what does the error mean? | [`troubleshooting`] |
//! | How do I see logs and keep files? | [`environment`] |
//! | Does it work in containers and in CI, and can it start containers? | [`containers`] |
//! | What works on macOS, on Windows and on other Unixes? | [`platforms`] |
//! | How do I write a check of my own? | [`own_readiness`] |
//! | How do I move from testcontainers? | [`from_testcontainers`] |
//! | How do I move from the Python library? | [`from_python`] |
//! | How fast is it, and what does it need? | [`performance`] |

#[doc = include_str!("readiness.md")]
pub mod readiness {}

#[doc = include_str!("stopping.md")]
pub mod stopping {}

#[doc = include_str!("ports.md")]
pub mod ports {}

#[cfg(feature = "services")]
#[doc = include_str!("services.md")]
pub mod services {}

#[doc = include_str!("sharing.md")]
pub mod sharing {}

#[doc = include_str!("web_backend.md")]
pub mod web_backend {}

#[doc = include_str!("nextest.md")]
pub mod nextest {}

#[doc = include_str!("async_tests.md")]
pub mod async_tests {}

#[doc = include_str!("troubleshooting.md")]
pub mod troubleshooting {}

#[doc = include_str!("environment.md")]
///
#[doc = include_str!("timeline.svg")]
pub mod environment {}

#[doc = include_str!("containers.md")]
pub mod containers {}

#[doc = include_str!("platforms.md")]
pub mod platforms {}

#[doc = include_str!("own_readiness.md")]
pub mod own_readiness {}

#[doc = include_str!("from_testcontainers.md")]
pub mod from_testcontainers {}

#[doc = include_str!("from_python.md")]
pub mod from_python {}

#[doc = include_str!("performance.md")]
pub mod performance {}
