//! An unknown signal. The error suggests the nearest one.

use mirakuru::with_process;

#[with_process(simple = "sleep 60", stop_signal = SIGTREM)]
#[with_process(simple = "sleep 60", kill_signal = "SIGNAL")]
#[with_process(simple = "sleep 60", stop_signal = 9)]
#[with_process(simple = "sleep 60", stop_signal = INT)]
#[with_process(simple = "sleep 60", stop_signal = "INT", kill_signal = "trem")]
#[test]
fn signals() {}

fn main() {}
