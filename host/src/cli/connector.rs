//! `postrider connector`.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::context::{Context, absolute, unexpected};
use super::output_file::OutputFile;
use super::text::{clean, fields, table};
use crate::api::{Reply, Request};
use crate::connector::inspection::Inspection;
use crate::connector::pack::pack;
use crate::connector::registry::{Listed, Place, Proposal, Registry, State};
use crate::fault::{Fault, Kind};
use crate::limits::COMPONENT_OCTETS;
use crate::model::name::ConnectorId;

mod new;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a project for a new connector, which builds, tests and packs as it is
    New(new::Arguments),
    /// List the connectors of the home and of this program
    List,
    /// Show what a component's manifest says and asks for, without running it
    Inspect {
        /// The component, or the id of a listed one
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Copy a component into the home; it stays inactive until it is approved
    Install {
        /// The component
        file: PathBuf,
    },
    /// Let a connector run, with what its manifest asks for
    Approve {
        /// Which connector
        id: ConnectorId,
    },
    /// Delete a connector from the home, and its approval
    Remove {
        /// Which connector
        id: ConnectorId,
    },
    /// Put a manifest into a component
    Pack {
        /// The component
        file: PathBuf,
        /// The manifest, `connector.toml`
        #[arg(long, value_name = "FILE")]
        manifest: PathBuf,
        /// Where to write the result; by default over the component
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<(), Fault> {
        match self {
            Self::New(arguments) => new::run(context, arguments).await,
            Self::List => list(context).await,
            Self::Inspect { file } => {
                let inspection = inspect(context, file).await?;
                context.output.show(&inspection, || describe(&inspection))
            }
            Self::Install { file } => {
                let inspection = inspection_of(context.ask(Request::ConnectorInstall { file: absolute(&file)? }).await?)?;
                context.output.show(&inspection, || describe(&inspection))?;
                context.report.note(&format!("it runs once you approve it: `postrider connector approve {}`", inspection.manifest.id));
                Ok(())
            }
            Self::Approve { id } => match context.ask(Request::ConnectorApprove { id }).await? {
                Reply::Approved(proposal) => context.output.show(&proposal, || approved(&proposal)),
                other => Err(unexpected(&other)),
            },
            Self::Remove { id } => {
                context.ask(Request::ConnectorRemove { id: id.clone() }).await?;
                context.report.note(&format!("the connector `{id}` is removed from the home"));
                Ok(())
            }
            Self::Pack { file, manifest, output } => {
                let output = output.unwrap_or_else(|| file.clone());
                let inspection = on_a_thread(move || write_packed(&file, &manifest, &output)).await?;
                context.output.show(&inspection, || describe(&inspection))
            }
        }
    }
}

async fn list(context: &Context) -> Result<(), Fault> {
    let connectors = match context.ask(Request::ConnectorList).await? {
        Reply::Connectors(connectors) => connectors,
        other => return Err(unexpected(&other)),
    };
    if connectors.is_empty() {
        context.report.note("there are no connectors: `postrider connector install FILE` adds one");
    }
    context.output.show(&connectors, || {
        let rows: Vec<_> = connectors.iter().map(row).collect();
        table(["ID", "VERSION", "STATE", "FROM", "FILE"], &rows)
    })?;
    for listed in &connectors {
        match &listed.state {
            State::Active => {}
            State::Inactive { why, .. } => context.report.note(&format!("{}: {why}", listed.path.display())),
            State::Broken { fault } => context.report.note(&format!("{}: {fault}", listed.path.display())),
        }
    }
    Ok(())
}

fn row(listed: &Listed) -> [String; 5] {
    let unknown = || "-".to_owned();
    let state = match listed.state {
        State::Active => "active",
        State::Inactive { .. } => "inactive",
        State::Broken { .. } => "broken",
    };
    let place = match listed.place {
        Place::Home => "home",
        Place::Shipped => "shipped",
    };
    [
        listed.id.as_ref().map_or_else(unknown, ToString::to_string),
        listed.version.as_ref().map_or_else(unknown, ToString::to_string),
        state.to_owned(),
        place.to_owned(),
        listed.path.display().to_string(),
    ]
}

/// A file by its path needs no home; anything else is looked up as an id.
async fn inspect(context: &Context, file: PathBuf) -> Result<Inspection, Fault> {
    let id = file.to_str().and_then(|word| word.parse().ok()).filter(|_| !file.exists());
    match id {
        Some(id) => inspection_of(context.ask(Request::ConnectorInspect { id }).await?),
        None => on_a_thread(move || Registry::inspect(&file)).await,
    }
}

fn inspection_of(reply: Reply) -> Result<Inspection, Fault> {
    match reply {
        Reply::Connector(inspection) => Ok(*inspection),
        other => Err(unexpected(&other)),
    }
}

fn describe(inspection: &Inspection) -> String {
    let manifest = &inspection.manifest;
    let head = fields(&[
        ("Id", manifest.id.to_string()),
        ("Version", manifest.version.to_string()),
        ("Name", manifest.name.clone()),
        ("About", manifest.description.clone()),
        ("Homepage", manifest.homepage.clone().unwrap_or_default()),
        ("Contract", manifest.contract.to_string()),
        ("Abilities", manifest.abilities.join(", ")),
        ("File", inspection.path.display().to_string()),
        ("Size", format!("{} octets", inspection.size)),
        ("SHA-256", inspection.sha256.to_string()),
    ]);
    let settings: Vec<_> = inspection.settings.iter().map(ToString::to_string).collect();
    head + &listed("Asks to", &inspection.asks) + &listed("Settings", &settings) + &listed("Notes", &inspection.notes)
}

fn approved(proposal: &Proposal) -> String {
    let manifest = &proposal.inspection.manifest;
    let head = format!("Approved {} {}, SHA-256 {}\n", manifest.id, manifest.version, proposal.inspection.sha256);
    let beyond = proposal.beyond.as_deref().unwrap_or_default();
    head + &listed("It may now", &proposal.inspection.asks) + &listed("Of that it could not do before", beyond)
}

fn listed(heading: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    lines.iter().fold(format!("{heading}:\n"), |text, line| format!("{text}  {}\n", clean(line)))
}

fn write_packed(file: &Path, manifest: &Path, output: &Path) -> Result<Inspection, Fault> {
    let failed =
        |verb: &str, path: &Path, error: &std::io::Error| Fault::new(Kind::Storage, format!("{verb} `{}`", path.display())).because(error);
    let size = std::fs::metadata(file).map_err(|error| failed("read", file, &error))?.len();
    if size > COMPONENT_OCTETS {
        let words = format!("it has {size} octets, and components have at most {COMPONENT_OCTETS}");
        return Err(Fault::new(Kind::TooLarge, format!("read `{}`", file.display())).because_words(words));
    }
    let component = std::fs::read(file).map_err(|error| failed("read", file, &error))?;
    let text = std::fs::read_to_string(manifest).map_err(|error| failed("read", manifest, &error))?;
    let (packed, inspection) = pack(&component, &text, file).map_err(|fault| fault.within(format!("pack `{}`", file.display())))?;
    // Whole under its name or not there: a build may be interrupted.
    let written = OutputFile::create(output).and_then(|mut file| file.write_all(&packed).and_then(|()| file.finish()));
    written.map_err(|error| failed("write", output, &error))?;
    Ok(Inspection { path: output.to_owned(), ..inspection })
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, Fault> + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Fault::new(Kind::Bug, "work with files").because(&error)))
}
