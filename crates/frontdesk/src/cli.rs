//! The command line: answers on standard output, logs on standard error.

mod activate;
mod agent;
mod alerts;
mod backup;
mod call;
mod calls;
mod demo;
mod docs;
mod health;
mod operate;
mod out;
mod outbox;
mod privacy;
mod rollback;
mod serve;
mod tenant;
mod upgrade;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::deployment::{DEFAULT_FILE, DeploymentConfig};
use crate::config::problems::Problems;
use crate::handover::Inheritance;
use crate::wiring::WiringError;
use crate::{system, systemd};

/// Between voice agents and the calendar.
#[derive(Debug, Parser)]
#[command(name = "frontdesk", version, arg_required_else_help = true)]
struct Cli {
    /// The configuration; ./frontdesk.toml if it is there, else the embedded default.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything on embedded defaults: demo tenants, a generated key, a snippet that books.
    Demo(demo::Options),
    /// The gateway.
    Serve(serve::Options),
    /// Another configuration for gateways that serve: checked, applied, tried out, watched; rolled back by itself
    /// where it does harm.
    Activate(activate::Options),
    /// The configuration, or one feature, as it was before.
    Rollback(rollback::Options),
    /// Plays a caller against a running gateway: signs real requests, shows each answer.
    Call(call::Options),
    /// The calls, and one of them step by step.
    Calls {
        #[command(subcommand)]
        command: calls::Command,
    },
    /// Looks at everything that can go wrong, and says what to do; creates nothing.
    Health(health::Options),
    /// Everything that the store holds, in one file; gateways may run meanwhile.
    Backup(backup::Take),
    /// Makes the store of a backup, or proves with --verify that it could.
    Restore(backup::Restore),
    /// Voice agents.
    Agent {
        #[command(subcommand)]
        command: agent::Command,
    },
    /// The eight protections: how they stand, switch them live.
    Feature {
        #[command(subcommand)]
        command: operate::Feature,
    },
    /// Circuit breakers of calendar accounts.
    Breaker {
        #[command(subcommand)]
        command: operate::Breaker,
    },
    /// One caller's data within one tenant: hand it out, erase it.
    Privacy {
        #[command(subcommand)]
        command: privacy::Command,
    },
    /// Rate limits and who ran into them.
    Limits {
        #[command(subcommand)]
        command: operate::Limits,
    },
    /// What fires: list it, test the receivers, silence a rule.
    Alerts {
        #[command(subcommand)]
        command: alerts::Command,
    },
    /// What others are told: list it, try again what was given up.
    Outbox {
        #[command(subcommand)]
        command: outbox::Command,
    },
    /// What the shell completes: put it where the shell looks for it.
    Completions(docs::Completions),
    /// The page of the manual, or with --out one for each command.
    Man(docs::Man),
    /// A live view against the thresholds, and at the end whether what has to hold did.
    Watch(watch::Options),
    /// Tenants: apply files, list, show, take back, rotate keys.
    Tenant {
        #[command(subcommand)]
        command: tenant::Command,
    },
}

/// What all commands share.
pub(crate) struct Context {
    pub(crate) config: Option<PathBuf>,
    pub(crate) json: bool,
    pub(crate) out: out::Out,
    /// What `serve` found when it was started, if anything.
    pub(crate) given: Option<Given>,
}

/// A socket that somebody else opened.
pub(crate) enum Given {
    /// The gateway that this one replaces.
    Inheritance(Inheritance),
    /// systemd.
    Socket(std::net::TcpListener),
}

impl Given {
    /// Has to be asked before there is a second thread.
    fn take() -> Result<Option<Self>, String> {
        let inheritance = Inheritance::take().map_err(|error| format!("the gateway to be replaced left no socket: {error}"))?;
        match inheritance {
            Some(inheritance) => Ok(Some(Self::Inheritance(inheritance))),
            None => Ok(systemd::socket()?.map(Self::Socket)),
        }
    }
}

