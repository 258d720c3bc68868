//! The smallest HTTP/1.1 client that tells apart what tests must tell apart: refused, closed
//! without an answer, too slow, answered.
//!
//! One connection per request, or a [`Connection`] that is kept; `http://` only, no redirects, no second try.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// A request to be sent once.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    timeout: Duration,
}

/// A connection that is kept as long as the other side lets it.
#[derive(Debug)]
pub struct Connection {
    authority: String,
    stream: Option<TcpStream>,
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

#[derive(Debug)]
pub enum ClientError {
    /// Nobody listens at the address.
    Refused,
    /// The connection ended before the answer was complete.
    Closed,
    /// The answer was not complete in time.
    TimedOut,
    /// Not a URL of ours, or not an HTTP answer.
    Malformed(&'static str),
    Io(io::Error),
}

// === impl Request ===

impl Request {
    pub fn new(method: &str, url: &str) -> Self {
        Self { method: method.to_owned(), url: url.to_owned(), headers: Vec::new(), body: Bytes::new(), timeout: DEFAULT_TIMEOUT }
    }

    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    pub fn post(url: &str) -> Self {
        Self::new("POST", url)
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn bearer(self, key: &str) -> Self {
        self.header("Authorization", &format!("Bearer {key}"))
    }

    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends the request and reads the whole answer.
    pub async fn send(self) -> Result<Response, ClientError> {
        let timeout = self.timeout;
        tokio::time::timeout(timeout, self.exchange()).await.map_err(|_| ClientError::TimedOut)?
    }

    async fn exchange(self) -> Result<Response, ClientError> {
        let (authority, _) = self.parts()?;
        let address = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
        let mut stream = TcpStream::connect(address).await?;
        self.write(&mut stream, "Connection: close\r\n").await?;
        Response::read(&mut stream, &self.method).await
    }

    fn parts(&self) -> Result<(&str, &str), ClientError> {
        let rest = self.url.strip_prefix("http://").ok_or(ClientError::Malformed("url"))?;
        Ok(rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len())))
    }

    async fn write(&self, stream: &mut TcpStream, connection: &str) -> Result<(), ClientError> {
        let (authority, target) = self.parts()?;
        let slash = if target.starts_with('/') { "" } else { "/" };
        let mut head = format!("{} {slash}{target} HTTP/1.1\r\nHost: {authority}\r\n{connection}", self.method);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !self.body.is_empty() || !matches!(self.method.as_str(), "GET" | "HEAD" | "DELETE") {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        head.push_str("\r\n");

        // At once: of two small writes on a kept connection the second waits for the first one's acknowledgement.
        let mut message = head.into_bytes();
        message.extend_from_slice(&self.body);
        Ok(stream.write_all(&message).await?)
    }
}

// === impl Connection ===

impl Connection {
    /// To that host and port; opened with the first request.
    pub fn to(authority: &str) -> Self {
        Self { authority: authority.to_owned(), stream: None }
    }

    /// Whether the next request goes out on a connection that has carried one.
    pub fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// Sends a request on the connection as it is, or on a new one where the last answer closed it. One that
    /// was closed without saying so is an error.
    pub async fn send(&mut self, request: Request) -> Result<Response, ClientError> {
        let timeout = request.timeout;
        tokio::time::timeout(timeout, self.exchange(request)).await.map_err(|_| ClientError::TimedOut)?
    }

    async fn exchange(&mut self, request: Request) -> Result<Response, ClientError> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(&self.authority).await?,
        };
        request.write(&mut stream, "").await?;
        let response = Response::read(&mut stream, &request.method).await?;
        if !response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            self.stream = Some(stream);
        }
        Ok(response)
    }
}

/// One request in one call, for tests that need nothing special.
pub async fn send(method: &str, url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Result<Response, ClientError> {
    let request = Request::new(method, url).body(body);
    headers.iter().fold(request, |it, (name, value)| it.header(name, value)).send().await
}

// === impl Response ===

impl Response {
    /// The first header of that name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `null` when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    async fn read(stream: &mut TcpStream, method: &str) -> Result<Self, ClientError> {
        let mut reader = Reader { stream, buffer: Vec::new(), at: 0 };
        loop {
            let status_line = reader.line().await?;
            let mut words = status_line.splitn(3, ' ');
            if !words.next().is_some_and(|version| version.starts_with("HTTP/1.")) {
                return Err(ClientError::Malformed("status line"));
            }
            let status = words.next().and_then(|code| code.parse::<u16>().ok());
            let status = status.ok_or(ClientError::Malformed("status code"))?;
            let mut headers = Vec::new();
            loop {
                let line = reader.line().await?;
                if line.is_empty() {
                    break;
                }
                let (name, value) = line.split_once(':').ok_or(ClientError::Malformed("header"))?;
                headers.push((name.to_owned(), value.trim().to_owned()));
            }
            if (100..200).contains(&status) {
                continue;
            }
            let mut response = Self { status, headers, body: Bytes::new() };
            if method != "HEAD" && status != 204 && status != 304 {
                response.body = response.read_body(&mut reader).await?;
            }
            return Ok(response);
        }
    }

    async fn read_body(&self, reader: &mut Reader<'_>) -> Result<Bytes, ClientError> {
        let chunked = self.header("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"));
        if chunked {
            return reader.chunks().await;
        }
        match self.header("content-length") {
            Some(length) => {
                let length = length.parse().map_err(|_| ClientError::Malformed("content-length"))?;
                reader.exactly(length).await
            }
            None => reader.rest_of_it().await,
        }
    }
}

struct Reader<'a> {
    stream: &'a mut TcpStream,
    buffer: Vec<u8>,
    at: usize,
}

// === impl Reader ===

impl Reader<'_> {
    async fn more(&mut self) -> Result<usize, ClientError> {
        Ok(self.stream.read_buf(&mut self.buffer).await?)
    }

    async fn line(&mut self) -> Result<String, ClientError> {
        loop {
            let rest = &self.buffer[self.at..];
            if let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8_lossy(&rest[..end]).into_owned();
                self.at += end + 2;
                return Ok(line);
            }
            if self.more().await? == 0 {
                return Err(ClientError::Closed);
            }
        }
    }

    async fn exactly(&mut self, length: usize) -> Result<Bytes, ClientError> {
        while self.buffer.len() - self.at < length {
            if self.more().await? == 0 {
                return Err(ClientError::Closed);
            }
        }
        let bytes = Bytes::copy_from_slice(&self.buffer[self.at..self.at + length]);
        self.at += length;
        Ok(bytes)
    }

    async fn chunks(&mut self) -> Result<Bytes, ClientError> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16);
            let size = size.map_err(|_| ClientError::Malformed("chunk size"))?;
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body.into());
            }
            body.extend_from_slice(&self.exactly(size).await?);
            self.exactly(2).await?;
        }
    }

    async fn rest_of_it(&mut self) -> Result<Bytes, ClientError> {
        while self.more().await? > 0 {}
        Ok(Bytes::copy_from_slice(&self.buffer[self.at..]))
    }
}

// === impl ClientError ===

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connect: refused"),
            Self::Closed => f.write_str("read an answer: connection closed"),
            Self::TimedOut => f.write_str("read an answer in time"),
            Self::Malformed(what) => write!(f, "read an answer: malformed {what}"),
            Self::Io(error) => write!(f, "exchange: {error}"),
        }
    }
}

impl std::error::Error for ClientError {}
