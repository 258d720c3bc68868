//! OpenTelemetry: spans and measurements over HTTP to a collector, in batches, on threads of the SDK's own.
//!
//! WHY NOT `tracing-opentelemetry`: it takes fields and events as they are, past the redactor. Here a span is made of
//! a closed list of facts, named after the semantic conventions for HTTP. `url.full` and `url.path` are left out:
//! ids are in them; `url.template` and `http.route` stand for them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_core::spans::{Asked, Served, Span, Spans};
use opentelemetry::metrics::{Histogram, MeterProvider as _};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{MetricExporter, Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tokio::runtime::Handle;

use crate::config::deployment::telemetry::Telemetry;
use crate::config::problems::Problem;
use crate::system;

/// How long the collector may take to take a batch.
const EXPORT_WITHIN: Duration = Duration::from_secs(5);
/// How long the last batch may take when the process ends, of spans and of measurements each.
const END_WITHIN: Duration = Duration::from_secs(2);
/// Seconds, as the conventions advise.
const BUCKETS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

static RUNNING: OnceLock<Arc<Collector>> = OnceLock::new();

/// What the collector is sent.
struct Collector {
    tracer: SdkTracer,
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
    served: Histogram<f64>,
    asked: Histogram<f64>,
    functions: Histogram<f64>,
}

struct Collected {
    collector: Arc<Collector>,
}

/// A span of the SDK's, until it has ended.
struct Begun {
    collector: Arc<Collector>,
    span: Mutex<opentelemetry_sdk::trace::Span>,
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[span]")
    }
}

pub(super) fn open(telemetry: &Telemetry) -> Result<Option<Arc<dyn Spans>>, Problem> {
    let set = |name: &str| system::env(name).filter(|text| !text.is_empty());
    let is_disabled = set("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true"));
    let is_named = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"];
    if is_disabled || (telemetry.otlp_endpoint.is_none() && !is_named.into_iter().any(|name| set(name).is_some())) {
        return Ok(None);
    }
    // A second house in one process goes on with the first one's.
    let collector = match RUNNING.get() {
        Some(collector) => Arc::clone(collector),
        None => {
            let collector = start(telemetry).map_err(|error| Problem {
                file: "frontdesk.toml".to_owned(),
                line: None,
                path: "telemetry".to_owned(),
                found: error,
                expected: "the address of an OpenTelemetry collector".to_owned(),
            })?;
            Arc::clone(RUNNING.get_or_init(|| collector))
        }
    };
    Ok(Some(Arc::new(Collected { collector })))
}

fn start(telemetry: &Telemetry) -> Result<Arc<Collector>, String> {
    let client = Arc::new(Client::new()?);
    let endpoint = |path: &str| telemetry.otlp_endpoint.as_ref().map(|base| format!("{}{path}", base.trim_end_matches('/')));
    let traces = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).with_shared_http_client(client.clone());
    let traces = match endpoint("/v1/traces") {
        Some(endpoint) => traces.with_endpoint(endpoint),
        None => traces,
    };
    let metrics = MetricExporter::builder().with_http().with_protocol(Protocol::HttpBinary).with_shared_http_client(client);
    let metrics = match endpoint("/v1/metrics") {
        Some(endpoint) => metrics.with_endpoint(endpoint),
        None => metrics,
    };
    let traces = traces.with_timeout(EXPORT_WITHIN).build().map_err(|error| error.to_string())?;
    let metrics = metrics.with_timeout(EXPORT_WITHIN).build().map_err(|error| error.to_string())?;
    // What the environment says of the resource is in it; the name of the service goes by the configuration first.
    let mut resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("process.pid", i64::from(std::process::id())));
    let is_named = system::env("OTEL_SERVICE_NAME").is_some_and(|name| !name.is_empty());
    if let Some(name) = telemetry.service_name.clone().or_else(|| (!is_named).then(|| "frontdesk".to_owned())) {
        resource = resource.with_service_name(name);
    }
    let resource = resource.build();
    let traces = SdkTracerProvider::builder().with_batch_exporter(traces).with_resource(resource.clone()).build();
    let metrics = SdkMeterProvider::builder().with_periodic_exporter(metrics).with_resource(resource).build();
    let meter = metrics.meter("frontdesk");
    let seconds = |name: &'static str, says: &'static str| {
        meter.f64_histogram(name).with_unit("s").with_description(says).with_boundaries(BUCKETS.to_vec()).build()
    };
    let (served, asked) = (
        seconds("http.server.request.duration", "Requests by route and status"),
        seconds("http.client.request.duration", "Requests to calendars"),
    );
    let functions = seconds("frontdesk.function.duration", "Voice functions by outcome");
    Ok(Arc::new(Collector { tracer: traces.tracer("frontdesk"), traces, metrics, served, asked, functions }))
}

/// Sends what is left. On a thread of its own: the SDK waits, and the client needs this runtime meanwhile.
pub(super) async fn end() {
    let Some(collector) = RUNNING.get().map(Arc::clone) else { return };
    let ended = tokio::task::spawn_blocking(move || {
        // That nobody took it is in the log.
        let _ = collector.traces.shutdown_with_timeout(END_WITHIN);
        let _ = collector.metrics.shutdown_with_timeout(END_WITHIN);
    });
    let _ = tokio::time::timeout(END_WITHIN * 2, ended).await;
}