impl Context {
    /// The configuration: the file named, else the default file if it is there, else the defaults.
    pub(crate) fn load(&self) -> Result<DeploymentConfig, Problems> {
        load_with_revision(self.config.as_deref()).map(|(config, _)| config)
    }
}

/// The same, with its revision.
fn load_with_revision(named: Option<&Path>) -> Result<(DeploymentConfig, String), Problems> {
    DeploymentConfig::load_with_revision(file(named).as_deref())
}

/// The file that the configuration is in: the one that is named, else the default one if it is there.
fn file(named: Option<&Path>) -> Option<PathBuf> {
    named.map(Path::to_path_buf).or_else(|| Some(PathBuf::from(DEFAULT_FILE)).filter(|default| default.exists()))
}

/// How a command failed, and with it the exit code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The configuration or a file is not right; exit code 2.
    #[error("{0}")]
    Config(Problems),
    /// The house could not be opened.
    #[error("{0}")]
    Wiring(#[from] WiringError),
    /// Something else, said in one sentence; exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Writing the answer.
    #[error("failed to write the answer: {0}")]
    Out(#[from] std::io::Error),
}

impl From<Problems> for CommandError {
    fn from(problems: Problems) -> Self {
        Self::Config(problems)
    }
}

impl From<frontdesk_core::ports::StoreError> for CommandError {
    fn from(error: frontdesk_core::ports::StoreError) -> Self {
        Self::Failed(format!("failed to use the store: {}", chain(&error)))
    }
}

impl CommandError {
    fn code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Wiring(_) => ExitCode::from(2),
            Self::Failed(_) | Self::Out(_) => ExitCode::FAILURE,
        }
    }
}

/// Who is at the keyboard, for the audit.
pub(crate) fn who() -> String {
    let user = system::env("SUDO_USER").or_else(|| system::env("USER")).unwrap_or_else(|| "unknown".to_owned());
    format!("cli:{}", user.chars().filter(|letter| !letter.is_control()).take(60).collect::<String>())
}

/// An error with its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let Cli { config, json, command } = Cli::parse();
    crate::telemetry::start();
    let given = match command {
        Command::Serve(_) => Given::take(),
        _ => Ok(None),
    };
    let given = match given {
        Ok(given) => given,
        Err(why) => {
            tracing::error!("{why}");
            return ExitCode::from(2);
        }
    };
    let mut context = Context { config, json, out: out::Out::new(), given };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "the runtime did not start");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        match command {
            Command::Demo(options) => demo::run(&mut context, options).await,
            Command::Serve(options) => serve::run(&mut context, options).await,
            Command::Activate(options) => activate::run(&mut context, options).await,
            Command::Rollback(options) => rollback::run(&mut context, options).await,
            Command::Call(options) => call::run(&mut context, options).await,
            Command::Calls { command } => calls::run(&mut context, command).await,
            Command::Health(options) => health::run(&mut context, options).await,
            Command::Backup(options) => backup::take(&mut context, options).await,
            Command::Restore(options) => backup::restore(&mut context, options).await,
            Command::Agent { command } => agent::run(&mut context, command).await,
            Command::Feature { command } => operate::feature(&mut context, command).await,
            Command::Breaker { command } => operate::breaker(&mut context, command).await,
            Command::Limits { command } => operate::limits(&mut context, command).await,
            Command::Alerts { command } => alerts::run(&mut context, command).await,
            Command::Outbox { command } => outbox::run(&mut context, command).await,
            Command::Privacy { command } => privacy::run(&mut context, command).await,
            Command::Completions(options) => docs::completions(&mut context, &options),
            Command::Man(options) => docs::man(&mut context, &options),
            Command::Watch(options) => watch::run(&mut context, options).await,
            Command::Tenant { command } => tenant::run(&mut context, command).await,
        }
    });
    runtime.block_on(crate::spans::end());
    crate::telemetry::outlet::finish();
    match result {
        Ok(code) => code,
        Err(error) => {
            let code = error.code();
            let _ = context.out.complain(&chain(&error));
            code
        }
    }
}
