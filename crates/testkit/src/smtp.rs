//! A mail server that keeps what it is given, speaks enough SMTP for a client without TLS, and says no to
//! any command on request.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A letter as it arrived.
#[derive(Clone, Debug)]
pub struct Letter {
    pub from: String,
    pub to: Vec<String>,
    /// Headers and body, lines ended by CR and LF.
    pub raw: String,
}

/// What a command is answered with instead of its success.
#[derive(Clone, Debug)]
struct Fault {
    /// `EHLO`, `MAIL`, `RCPT`, `DATA`, `BODY` (the end of the letter), or `*`.
    command: String,
    /// Only where the line holds this.
    about: String,
    code: u16,
    /// How often; `None` is until it is mended.
    times: Option<u32>,
}

#[derive(Default)]
struct State {
    letters: Vec<Letter>,
    faults: VecDeque<Fault>,
    sessions: u32,
}

/// The server; it ends when it is dropped.
pub struct MailServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl MailServer {
    #[expect(clippy::disallowed_methods, reason = "the simulation owns its listener; it is aborted with it")]
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut sessions = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let shared = Arc::clone(&shared);
                sessions.spawn(async move {
                    // A client that hangs up is its own business.
                    let _ = serve(stream, &shared).await;
                });
                while sessions.try_join_next().is_some() {}
            }
        });
        Self { address, state, task }
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// What was accepted, in order.
    pub fn letters(&self) -> Vec<Letter> {
        lock(&self.state).letters.clone()
    }

    /// Accepted letters to `address`.
    pub fn letters_to(&self, address: &str) -> Vec<Letter> {
        self.letters().into_iter().filter(|letter| letter.to.iter().any(|to| to == address)).collect()
    }

    /// How many clients connected.
    pub fn sessions(&self) -> u32 {
        lock(&self.state).sessions
    }

    /// Answers `command` with `code` until [`Self::mend`].
    pub fn refuse(&self, command: &str, code: u16) {
        self.fault(command, "", code, None);
    }

    /// Answers `command` with `code` where its line holds `about`.
    pub fn refuse_about(&self, command: &str, about: &str, code: u16) {
        self.fault(command, about, code, None);
    }

    /// Answers the next `times` of `command` with `code`.
    pub fn refuse_times(&self, command: &str, code: u16, times: u32) {
        self.fault(command, "", code, Some(times));
    }

    pub fn mend(&self) {
        lock(&self.state).faults.clear();
    }

    fn fault(&self, command: &str, about: &str, code: u16, times: Option<u32>) {
        let fault = Fault { command: command.to_owned(), about: about.to_owned(), code, times };
        lock(&self.state).faults.push_back(fault);
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Letter {
    /// A header with its continuation lines joined, as sent.
    pub fn header(&self, name: &str) -> Option<String> {
        let head = self.raw.split("\r\n\r\n").next()?;
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let found = head.lines().find_map(|line| line.split_once(": ").filter(|(it, _)| it.eq_ignore_ascii_case(name)));
        found.map(|(_, value)| value.trim().to_owned())
    }

    /// The subject, decoded.
    pub fn subject(&self) -> String {
        words(&self.header("Subject").unwrap_or_default())
    }

    /// The part of that content type, decoded.
    pub fn part(&self, kind: &str) -> Option<String> {
        parts(&self.raw).into_iter().find(|(head, _)| content_type(head).is_some_and(|it| it.starts_with(kind))).map(
            |(head, body)| {
                let encoding = field(&head, "content-transfer-encoding").unwrap_or_default().to_ascii_lowercase();
                let bytes = match encoding.as_str() {
                    "base64" => base64(&body),
                    "quoted-printable" => quoted_printable(&body),
                    _ => body.into_bytes(),
                };
                String::from_utf8_lossy(&bytes).into_owned()
            },
        )
    }

    pub fn text(&self) -> String {
        self.part("text/plain").unwrap_or_default().replace("\r\n", "\n")
    }

    /// The calendar file with its lines unfolded.
    pub fn calendar(&self) -> Option<String> {
        self.part("text/calendar").map(|text| text.replace("\r\n ", ""))
    }
}

async fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    lock(state).sessions += 1;
    let mut stream = BufReader::new(stream);
    say(&mut stream, "220 sink ready").await?;
    let (mut from, mut to) = (String::new(), Vec::new());
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_owned();
        let command = line.split([' ', ':']).next().unwrap_or("").to_ascii_uppercase();
        if let Some(code) = fault(state, &command, &line) {
            say(&mut stream, &format!("{code} refused {}", address(&line))).await?;
            if code == 421 {
                return Ok(());
            }
            continue;
        }
        match command.as_str() {
            "EHLO" => say(&mut stream, "250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8").await?,
            "HELO" | "NOOP" => say(&mut stream, "250 ok").await?,
            "MAIL" => {
                (from, to) = (address(&line), Vec::new());
                say(&mut stream, "250 ok").await?;
            }
            "RCPT" => {
                to.push(address(&line));
                say(&mut stream, "250 ok").await?;
            }
            "DATA" => {
                say(&mut stream, "354 go on").await?;
                let raw = letter(&mut stream).await?;
                match fault(state, "BODY", &raw) {
                    Some(code) => say(&mut stream, &format!("{code} refused")).await?,
                    None => {
                        lock(state).letters.push(Letter { from: from.clone(), to: std::mem::take(&mut to), raw });
                        say(&mut stream, "250 kept").await?;
                    }
                }
            }
            "RSET" => {
                to.clear();
                say(&mut stream, "250 ok").await?;
            }
            "QUIT" => return say(&mut stream, "221 bye").await,
            _ => say(&mut stream, "502 unknown").await?,
        }
    }
}

