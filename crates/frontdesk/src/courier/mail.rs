//! Mail over SMTP: one recipient per letter, so that one mailbox that is gone keeps nobody else's waiting.

use std::time::{Duration, SystemTime};

use frontdesk_core::ics::Method;
use frontdesk_core::message::Letter;
use frontdesk_core::sensitive::{Secret, Sensitive};
use jiff::Timestamp;
use lettre::message::header::{ContentDisposition, ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use reqwest::Url;

use super::Ending;
use crate::config::deployment::Sender;

/// Connecting, and each command after it, takes no longer.
const WITHIN: Duration = Duration::from_secs(10);

/// Why mail cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    /// The address of the server.
    #[error("an address such as \"smtps://user:password@mail.example\"")]
    Url,
    /// Nobody to write as.
    #[error("a sender in smtp.from such as \"Frontdesk <noreply@desk.example>\", because the user of smtp.url is no address")]
    NoSender,
}

/// Sends mail.
pub(crate) struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    name: Option<String>,
    address: Address,
}

/// An invitation beside the text.
pub(super) struct Invite {
    pub(super) method: Method,
    pub(super) text: Sensitive<String>,
}

impl Mail {
    /// Connects to nobody yet.
    pub(crate) fn open(url: &Secret, from: Option<&Sender>) -> Result<Self, MailError> {
        let mut url = Url::parse(url.expose()).map_err(|_| MailError::Url)?;
        let user = decoded(url.username());
        let (name, address) = match from {
            Some(from) => (from.name.clone(), from.address.clone()),
            None => (None, Sender::parse(&user).ok_or(MailError::NoSender)?.address),
        };
        let address: Address = address.parse().map_err(|_| MailError::NoSender)?;
        let has_tls = url.query_pairs().any(|(key, _)| key == "tls");
        if url.scheme() == "smtp" && url.password().is_some() && !has_tls {
            // A password never leaves in the clear.
            url.query_pairs_mut().append_pair("tls", "required");
        }
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str()).map_err(|_| MailError::Url)?;
        let builder = match url.path().len() {
            0 | 1 => builder.hello_name(ClientId::Domain(address.domain().to_owned())),
            _ => builder,
        };
        Ok(Self { transport: builder.timeout(Some(WITHIN)).build(), name, address })
    }

    /// The address that letters come from.
    pub(super) fn sender(&self) -> String {
        self.address.to_string()
    }

    /// Sends a letter of `business`. Its `Message-ID` is made of the key: a repeat is recognisable as one.
    pub(super) async fn send(
        &self,
        key: &str,
        business: &str,
        to: (Option<&Sensitive<String>>, &str),
        letter: &Letter,
        invite: Option<Invite>,
        now: Timestamp,
    ) -> Ending {
        let Ok(address) = to.1.parse::<Address>() else {
            return Ending::Dead("the address is not one that mail can be sent to".to_owned());
        };
        let to = Mailbox::new(to.0.map(|name| plain(name.expose())), address);
        let Some(message) = self.message(key, business, to, letter, invite, now) else {
            return Ending::Dead("the letter could not be written".to_owned());
        };
        match self.transport.send(message).await {
            Ok(_) => Ending::Delivered,
            Err(error) => ending(&error),
        }
    }

    fn message(
        &self,
        key: &str,
        business: &str,
        to: Mailbox,
        letter: &Letter,
        invite: Option<Invite>,
        now: Timestamp,
    ) -> Option<Message> {
        let name = plain(self.name.as_deref().unwrap_or(business));
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let builder = Message::builder()
            .from(Mailbox::new(Some(name), self.address.clone()))
            .to(to)
            .subject(letter.subject.expose())
            .message_id(Some(format!("<{key}@{}>", self.address.domain())))
            .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
        let text = encoded(letter.body.expose().clone(), ContentTransferEncoding::QuotedPrintable)?;
        let text = SinglePart::builder().content_type(ContentType::TEXT_PLAIN).body(text);
        match invite {
            None => builder.singlepart(text).ok(),
            Some(invite) => {
                let kind = format!("text/calendar; method={}; charset=utf-8", invite.method.as_str());
                // As base64, because its line ends are part of the format.
                let file = encoded(invite.text.into_exposed(), ContentTransferEncoding::Base64)?;
                let file = SinglePart::builder()
                    .content_type(ContentType::parse(&kind).ok()?)
                    .header(ContentDisposition::attachment("appointment.ics"))
                    .body(file);
                builder.multipart(MultiPart::mixed().singlepart(text).singlepart(file)).ok()
            }
        }
    }
}

/// QUIRK: the writer of headers panics on a name with control characters.
fn plain(name: &str) -> String {
    name.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

fn encoded(text: String, encoding: ContentTransferEncoding) -> Option<Body> {
    Body::new_with_encoding(text, encoding).ok()
}

/// The server's words are never kept: they often repeat the address.
fn ending(error: &Error) -> Ending {
    match error.status().map(u16::from) {
        // Our own password is refused: that is nobody's mailbox.
        Some(code @ (530 | 534 | 535 | 538)) => Ending::Again(format!("the mail server does not let us in: {code}")),
        Some(code) if error.is_permanent() => Ending::Dead(format!("the mail server refused: {code}")),
        Some(code) => Ending::Again(format!("the mail server said {code}")),
        None if error.is_timeout() => Ending::Again("the mail server did not answer in time".to_owned()),
        None if error.is_tls() => Ending::Again("no secure connection to the mail server".to_owned()),
        None if error.is_client() => Ending::Dead("the mail server cannot take this letter".to_owned()),
        None => Ending::Again("no connection to the mail server".to_owned()),
    }
}

/// The user of an address, whose `@` is written as `%40`.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(url: &str, from: Option<&str>) -> Result<Mail, MailError> {
        let from = from.map(|text| Sender::parse(text).expect("a sender"));
        Mail::open(&Secret::new(url), from.as_ref())
    }

    #[test]
    fn the_sender_is_the_user_of_the_url_unless_another_is_named() {
        let mail = open("smtps://desk%40mail.example:secret@smtp.example", None).expect("mail");
        assert_eq!(mail.sender(), "desk@mail.example");
        let mail = open("smtps://apikey:secret@smtp.example", Some("Desk <noreply@desk.example>")).expect("mail");
        assert_eq!((mail.sender().as_str(), mail.name.as_deref()), ("noreply@desk.example", Some("Desk")));
        assert!(matches!(open("smtps://apikey:secret@smtp.example", None), Err(MailError::NoSender)));
        assert!(matches!(open("smtps://", Some("a@b.example")), Err(MailError::Url)));
    }

    #[test]
    fn a_letter_is_recognisable_and_cannot_be_given_other_headers() {
        let mail = open("smtp://127.0.0.1:1025", Some("Desk <noreply@desk.example>")).expect("mail");
        let letter = Letter {
            subject: Sensitive::new("Ihr Termin\r\nBcc: x@y.example".to_owned()),
            body: Sensitive::new("Grüße\n".to_owned()),
        };
        let to = Mailbox::new(Some(plain("Anna\r\nBcc: z@y.example")), "anna@mail.example".parse().expect("an address"));
        let message = mail.message("evt_1", "Salon", to, &letter, None, Timestamp::UNIX_EPOCH).expect("a message");
        let text = String::from_utf8(message.formatted()).expect("text");
        assert!(text.contains("Message-ID: <evt_1@desk.example>\r\n"), "{text}");
        assert!(text.contains("Auto-Submitted: auto-generated\r\n"), "{text}");
        assert!(!text.contains("\r\nBcc"), "{text}");
        assert_eq!(message.envelope().to().len(), 1);
    }
}