impl Collector {
    fn begin(self: &Arc<Self>, kind: SpanKind, within: &Context) -> Arc<dyn Span> {
        let builder = SpanBuilder::from_name("HTTP").with_kind(kind);
        let span = self.tracer.build_with_context(builder, within);
        Arc::new(Begun { collector: Arc::clone(self), span: Mutex::new(span) })
    }
}

impl Spans for Collected {
    fn received(&self, header: &dyn Fn(&str) -> Option<String>) -> Arc<dyn Span> {
        let theirs = Theirs { traceparent: header("traceparent"), tracestate: header("tracestate") };
        let within = TraceContextPropagator::new().extract_with_context(&Context::new(), &theirs);
        self.collector.begin(SpanKind::Server, &within)
    }
}

impl Begun {
    fn context(&self) -> Context {
        let span = self.span.lock().unwrap_or_else(PoisonError::into_inner);
        Context::new().with_remote_span_context(span.span_context().clone())
    }

    fn finish(&self, name: String, attributes: Vec<KeyValue>, status: Status) {
        let mut span = self.span.lock().unwrap_or_else(PoisonError::into_inner);
        span.update_name(name);
        span.set_attributes(attributes);
        span.set_status(status);
        span.end();
    }
}

impl Span for Begun {
    fn trace(&self) -> String {
        self.span.lock().unwrap_or_else(PoisonError::into_inner).span_context().trace_id().to_string()
    }

    fn asking(&self) -> Arc<dyn Span> {
        self.collector.begin(SpanKind::Client, &self.context())
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut ours = Ours(Vec::with_capacity(2));
        TraceContextPropagator::new().inject_context(&self.context(), &mut ours);
        ours.0
    }

    fn served(&self, said: &Served<'_>) {
        let Served { method, route, status, tenant, function, outcome, store_calls, took } = *said;
        let mut facts = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("url.scheme", "http"),
            KeyValue::new("http.response.status_code", i64::from(status)),
        ];
        facts.extend(route.map(|route| KeyValue::new("http.route", route.to_owned())));
        // A request that somebody else got wrong is no error of this one.
        let is_error = status >= 500;
        facts.extend(is_error.then(|| KeyValue::new("error.type", status.to_string())));
        self.collector.served.record(took.as_secs_f64(), &facts);
        if let (Some(function), Some(outcome)) = (function, outcome) {
            let both = [KeyValue::new("frontdesk.function", function), KeyValue::new("frontdesk.outcome", outcome)];
            self.collector.functions.record(took.as_secs_f64(), &both);
            facts.extend(both);
        }
        facts.extend(tenant.map(|tenant| KeyValue::new("frontdesk.tenant", tenant.as_str().to_owned())));
        facts.push(KeyValue::new("frontdesk.store.calls", i64::from(store_calls)));
        let name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}"));
        self.finish(name, facts, if is_error { Status::error("") } else { Status::Unset });
    }

    fn answered(&self, said: &Asked<'_>) {
        let Asked { method, route, host, port, status, trouble, took } = *said;
        let mut facts = vec![
            KeyValue::new("http.request.method", method.to_owned()),
            KeyValue::new("server.address", host.to_owned()),
            KeyValue::new("server.port", i64::from(port)),
            KeyValue::new("url.template", route),
        ];
        facts.extend(status.map(|status| KeyValue::new("http.response.status_code", i64::from(status))));
        let error =
            trouble.map(str::to_owned).or_else(|| status.filter(|status| *status >= 400).map(|status| status.to_string()));
        facts.extend(error.clone().map(|error| KeyValue::new("error.type", error)));
        self.collector.asked.record(took.as_secs_f64(), &facts);
        self.finish(format!("{method} {route}"), facts, if error.is_some() { Status::error("") } else { Status::Unset });
    }
}

/// What the headers of a request say of its trace.
struct Theirs {
    traceparent: Option<String>,
    tracestate: Option<String>,
}

impl Extractor for Theirs {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent.as_deref(),
            "tracestate" => self.tracestate.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// What a request of ours says of its trace.
struct Ours(Vec<(&'static str, String)>);

impl Injector for Ours {
    fn set(&mut self, key: &str, value: String) {
        let name = ["traceparent", "tracestate"].into_iter().find(|name| *name == key);
        self.0.extend(name.filter(|_| !value.is_empty()).map(|name| (name, value)));
    }
}

/// The client that batches are sent by. The SDK asks from a thread without a runtime; the request runs on ours.
#[derive(Debug)]
struct Client {
    client: reqwest::Client,
    runtime: Handle,
}

impl Client {
    fn new() -> Result<Self, String> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(EXPORT_WITHIN)
            .timeout(EXPORT_WITHIN)
            .build()
            .map_err(|error| error.to_string())?;
        let runtime = Handle::try_current().map_err(|error| error.to_string())?;
        Ok(Self { client, runtime })
    }
}

#[async_trait]
impl HttpClient for Client {
    #[expect(clippy::disallowed_methods, reason = "whoever sends waits for the task, on a thread without a runtime")]
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (client, request) = (self.client.clone(), reqwest::Request::try_from(request)?);
        let sent = self.runtime.spawn(async move {
            let answer = client.execute(request).await?;
            let status = answer.status();
            // What a collector says beyond that is not kept: nobody reads it.
            answer.bytes().await?;
            Ok::<_, reqwest::Error>(status)
        });
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = sent.await??;
        Ok(response)
    }
}
