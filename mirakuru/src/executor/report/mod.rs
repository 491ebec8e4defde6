//! Creates the errors of an executor: the failed starts and waits, the unexpected ends, and the conflicts over ports,
//! each with its advice.

mod advice;
mod conflict;
mod ending;
mod failure;
mod program;
