//! `frontdesk privacy`: one caller's data within one tenant, handed out or erased.

use std::process::ExitCode;

use clap::Subcommand;
use frontdesk_core::call::Phone;
use frontdesk_core::ids::TenantId;
use frontdesk_core::tenant::Tenant;
use frontdesk_store::Store;
use serde_json::json;

use super::{CommandError, Context, who};
use crate::wiring::{World, open_store};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Prints everything that is kept of a caller, as JSON.
    Export(Whose),
    /// Takes a caller out of everything that is over; what is still to come has to be cancelled first.
    Erase(Whose),
}

#[derive(Debug, clap::Args)]
pub(super) struct Whose {
    /// The business.
    #[arg(long)]
    tenant: String,
    /// The caller's number, such as "+49 151 23456789".
    #[arg(long)]
    phone: String,
}

pub(super) async fn run(context: &mut Context, command: Command) -> Result<ExitCode, CommandError> {
    let config = context.load()?;
    let world = World::real();
    let store = open_store(&config, &world).await?;
    let result = with_store(context, &store, &world, command).await;
    store.close().await;
    result
}

async fn with_store(context: &mut Context, store: &Store, world: &World, command: Command) -> Result<ExitCode, CommandError> {
    let (Command::Export(whose) | Command::Erase(whose)) = &command;
    let tenants = store.tenants().await?;
    let slug = TenantId::new(&whose.tenant);
    let tenant = tenants.iter().find(|tenant| tenant.slug == slug);
    let tenant: &Tenant = tenant.ok_or_else(|| CommandError::Failed(format!("there is no tenant {:?}", whose.tenant)))?;
    let phone = Phone::parse(whose.phone.trim(), tenant.home_number())
        .ok_or_else(|| CommandError::Failed("that is no phone number; write it with its country code".to_owned()))?;
    match command {
        Command::Export(_) => {
            let data = store.export_caller(tenant.scope(), &phone).await?;
            context.out.json(&data)?;
        }
        Command::Erase(_) => {
            let erased = store.erase_caller(tenant.scope(), &phone, &who(), world.clock.now()).await?;
            if context.json {
                context.out.json(&json!({
                    "appointments": erased.appointments, "callbacks": erased.callbacks, "calls": erased.calls,
                    "upcoming": erased.upcoming,
                }))?;
            } else {
                context.out.line(&format!(
                    "erased: {} appointments, {} callbacks, {} calls",
                    erased.appointments, erased.callbacks, erased.calls
                ))?;
                if erased.upcoming > 0 {
                    let text = format!(
                        "{} appointments are still to come and were kept: cancel them, then erase again",
                        erased.upcoming
                    );
                    context.out.line(&text)?;
                }
                context.out.line("what the calendar itself keeps has to be erased there")?;
            }
            if erased.upcoming > 0 {
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
