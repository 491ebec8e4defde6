//! Serves the backend on the port in the first argument. `DATABASE_URL` and `REDIS_URL` name the servers.

use std::env;
use std::error::Error;

use tokio::net::TcpListener;
use web_backend::{Backend, MIGRATIONS};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::args()
        .nth(1)
        .ok_or("expected a port as the argument")?
        .parse()?;
    let backend = Backend::connect(&env::var("DATABASE_URL")?, &env::var("REDIS_URL")?).await?;
    MIGRATIONS.run(backend.pool()).await?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("the backend listens on port {port}");
    axum::serve(listener, backend.router()).await?;
    Ok(())
}
