//! Describes the errors of an executor: their scenes, their advice, and the conflicts over ports.

mod advice;
mod conflict;
mod ending;
mod failure;
mod program;
