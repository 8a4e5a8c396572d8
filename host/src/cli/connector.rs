//! `postrider connector`.

use std::path::PathBuf;

use clap::Subcommand;

use super::context::{Context, absolute, unexpected};
use super::text::{clean, fields, table};
use crate::api::{ApprovalState, ConnectorView, Reply, Request};
use crate::fault::{Fault, Kind};
use crate::model::name::ConnectorId;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the connectors of the home and of this program
    List,
    /// Show what a component's manifest says and asks for, without running it
    Inspect {
        /// The component
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
            Self::List => match context.ask(Request::ConnectorList).await? {
                Reply::Connectors(connectors) => context.output.show(&connectors, || list(&connectors)),
                other => Err(unexpected(&other)),
            },
            Self::Install { file } => {
                let view = connector(context.ask(Request::ConnectorInstall { file: absolute(&file)? }).await?)?;
                context.output.show(&view, || describe(&view))?;
                if !view.state.is_active() {
                    context.report.note(&format!("it stays inactive until `postrider connector approve {}`", view.id));
                }
                Ok(())
            }
            Self::Approve { id } => {
                let view = connector(context.ask(Request::ConnectorApprove { id }).await?)?;
                context.output.show(&view, || describe(&view))
            }
            Self::Remove { id } => {
                context.ask(Request::ConnectorRemove { id: id.clone() }).await?;
                context.report.note(&format!("the connector `{id}` is removed from the home"));
                Ok(())
            }
            Self::Inspect { .. } | Self::Pack { .. } => Err(Fault::new(Kind::Unsupported, "read a component")),
        }
    }
}

fn connector(reply: Reply) -> Result<ConnectorView, Fault> {
    match reply {
        Reply::Connector(view) => Ok(*view),
        other => Err(unexpected(&other)),
    }
}

fn list(connectors: &[ConnectorView]) -> String {
    let rows: Vec<_> = connectors
        .iter()
        .map(|view| {
            let place = if view.shipped { "shipped" } else { "home" };
            [view.id.to_string(), view.version.clone(), state(view.state).to_owned(), place.to_owned(), view.name.clone()]
        })
        .collect();
    table(["ID", "VERSION", "STATE", "FROM", "NAME"], &rows)
}

fn describe(view: &ConnectorView) -> String {
    let head = fields(&[
        ("Id", view.id.to_string()),
        ("Name", view.name.clone()),
        ("Version", view.version.clone()),
        ("Contract", view.contract.clone()),
        ("File", view.file.display().to_string()),
        ("BLAKE3", view.hash.clone()),
        ("State", state(view.state).to_owned()),
    ]);
    view.wishes.iter().fold(head + "Asks for:\n", |text, wish| format!("{text}  {}\n", clean(wish)))
}

const fn state(state: ApprovalState) -> &'static str {
    match state {
        ApprovalState::Approved => "approved",
        ApprovalState::Shipped => "approved (shipped)",
        ApprovalState::Unapproved => "waits for approval",
        ApprovalState::Changed => "changed, waits for approval",
    }
}
