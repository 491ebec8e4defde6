//! The ready-made WebDriver: a program that controls a browser for tests.

use super::kind::{Kind, Service, Setting};
use super::program::Server;
use crate::executor::Executor;
use crate::readiness::{self, Readiness};

/// A WebDriver process. See [`webdriver`].
pub type WebdriverExecutor = Executor<Service<Webdriver>>;

/// The kind of [`WebdriverExecutor`].
#[derive(Clone, Debug)]
pub struct Webdriver {
    check: readiness::WebDriver,
}

/// Creates an executor for a WebDriver: chromedriver, or geckodriver if chromedriver is not installed.
///
/// The driver listens on `127.0.0.1`. `url()` returns `http://127.0.0.1:PORT`. The executor waits until the driver
/// reports that it can create a session; see [`readiness::WebDriver`]. The browsers that a test opens are in the
/// driver's process tree. They end with the driver, even if the test has not closed them.
///
/// ```no_run
/// use mirakuru::services;
///
/// # fn main() -> mirakuru::Result<()> {
/// let driver = services::webdriver().program("geckodriver").started()?;
/// println!("{}", driver.url()); // http://127.0.0.1:24816
/// # Ok(())
/// # }
/// ```
pub fn webdriver() -> WebdriverExecutor {
    let check = readiness::WebDriver::new("127.0.0.1", 0);
    let executor = Service::executor("WebdriverExecutor", Webdriver { check }, ["--port={port}"]);
    // Drivers and browsers leave their profiles in the temporary directory.
    executor.env("TMPDIR", "{tmpdir}")
}

impl Kind for Webdriver {
    const SERVER: Server = Server {
        title: "WebDriver",
        programs: &["chromedriver", "geckodriver"],
        directories: &[
            "/usr/lib/chromium",
            "/usr/lib/chromium-browser",
            "/usr/lib64/chromium-browser",
            "/snap/bin",
        ],
        companion: None,
        versioned_by: None,
        version: &["--version"],
        packages: ["chromium-driver", "chromedriver", "chromedriver"],
        container: "docker run --rm -p 127.0.0.1:{port}:4444 selenium/standalone-chromium",
    };
    const URL: &'static str = "http://{host}:{port}";

    fn check(&self) -> &dyn Readiness {
        &self.check
    }

    fn setting(key: &str, value: &str) -> Setting {
        Setting::Words(vec![format!("--{key}={value}")])
    }
}
