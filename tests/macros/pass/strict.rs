//! No lint has anything to say of the expansion.
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
    use mirakuru::with_process;

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
