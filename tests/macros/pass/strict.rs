//! The expansion causes no warning of any lint.
#![deny(
    warnings,
    missing_docs,
    unsafe_code,
    unused,
    clippy::all,
    clippy::pedantic
)]
#![forbid(unsafe_op_in_unsafe_fn)]

/// Tests.
pub mod tests {
    use mirakuru::services::{self, Database, PostgresExecutor, WebdriverExecutor};
    use mirakuru::{Shared, with_process};

    /// Waits.
    ///
    /// # Errors
    ///
    /// None.
    #[with_process(simple = "sleep 60")]
    pub async fn waits() -> mirakuru::Result<()> {
        std::future::ready(()).await;
        Ok(())
    }

    /// Starts a server that is not installed everywhere.
    #[with_process(webdriver, program = "geckodriver", config = { log = "debug" })]
    #[with_process(postgres, version = "16", database = true, args = [], bind = pg)]
    #[with_process(shared = CACHE, lock = true, database = true)]
    #[tokio::main]
    pub async fn starts(
        db: &Database,
        _driver: &WebdriverExecutor,
        _pg: &PostgresExecutor,
        cache: &services::Database,
    ) {
        std::future::ready((db.url(), cache.url())).await;
    }

    static CACHE: Shared<services::RedisExecutor> = Shared::new(services::redis);

    /// Helps.
    #[with_process(simple = "sleep 60", timeout = "10s")]
    #[must_use]
    pub fn helper() -> u8 {
        1
    }
}

fn main() {
    assert_eq!(tests::helper(), 1);
}
