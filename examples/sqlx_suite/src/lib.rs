//! Keeps the guests of a house in PostgreSQL.

use sqlx::{PgPool, Result, query, query_scalar};

/// Adds a guest.
///
/// # Errors
///
/// Fails if a guest of this name exists already.
pub async fn welcome(pool: &PgPool, name: &str) -> Result<()> {
    let insert = query("INSERT INTO guests (name) VALUES ($1)").bind(name);
    insert.execute(pool).await.map(drop)
}

/// Lists the guests by name.
///
/// # Errors
///
/// Fails if the database does not answer.
pub async fn guests(pool: &PgPool) -> Result<Vec<String>> {
    let select = query_scalar("SELECT name FROM guests ORDER BY name");
    select.fetch_all(pool).await
}
