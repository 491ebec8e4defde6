//! Tests that add guests. This is a second test binary, and it uses the same server.

#[cfg(has_postgres)]
mod server;

use sqlx::PgPool;
use sqlx_suite::{guests, welcome};

#[sqlx::test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
async fn a_guest_is_welcomed_once(pool: PgPool) -> sqlx::Result<()> {
    welcome(&pool, "Aoi").await?;
    assert!(welcome(&pool, "Aoi").await.is_err());
    assert_eq!(guests(&pool).await?, ["Aoi"]);
    Ok(())
}
