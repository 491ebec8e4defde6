//! The printed table.

use std::collections::BTreeMap;
use std::fmt;

use crate::measure::{Pair, median};

/// The target for a figure.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// At most this many milliseconds more than the loop.
    OverTheLoop(f64),
    /// At most this many milliseconds.
    AtMost(f64),
}

#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    python: Option<BTreeMap<String, f64>>,
}

struct Row {
    figure: String,
    /// The name of the figure in the results of the Python library.
    key: String,
    mirakuru: String,
    bare: String,
    difference: String,
    bound: String,
    reached: bool,
}

impl Table {
    pub(crate) fn pair(&mut self, figure: impl Into<String>, key: &str, pair: &Pair, bound: Bound) {
        let (mirakuru, bare) = (median(&pair.mirakuru), median(&pair.bare));
        let (bound, reached) = match bound {
            Bound::OverTheLoop(most) => (
                format!("within {most} ms of the loop"),
                mirakuru - bare <= most,
            ),
            Bound::AtMost(most) => (format!("under {most} ms"), mirakuru < most),
        };
        self.rows.push(Row {
            figure: figure.into(),
            key: key.to_owned(),
            mirakuru: format!("{mirakuru:.2} ms"),
            bare: format!("{bare:.2} ms"),
            difference: format!("{:+.2} ms", mirakuru - bare),
            bound,
            reached,
        });
    }

    /// Adds the row for the memory in megabytes: resident (RSS), and proportional (PSS).
    pub(crate) fn memory(&mut self, resident: f64, share: f64, most: f64) {
        self.rows.push(Row {
            figure: "memory of one supervisor".to_owned(),
            key: String::new(),
            mirakuru: format!("{resident:.1} MB (PSS {share:.1} MB)"),
            bare: "–".to_owned(),
            difference: "–".to_owned(),
            bound: format!("under {most} MB"),
            reached: resident < most,
        });
    }

    pub(crate) fn python(&mut self, medians: BTreeMap<String, f64>) {
        self.python = Some(medians);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = if self.python.is_some() {
            (" the Python library |", "---|")
        } else {
            ("", "")
        };
        writeln!(
            f,
            "| figure (medians) | mirakuru | the loop | difference | target |{}",
            column.0
        )?;
        writeln!(f, "|---|---|---|---|---|{}", column.1)?;
        for row in &self.rows {
            let missed = if row.reached { "" } else { "**missed:** " };
            write!(
                f,
                "| {} | {} | {} | {} | {missed}{} |",
                row.figure, row.mirakuru, row.bare, row.difference, row.bound
            )?;
            match self.python.as_ref().map(|medians| medians.get(&row.key)) {
                Some(Some(median)) => writeln!(f, " {median:.1} ms |")?,
                Some(None) => writeln!(f, " – |")?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}
