//! One runnable test file per real program or way of use; see `tests/`.
