//! Copies a database, because MariaDB and MySQL have no template databases. The server itself shows the statement that
//! makes each table, view, routine and trigger, and copies the rows.

use std::io;

use super::super::databases::TEMPLATE;
use super::session::{Row, Session};

/// The SQL mode in which statements are shown and executed.
const MODE: &str = "NO_AUTO_VALUE_ON_ZERO";

/// Copies a database into a new one.
pub(super) fn copy(session: &mut Session, from: &str, to: &str) -> io::Result<()> {
    // These settings replace the server's own. A table may refer to a table that is made later, and a column may
    // contain 0 on purpose.
    let modes = format!(
        "SET autocommit = 1, foreign_key_checks = 0, unique_checks = 0, sql_mode = '{MODE}'"
    );
    session.query(&modes)?;
    let parts = Parts::of(session, from)?;
    session.query(&format!("USE {to}"))?;
    for make in &parts.sequence_statements {
        session.query(make)?;
    }
    for make in &parts.tables {
        session.query(make)?;
    }
    for (table, columns) in &parts.columns {
        let table = quoted(table);
        session.query(&format!(
            "INSERT INTO {to}.{table} ({columns}) SELECT {columns} FROM {from}.{table}"
        ))?;
    }
    for (sequence, next) in &parts.sequences {
        session.query(&format!("SELECT SETVAL({}, {next}, 0)", quoted(sequence)))?;
    }
    for (mode, make) in &parts.routines {
        session.query(&format!("SET sql_mode = '{mode}'"))?;
        session.query(make)?;
    }
    session.query(&format!("SET sql_mode = '{MODE}'"))?;
    make_views(session, parts.views)?;
    // The triggers come last, so that the copied rows do not fire them.
    for (mode, make) in &parts.triggers {
        session.query(&format!("SET sql_mode = '{mode}'"))?;
        session.query(make)?;
    }
    session
        .query("SET foreign_key_checks = DEFAULT, unique_checks = DEFAULT, sql_mode = DEFAULT")?;
    // The removal of the new database ends all sessions that use it, and this session is kept.
    session.query("USE information_schema")?;
    Ok(())
}

/// The parts of a database.
#[derive(Default)]
struct Parts {
    /// Statements that make tables.
    tables: Vec<String>,
    sequence_statements: Vec<String>,
    /// The columns of each table that are not computed.
    columns: Vec<(String, String)>,
    /// The next value of each sequence.
    sequences: Vec<(String, String)>,
    views: Vec<String>,
    /// The SQL mode in which each routine was made, and its statement.
    routines: Vec<(String, String)>,
    triggers: Vec<(String, String)>,
}

impl Parts {
    fn of(session: &mut Session, database: &str) -> io::Result<Self> {
        // Statements that the server shows do not contain the name of the current database.
        session.query(&format!("USE {database}"))?;
        let mut parts = Self::default();
        for row in session.query("SHOW FULL TABLES")? {
            let (name, kind) = (column(&row, 0), column(&row, 1));
            let shown = |session: &mut Session, kind| show(session, kind, name, 1);
            match kind {
                "VIEW" => parts.views.push(shown(session, "VIEW")?),
                "SEQUENCE" => {
                    parts.sequence_statements.push(shown(session, "SEQUENCE")?);
                    let next = format!("SELECT next_not_cached_value FROM {}", quoted(name));
                    let next = first(session.query(&next)?);
                    parts.sequences.push((name.to_owned(), next));
                }
                _ => parts.tables.push(shown(session, "TABLE")?),
            }
        }
        let columns = format!(
            "SELECT c.table_name, c.column_name FROM information_schema.columns c
             JOIN information_schema.tables t USING (table_schema, table_name)
             WHERE c.table_schema = '{database}' AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED')
             AND c.extra NOT LIKE '%VIRTUAL GENERATED%' AND c.extra NOT LIKE '%STORED GENERATED%'
             ORDER BY c.table_name, c.ordinal_position"
        );
        for row in session.query(&columns)? {
            let (table, name) = (column(&row, 0), quoted(column(&row, 1)));
            match parts.columns.last_mut().filter(|(known, _)| known == table) {
                Some((_, columns)) => columns.extend([", ", &name]),
                None => parts.columns.push((table.to_owned(), name)),
            }
        }
        let routines = format!(
            "SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = '{database}'"
        );
        for row in session.query(&routines)? {
            let (kind, name) = (column(&row, 0), column(&row, 1));
            parts.routines.push(show_with_mode(session, kind, name)?);
        }
        for row in session.query("SHOW TRIGGERS")? {
            let made = show_with_mode(session, "TRIGGER", column(&row, 0))?;
            parts.triggers.push(made);
        }
        Ok(parts)
    }
}

/// Makes the views. A view may use other views, so the failed ones are tried again after the rest.
fn make_views(session: &mut Session, mut views: Vec<String>) -> io::Result<()> {
    loop {
        let (mut left, mut failure) = (Vec::new(), None);
        let count = views.len();
        for view in views {
            if let Err(error) = session.query(&view) {
                failure = Some(error);
                left.push(view);
            }
        }
        match failure {
            Some(error) if left.len() == count => return Err(error),
            Some(_) => views = left,
            None => return Ok(()),
        }
    }
}

/// Returns the statement that makes a table, a view or a sequence.
fn show(session: &mut Session, kind: &str, name: &str, at: usize) -> io::Result<String> {
    let rows = session.query(&format!("SHOW CREATE {kind} {}", quoted(name)))?;
    let shown = rows.first().map_or("", |row| column(row, at));
    // A default value from a sequence contains the name of the database.
    Ok(shown.replace(&format!("`{TEMPLATE}`."), ""))
}

/// Returns the SQL mode and the statement that make a routine or a trigger.
fn show_with_mode(session: &mut Session, kind: &str, name: &str) -> io::Result<(String, String)> {
    let rows = session.query(&format!("SHOW CREATE {kind} {}", quoted(name)))?;
    let row = rows.into_iter().next().unwrap_or_default();
    Ok((column(&row, 1).to_owned(), column(&row, 2).to_owned()))
}

fn first(rows: Vec<Row>) -> String {
    rows.into_iter().flatten().next().unwrap_or_default()
}

fn column(row: &Row, at: usize) -> &str {
    row.get(at).map_or("", String::as_str)
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
