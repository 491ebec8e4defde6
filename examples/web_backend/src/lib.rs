//! A web backend: guests in PostgreSQL, and the number of visits in Redis.
//!
//! - `POST /guests` adds a guest. The body is the name. A second guest of the same name is a conflict.
//! - `GET /guests` lists the guests by name.
//! - `POST /visits` counts a visit, and returns the number of visits.
//! - `GET /health` answers once the backend is ready.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use sqlx::PgPool;

/// The migrations, which the backend and its tests apply.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// The connections to the servers.
#[derive(Clone, Debug)]
pub struct Backend {
    guests: PgPool,
    visits: MultiplexedConnection,
}

impl Backend {
    /// Connects to PostgreSQL and Redis.
    ///
    /// # Errors
    ///
    /// Fails if one of the two servers cannot be reached.
    pub async fn connect(
        database_url: &str,
        redis_url: &str,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let guests = PgPool::connect(database_url).await?;
        let client = redis::Client::open(redis_url)?;
        let visits = client.get_multiplexed_async_connection().await?;
        Ok(Self { guests, visits })
    }

    /// Returns the pool of connections to PostgreSQL.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.guests
    }

    /// Returns the routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/guests", get(guests).post(welcome))
            .route("/visits", post(visit))
            .route("/health", get(async || "healthy"))
            .with_state(self)
    }
}

async fn welcome(State(backend): State<Backend>, name: String) -> Result<StatusCode, StatusCode> {
    let insert = sqlx::query("INSERT INTO guests (name) VALUES ($1)").bind(name);
    match insert.execute(&backend.guests).await {
        Ok(_) => Ok(StatusCode::CREATED),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => {
            Err(StatusCode::CONFLICT)
        }
        Err(error) => Err(failed(&error)),
    }
}

async fn guests(State(backend): State<Backend>) -> Result<Json<Vec<String>>, StatusCode> {
    let select = sqlx::query_scalar("SELECT name FROM guests ORDER BY name");
    let guests = select.fetch_all(&backend.guests).await;
    guests.map(Json).map_err(|error| failed(&error))
}

async fn visit(State(mut backend): State<Backend>) -> Result<String, StatusCode> {
    let visits = backend.visits.incr("visits", 1).await;
    visits
        .map(|visits: u64| visits.to_string())
        .map_err(|error| failed(&error))
}

/// Prints an error, which the client does not see.
fn failed(error: &dyn std::error::Error) -> StatusCode {
    eprintln!("{error}");
    StatusCode::INTERNAL_SERVER_ERROR
}
