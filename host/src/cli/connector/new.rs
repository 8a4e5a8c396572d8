//! `postrider connector new`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::on_a_thread;
use crate::cli::context::{Context, absolute};
use crate::cli::text::fields;
use crate::connector::project::{Made, Project, ProjectName, Template};
use crate::fault::Fault;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// What to call it: the package, the connector's id and its file
    name: ProjectName,
    /// What to begin with: a state machine on a line that the host has signed in, or a conversation over requests that the host signs
    #[arg(long, value_name = "KIND", value_parser = template_parser())]
    kind: Template,
    /// Where to make it; by default in a folder of its name, here
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Depend on the SDK in this folder, `plugins/sdk` of a checkout, instead of on a copy
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<(), Fault> {
    let Arguments { name, kind, directory, sdk } = arguments;
    let directory = absolute(&directory.unwrap_or_else(|| PathBuf::from(name.as_str())))?;
    let (sources, project) = (context.sources, Project { name, template: kind, sdk });
    let made = on_a_thread(move || project.write(sources, &directory)).await?;
    context.output.show(&made, || describe(&made))?;
    context.report.note("next: `cargo test` there, then build and pack it as its README says");
    Ok(())
}

fn describe(made: &Made) -> String {
    fields(&[
        ("Project", made.directory.display().to_string()),
        ("Id", made.id.clone()),
        ("Component", format!("{} (after `cargo build --release --target wasm32-wasip2`)", made.component.display())),
    ])
}

fn template_parser() -> impl TypedValueParser<Value = Template> {
    PossibleValuesParser::new(Template::ALL.map(Template::word))
        .map(|word| if word == Template::Rest.word() { Template::Rest } else { Template::Line })
}
