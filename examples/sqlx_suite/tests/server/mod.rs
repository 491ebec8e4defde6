//! The PostgreSQL server of the whole run. Its URL is in `DATABASE_URL` before any test begins.

use mirakuru::Shared;
use mirakuru::services::{self, PostgresExecutor};

static POSTGRES: Shared<PostgresExecutor> = Shared::per_run("sqlx-postgres", services::postgres);

mirakuru::export! { DATABASE_URL = POSTGRES, PostgresExecutor::url }
