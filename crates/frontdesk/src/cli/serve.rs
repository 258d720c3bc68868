//! `frontdesk serve`: the gateway.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::{CommandError, Context};
use crate::tasks;
use crate::wiring::{House, World, build};

/// How long running requests may take to finish after SIGTERM.
const DRAIN: Duration = Duration::from_secs(30);

/// How long deliveries that run may take to finish after that.
const LAST_DELIVERIES: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Listen here instead of where the configuration says.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

pub(super) async fn run(context: &mut Context, options: Options) -> Result<ExitCode, CommandError> {
    let mut config = context.load()?;
    if let Some(listen) = options.listen {
        config.server.listen = listen;
    }
    let listener = bind(config.server.listen).await?;
    let house = build(&config, &World::real()).await?;
    serve(house, listener, async {}).await
}

/// Binds before anything else is opened: a taken port fails at once.
pub(super) async fn bind(listen: SocketAddr) -> Result<TcpListener, CommandError> {
    TcpListener::bind(listen).await.map_err(|error| CommandError::Failed(format!("failed to listen on {listen}: {error}")))
}

/// Serves until SIGTERM or SIGINT; `ready` runs once requests are answered.
pub(super) async fn serve(
    house: House,
    listener: TcpListener,
    ready: impl Future<Output = ()> + Send + 'static,
) -> Result<ExitCode, CommandError> {
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let mut background = tasks::start(&house, stopped.clone());
    let mut until = stopped.clone();
    // Answers are one small write: waiting to fill a packet only adds silence.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let server =
        axum::serve(listener, frontdesk_http::app(house.edge.clone()).into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(async move {
                let _ = until.wait_for(|stop| *stop).await;
            });
    // Before anybody is told that we listen: a signal that comes at once must not kill.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tracing::info!(%address, "listening");
    let mut served = Box::pin(server.into_future());
    let mut ready = Some(Box::pin(ready));
    loop {
        tokio::select! {
            result = &mut served => {
                result?;
                break;
            }
            () = async { if let Some(ready) = &mut ready { ready.await } }, if ready.is_some() => ready = None,
            Some(()) = hangup.recv() => {
                tracing::warn!("SIGHUP: the configuration is read at the start only; restart to take it up");
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::info!("draining");
    let _ = stop.send(true);
    let drained = tokio::time::timeout(DRAIN, served).await.is_ok();
    // A delivery that is cut off is one that is repeated.
    let _ = tokio::time::timeout(LAST_DELIVERIES, async { while background.join_next().await.is_some() {} }).await;
    background.shutdown().await;
    if let Err(error) = house.write_down().await {
        tracing::warn!(error = error.with_causes(), "the last exchanges with calendars were not written down");
    }
    if let Some(own) = &house.state.own
        && let Err(error) = house.store.keep_windows(&own.keep()).await
    {
        tracing::warn!(error = error.with_causes(), "limits could not be kept; the next process counts anew");
    }
    if let Err(error) = house.store.hide(&house.replica).await {
        tracing::debug!(error = error.with_causes(), "operators see this gateway for some seconds more");
    }
    house.store.close().await;
    tracing::info!(drained, "stopped");
    Ok(if drained { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
