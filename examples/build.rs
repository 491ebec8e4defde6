//! Searches for the servers that the tests start, and sets a cfg such as `has_redis` for each installed one. The tests
//! of a missing server are then shown as ignored.
//!
//! `NGINX_PROGRAM` and `POSTGRES_BIN` hold the paths of nginx and PostgreSQL, which are often outside PATH. Cargo sets
//! both variables for the tests too. The name `NGINX` must not be used: nginx reads a variable of that name, and then
//! does not become a daemon.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The cfg of each program that the tests start by its name.
const IN_PATH: [(&str, &str); 9] = [
    ("has_redis", "redis-server"),
    ("has_memcached", "memcached"),
    ("has_mariadb", "mariadbd"),
    ("has_mosquitto", "mosquitto"),
    ("has_nats", "nats-server"),
    ("has_etcd", "etcd"),
    ("has_python3", "python3"),
    ("has_gunicorn", "gunicorn"),
    ("has_webdriver", "chromedriver"),
];
/// Directories of servers that are not in every user's PATH.
const SERVER_PLACES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/opt/homebrew/bin"];
/// Directories with a folder for each version of PostgreSQL. The programs are in the folder's `bin`.
const POSTGRES_PLACES: [&str; 3] = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PATH");
    println!(
        "cargo::rustc-check-cfg=cfg(root, namespaces, has_nginx, has_postgres, has_rabbitmq, has_docker)"
    );

    let path: Vec<_> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    for (cfg, program) in IN_PATH {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        if find(program, &path).is_some() {
            println!("cargo::rustc-cfg={cfg}");
        }
    }

    let places = || SERVER_PLACES.map(PathBuf::from);
    let nginx = find(
        "nginx",
        path.iter()
            .cloned()
            .chain(places())
            .collect::<Vec<_>>()
            .as_slice(),
    );
    emit("has_nginx", "NGINX_PROGRAM", nginx.as_deref());

    let mut places = path;
    places.extend(postgres_places());
    let initdb = find("initdb", &places);
    emit(
        "has_postgres",
        "POSTGRES_BIN",
        initdb.as_deref().and_then(Path::parent),
    );

    // The programs in PATH on Debian are wrappers for root.
    let mut places = vec![PathBuf::from("/usr/lib/rabbitmq/bin")];
    places.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    places.push("/opt/homebrew/sbin".into());
    let rabbitmq = find("rabbitmq-server", &places);
    if rabbitmq.is_some() {
        println!("cargo::rustc-cfg=has_rabbitmq");
    }

    // An installed client is not enough: the engine may be out of reach.
    let engine = Command::new("docker").arg("info").output();
    if engine.is_ok_and(|engine| engine.status.success()) {
        println!("cargo::rustc-cfg=has_docker");
    }

    let id = Command::new("id").arg("-u").output();
    if id.is_ok_and(|id| id.stdout == b"0\n") {
        println!("cargo::rustc-cfg=root");
        let unshared = Command::new("unshare").args(["--mount", "true"]).status();
        if unshared.is_ok_and(|status| status.success()) {
            println!("cargo::rustc-cfg=namespaces");
        }
    }
}

/// Returns the path of the program in the first directory that holds it.
///
/// The build script runs again when the program changes or, if the program is missing, when a directory changes.
fn find(program: &str, places: &[PathBuf]) -> Option<PathBuf> {
    let found = places
        .iter()
        .map(|place| place.join(program))
        .find(|file| file.is_file());
    match &found {
        Some(file) => println!("cargo::rerun-if-changed={}", file.display()),
        None => places
            .iter()
            .filter(|place| place.is_dir())
            .for_each(|place| println!("cargo::rerun-if-changed={}", place.display())),
    }
    found
}

/// Returns the directories of PostgreSQL's programs, the newest version first.
fn postgres_places() -> Vec<PathBuf> {
    let folders = POSTGRES_PLACES
        .iter()
        .filter_map(|place| fs::read_dir(place).ok());
    let mut versions: Vec<_> = folders
        .flatten()
        .flatten()
        .map(|folder| folder.path().join("bin"))
        .collect();
    versions.retain(|bin| bin.join("initdb").is_file());
    versions.sort_by_key(|bin| {
        let digits = |c: char| !c.is_ascii_digit();
        let name = bin
            .parent()
            .map(|folder| folder.to_string_lossy().into_owned());
        let number: u32 = name
            .unwrap_or_default()
            .rsplit(digits)
            .next()?
            .parse()
            .ok()?;
        Some(number)
    });
    versions.reverse();
    versions
}

/// Sets the cfg if the program was found. Always sets the variable, because `env!` must compile.
fn emit(cfg: &str, variable: &str, found: Option<&Path>) {
    if found.is_some() {
        println!("cargo::rustc-cfg={cfg}");
    }
    println!(
        "cargo::rustc-env={variable}={}",
        found.unwrap_or(Path::new("")).display()
    );
}
