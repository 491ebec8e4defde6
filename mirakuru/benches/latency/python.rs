//! Measures the Python library of the same name with the same services, if it is installed: `--python`. The variable
//! `MIRAKURU_BENCH_PYTHON` names an interpreter other than `python3`.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use crate::measure::{Delays, Outcome, free_ports, median};
use crate::service::{BANNER, Kind, Order, Stamp};

const SCRIPT: &str = include_str!("peer.py");

/// Returns the medians by the name of the figure, or `None` if the library is not installed.
pub(crate) fn medians(
    rounds: usize,
    delays: &mut Delays,
) -> Outcome<Option<BTreeMap<String, f64>>> {
    let python = std::env::var("MIRAKURU_BENCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let import = Command::new(&python)
        .args(["-c", "import mirakuru"])
        .output();
    if !import.is_ok_and(|output| output.status.success()) {
        return Ok(None);
    }
    let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for kind in Kind::READY {
        for _ in 0..rounds {
            let service = Order::new(kind, delays.draw(), free_ports(1)?[0])?;
            let output = Command::new(&python)
                .args(["-c", SCRIPT, BANNER])
                .args(service.words()?)
                .output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            let times: Result<Vec<i64>, _> = text.split_whitespace().map(str::parse).collect();
            let [called, ready, gone] = times?[..] else {
                let errors = String::from_utf8_lossy(&output.stderr);
                return Err(format!("the Python side failed: {errors}").into());
            };
            let mut push = |name: String, from: i64, to: i64| {
                let value = Duration::from_nanos((to - from).unsigned_abs()).as_secs_f64() * 1e3;
                values.entry(name).or_default().push(value);
            };
            push(kind.name().to_owned(), service.stamp(Stamp::Ready)?, ready);
            push("stop".to_owned(), service.stamp(Stamp::Dying)?, gone);
            push(
                "first instruction".to_owned(),
                called,
                service.stamp(Stamp::Begun)?,
            );
        }
    }
    Ok(Some(
        values
            .into_iter()
            .map(|(name, values)| (name, median(&values)))
            .collect(),
    ))
}
