//! `frontdesk agent`: what a voice platform needs to know of a tenant.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use super::{CommandError, Context};
use crate::wiring::{World, open_store};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Prints the platform's tool definitions for a tenant, ready to import.
    Tools {
        /// The tenant's slug.
        #[arg(long)]
        tenant: String,
        /// The voice platform.
        #[arg(long, value_enum, default_value_t = Platform::Retell)]
        platform: Platform,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Platform {
    /// Retell AI.
    Retell,
}

pub(super) async fn run(context: &mut Context, command: Command) -> Result<ExitCode, CommandError> {
    let Command::Tools { tenant: slug, platform: Platform::Retell } = command;
    let config = context.load()?;
    let store = open_store(&config, &World::real()).await?;
    let tenants = store.tenants().await?;
    let tenant = tenants
        .iter()
        .find(|tenant| tenant.slug.as_str() == slug)
        .ok_or_else(|| CommandError::Failed(format!("there is no tenant {slug}; `frontdesk tenant list` shows them")))?;
    context.out.json(&frontdesk_http::tool_definitions(tenant, &config.server.public_url))?;
    store.close().await;
    Ok(ExitCode::SUCCESS)
}