async fn letter(stream: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut raw = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 || line == ".\r\n" {
            return Ok(raw);
        }
        raw.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}

async fn say(stream: &mut BufReader<TcpStream>, text: &str) -> std::io::Result<()> {
    stream.get_mut().write_all(format!("{text}\r\n").as_bytes()).await
}

fn fault(state: &Mutex<State>, command: &str, line: &str) -> Option<u16> {
    let mut state = lock(state);
    let fits = |fault: &&mut Fault| {
        (fault.command == command || (fault.command == "*" && command != "QUIT"))
            && line.contains(&fault.about)
            && fault.times != Some(0)
    };
    let found = state.faults.iter_mut().find(fits)?;
    found.times = found.times.map(|times| times - 1);
    Some(found.code)
}

/// The address between angle brackets.
fn address(line: &str) -> String {
    line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map_or("", |(address, _)| address).to_owned()
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

// --- reading a letter -----------------------------------------------------------------------

/// Head and body of the letter itself, or of each of its parts.
fn parts(raw: &str) -> Vec<(String, String)> {
    let (head, body) = raw.split_once("\r\n\r\n").unwrap_or((raw, ""));
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let boundary = content_type(&head).and_then(|it| Some(it.split_once("boundary=\"")?.1.split_once('"')?.0.to_owned()));
    match boundary {
        None => vec![(head, body.to_owned())],
        Some(boundary) => {
            let mark = format!("--{boundary}");
            let pieces = body.split(&mark).skip(1).filter(|piece| !piece.starts_with("--"));
            pieces.flat_map(|piece| parts(piece.trim_start_matches("\r\n"))).collect()
        }
    }
}

fn content_type(head: &str) -> Option<String> {
    field(head, "content-type")
}

fn field(head: &str, name: &str) -> Option<String> {
    let found = head.lines().find_map(|line| line.split_once(':').filter(|(it, _)| it.eq_ignore_ascii_case(name)));
    found.map(|(_, value)| value.trim().to_owned())
}

/// Encoded words of a header (RFC 2047), as they come from one writer.
fn words(text: &str) -> String {
    let mut out: Vec<u8> = Vec::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("=?utf-8?") {
        // White space between two encoded words is none.
        if out.is_empty() || !before.trim().is_empty() {
            out.extend_from_slice(before.as_bytes());
        }
        let Some((word, after)) = tail.split_once("?=").filter(|(word, _)| word.len() > 2) else { break };
        out.extend(match word.get(..2) {
            Some("b?" | "B?") => base64(&word[2..]),
            _ => quoted_printable(&word[2..].replace('_', " ")),
        });
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut out, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for value in text.bytes().filter_map(|byte| ALPHABET.iter().position(|it| *it == byte)) {
        bits = (bits << 6) | value as u32;
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    out
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let text = text.replace("=\r\n", "");
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let escaped = text.get(at + 1..at + 3).filter(|_| *byte == b'=').and_then(|it| u8::from_str_radix(it, 16).ok());
        out.push(escaped.unwrap_or(*byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_read_whatever_it_is_encoded_in() {
        let raw = "Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n =?utf-8?b?IQ==?=\r\nContent-Type: multipart/mixed;\r\n boundary=\"x\"\r\n\r\n--x\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=\r\n=C3=9Fe\r\n--x\r\nContent-Type: text/calendar; method=REQUEST\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n--x--\r\n";
        let letter = Letter { from: String::new(), to: Vec::new(), raw: raw.to_owned() };
        assert_eq!(letter.subject(), "Grüße!");
        assert_eq!(letter.text().trim(), "Grüße");
        assert_eq!(letter.calendar().as_deref(), Some("ABC"));
    }
}
