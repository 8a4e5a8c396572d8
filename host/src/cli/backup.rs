//! `postrider backup` and `postrider restore`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::context::{Context, unexpected};
use super::progress::Spinner;
use super::text::{clean, count, octets};
use super::unlock;
use crate::api::{Event, Reply, Request};
use crate::fault::{Fault, Kind};
use crate::store::{BackedUp, KeySource, backup_key_kind};

/// Where to.
#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// The file, which is there whole or not at all; `-` for stdout
    file: PathBuf,
}

/// What from.
#[derive(Debug, Args)]
pub(super) struct RestoreArguments {
    /// The backup
    file: PathBuf,
    /// The copy of the master key file, which becomes the new home's; by default the one that lies in the new home already
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// Write a backup.
pub(super) async fn backup(context: &Context, arguments: BackupArguments) -> Result<(), Fault> {
    let output = context.output;
    if arguments.file == Path::new("-") {
        stream(context, |octets| output.write(octets)).await?;
        return Ok(());
    }
    let spinner = Spinner::start(output.json, "writing the backup");
    let made = to_file(context, &arguments.file).await;
    drop(spinner);
    let made = made?;
    context.report.note("it is sealed with the store's keys: keep the master key, or the recovery key, apart from it");
    output.show(&made, || format!("{}: commit {}, {}\n", clean(&arguments.file.display().to_string()), made.commit, octets(made.octets)))
}

/// Make a home out of a backup. Nothing is in place before all of it was verified.
pub(super) async fn restore(context: &Context, arguments: RestoreArguments) -> Result<(), Fault> {
    let ownership = context.own().await?;
    let RestoreArguments { file, key_file } = arguments;
    let kind = {
        let file = file.clone();
        let read = tokio::task::spawn_blocking(move || backup_key_kind(&file)).await;
        read.map_err(|error| Fault::new(Kind::Bug, "read the backup").because(&error))??
    };
    let place = context.paths.master_key.clone();
    let from = key_file.clone().unwrap_or_else(|| place.clone());
    let keys = unlock::key_source_for(Some(kind), from.clone(), context.with_recovery).await?;
    let is_key_file = matches!(keys, KeySource::File(_));
    let spinner = Spinner::start(context.output.json, "restoring, and verifying everything");
    let restored = crate::store::restore(&file, &context.paths.store, keys).await;
    drop(spinner);
    let restored: BackedUp = restored?;
    if is_key_file && from != place {
        let copied = tokio::task::spawn_blocking(move || copy_key(&from, &place)).await;
        copied.map_err(|error| Fault::new(Kind::Bug, "copy the key file").because(&error))??;
    }
    drop(ownership);
    if restored.findings > 0 {
        let found = count(restored.findings, "finding");
        context.report.note(&format!("the store was damaged when it was backed up, {found}: `postrider store check` names them"));
    }
    context.output.show(&restored, || format!("restored: commit {}, {}\n", restored.commit, count(restored.records, "record")))
}

async fn stream(context: &Context, mut write: impl FnMut(&[u8]) -> Result<(), Fault>) -> Result<BackedUp, Fault> {
    let on_event = |event| match event {
        Event::Octets(octets) => write(&octets),
        _ => Ok(()),
    };
    match context.call(Request::Backup, on_event).await? {
        Reply::BackedUp(made) => Ok(made),
        other => Err(unexpected(&other)),
    }
}

async fn to_file(context: &Context, file: &Path) -> Result<BackedUp, Fault> {
    let failed = |error: &std::io::Error| Fault::new(Kind::Storage, format!("write `{}`", file.display())).because(error);
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(".part");
    let unfinished = PathBuf::from(unfinished);
    let made = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished);
    let mut writer = BufWriter::new(made.map_err(|error| failed(&error))?);
    let streamed = stream(context, |octets| writer.write_all(octets).map_err(|error| failed(&error))).await;
    let written = streamed.and_then(|made| {
        let whole = writer.into_inner().map_err(|error| failed(error.error()))?;
        whole.sync_all().and_then(|()| std::fs::rename(&unfinished, file)).map_err(|error| failed(&error))?;
        sync_folder_of(file).map_err(|error| failed(&error))?;
        Ok(made)
    });
    if written.is_err() {
        // What is left of it is of no use; the first fault is the one to report.
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}

fn copy_key(from: &Path, to: &Path) -> Result<(), Fault> {
    let copy = || {
        let octets = zeroize::Zeroizing::new(std::fs::read(from)?);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        file.write_all(&octets)?;
        file.sync_all()?;
        sync_folder_of(to)
    };
    copy().map_err(|error| {
        Fault::new(Kind::Storage, format!("copy the key file to `{}`", to.display()))
            .because(&error)
            .with_remedy("the store is restored: put its key file there by hand, readable for its owner only")
    })
}

pub(super) fn sync_folder_of(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
