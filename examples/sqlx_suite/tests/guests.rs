//! Tests that list guests. Each test has a database of its own, with the migrations applied.

#[cfg(has_postgres)]
mod server;

use sqlx::PgPool;
use sqlx_suite::{guests, welcome};

#[sqlx::test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
async fn a_house_is_empty_at_first(pool: PgPool) -> sqlx::Result<()> {
    assert_eq!(guests(&pool).await?, [""; 0]);
    Ok(())
}

#[sqlx::test]
#[cfg_attr(
    not(has_postgres),
    ignore = "PostgreSQL is not installed: apt-get install postgresql"
)]
async fn guests_are_listed_by_name(pool: PgPool) -> sqlx::Result<()> {
    for name in ["Mio", "Aoi"] {
        welcome(&pool, name).await?;
    }
    assert_eq!(guests(&pool).await?, ["Aoi", "Mio"]);
    Ok(())
}
