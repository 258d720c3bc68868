//! Who asks: connections, requests, the clock, the report.

use std::time::{Duration, Instant};

use frontdesk_core::sensitive::Secret;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::gateway::Gateway;

pub(crate) const RUN: Duration = Duration::from_secs(3);

pub(crate) const KEY: &str = "key_bench";

#[expect(clippy::disallowed_macros, reason = "a benchmark prints its figures")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures the wall clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn envelope(call: &str, tool: &str, function: &str, args: &serde_json::Value) -> String {
    json!({
        "name": function, "args": args,
        "call": { "call_id": call, "from_number": "+4915123456789", "to_number": "+4930111111", "agent_id": "agent_bench",
            "transcript_with_tool_calls": [{"role": "tool_call_invocation", "tool_call_id": tool, "name": function, "arguments": args.to_string()}] },
    })
    .to_string()
}

/// Sends all of `bodies`, one list a connection.
pub(crate) async fn storm(
    name: &str,
    address: &str,
    gateway: Option<&Gateway>,
    bodies: Vec<Vec<String>>,
    make: impl Fn(&str) -> Vec<u8>,
) {
    let mut tasks = tokio::task::JoinSet::new();
    let cpu = || gateway.map_or(f64::NAN, Gateway::cpu);
    let prepared: Vec<Vec<Vec<u8>>> = bodies.iter().map(|all| all.iter().map(|body| make(body)).collect()).collect();
    let (began_cpu, began) = (cpu(), now());
    for requests in prepared {
        let address = address.to_owned();
        tasks.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("connected");
            let mut took = Vec::with_capacity(requests.len());
            for request in requests {
                let asked = now();
                let answer = exchange(&mut stream, &request).await;
                took.push(asked.elapsed());
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
            took
        });
    }
    let all: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
    let spent = cpu() - began_cpu;
    report(name, all, began.elapsed(), (!spent.is_nan()).then_some(spent));
}

/// All connections do `work`, each with what it brought; reports it under `name` and gives what they made.
pub(crate) async fn phase<B, M, F>(
    gateway: &Gateway,
    name: &str,
    brought: Vec<B>,
    work: impl Fn(usize, B, TcpStream) -> F,
) -> Vec<M>
where
    M: Send + 'static,
    F: Future<Output = (Vec<Duration>, M)> + Send + 'static,
{
    let mut tasks = tokio::task::JoinSet::new();
    let (began_cpu, began) = (gateway.cpu(), now());
    for (connection, brought) in brought.into_iter().enumerate() {
        let stream = TcpStream::connect(&gateway.address).await.expect("connected");
        let work = work(connection, brought, stream);
        tasks.spawn(async move { (connection, work.await) });
    }
    let mut all = tasks.join_all().await;
    all.sort_by_key(|(connection, _)| *connection);
    let (elapsed, spent) = (began.elapsed(), gateway.cpu() - began_cpu);
    let mut took = Vec::new();
    let mut made = Vec::new();
    for (_, (times, of_one)) in all {
        took.extend(times);
        made.push(of_one);
    }
    report(name, took, elapsed, Some(spent));
    made
}

pub(crate) async fn load_of(
    connections: usize,
    name: &str,
    address: &str,
    gateway: Option<&Gateway>,
    make: impl Fn(usize, u64) -> Vec<u8>,
) {
    let cpu = || gateway.map_or(f64::NAN, Gateway::cpu);
    load_for(RUN, connections, name, address, &cpu, make).await;
}

/// Returns CPU seconds per 1,000 requests. Without a name nothing is said.
pub(crate) async fn load_for(
    run: Duration,
    connections: usize,
    name: &str,
    address: &str,
    cpu: &dyn Fn() -> f64,
    make: impl Fn(usize, u64) -> Vec<u8>,
) -> f64 {
    let per_connection = (96_000 / connections as u64).min(6_000);
    let mut tasks = tokio::task::JoinSet::new();
    let mut prepared = Vec::new();
    for connection in 0..connections {
        prepared.push((0..per_connection).map(|round| make(connection, round)).collect::<Vec<_>>());
    }
    let began_cpu = cpu();
    let began = now();
    for requests in prepared {
        let address = address.to_owned();
        tasks.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("connected");
            let mut took = Vec::new();
            for request in requests {
                if began.elapsed() > run {
                    break;
                }
                let asked = now();
                let answer = exchange(&mut stream, &request).await;
                took.push(asked.elapsed());
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            }
            took
        });
    }
    let all: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
    let spent = cpu() - began_cpu;
    let cost = spent * 1000.0 / all.len() as f64;
    if !name.is_empty() {
        report(name, all, began.elapsed(), (!spent.is_nan()).then_some(spent));
    }
    cost
}

pub(crate) fn report(name: &str, mut took: Vec<Duration>, elapsed: Duration, cpu: Option<f64>) {
    took.sort_unstable();
    let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or_default().as_secs_f64() * 1e3;
    let rate = took.len() as f64 / elapsed.as_secs_f64();
    let cpu = cpu.map_or("-".to_owned(), |cpu| format!("{:.4}", cpu * 1000.0 / took.len() as f64));
    say(&format!("{name:<44} {rate:>13.0} {:>9.2} {:>9.2} {cpu:>17}", at(0.5), at(0.99)));
}

pub(crate) fn request(path: &str, body: &str) -> Vec<u8> {
    let signature = frontdesk_http::sign(&Secret::new(KEY), body.as_bytes(), Timestamp::now_ms());
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-retell-signature: {signature}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One request, one answer with a content length or in chunks.
pub(crate) async fn exchange(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).await.expect("sent");
    let mut answer = Vec::with_capacity(2048);
    let mut buffer = [0_u8; 4096];
    loop {
        let read = stream.read(&mut buffer).await.expect("read");
        assert!(read > 0, "the connection ended");
        answer.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:").map(|it| it.trim().parse::<usize>().unwrap_or(0))
            });
            let is_whole = match length {
                Some(length) => body.len() >= length,
                None => body.ends_with("0\r\n\r\n"),
            };
            if is_whole {
                return text.into_owned();
            }
        }
    }
}

/// The wall clock, for signatures that have to be fresh.
pub(crate) trait WallClock {
    fn now_ms() -> i64;
    fn now_in_berlin() -> jiff::civil::Date;
}

impl WallClock for Timestamp {
    #[expect(clippy::disallowed_methods, reason = "a benchmark signs with the wall clock")]
    fn now_ms() -> i64 {
        Timestamp::now().as_millisecond()
    }

    #[expect(clippy::disallowed_methods, reason = "a benchmark asks for real days")]
    fn now_in_berlin() -> jiff::civil::Date {
        Timestamp::now().to_zoned_datetime(TimeZone::get("Europe/Berlin").expect("bundled")).date()
    }
}
