//! Replaces a directory with a symbolic link and restores it, as fast as it can, until its standard input ends:
//! `swaps DIRECTORY TARGET`. The directory contains a directory named `closed`.

use std::{
    env::Args,
    fs,
    io::{self, Read},
    os::unix::fs::symlink,
    process, thread,
};

use crate::Outcome;

pub(crate) fn run(args: &mut Args) -> Outcome {
    let directory = args.next().ok_or("DIRECTORY is missing")?;
    let target = args.next().ok_or("TARGET is missing")?;
    let aside = format!("{directory}-aside");
    thread::spawn(|| {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        process::exit(0);
    });
    println!("swapping");
    loop {
        // Another process removes the whole directory at some time, so each call may fail.
        let _ = fs::create_dir_all(format!("{directory}/closed"));
        let _ = fs::rename(&directory, &aside);
        let _ = symlink(&target, &directory);
        let _ = fs::remove_file(&directory);
        let _ = fs::rename(&aside, &directory);
    }
}
