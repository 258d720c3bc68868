//! What an OpenTelemetry collector is sent, read by hand: as much of its protobuf as tests look at.

use std::collections::BTreeMap;

/// A span as it was exported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Hexadecimal, as are the other ids.
    pub trace: String,
    pub id: String,
    /// Empty for the first of a trace.
    pub parent: String,
    pub name: String,
    /// 2 is a server's, 3 a client's.
    pub kind: u64,
    pub attributes: BTreeMap<String, String>,
}

/// One field of a message.
enum Field<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

/// The spans of an `ExportTraceServiceRequest`, each with the attributes of its resource under `resource.…`.
pub fn spans(body: &[u8]) -> Vec<Span> {
    let mut found = Vec::new();
    for of_resource in messages(body, 1) {
        let resource: BTreeMap<String, String> = messages(of_resource, 1).into_iter().flat_map(attributes).collect();
        for span in messages(of_resource, 2).into_iter().flat_map(|scope| messages(scope, 2)) {
            let mut attributes: BTreeMap<String, String> = messages(span, 9).into_iter().filter_map(attribute).collect();
            attributes.extend(resource.iter().map(|(name, value)| (format!("resource.{name}"), value.clone())));
            let hex = |number| messages(span, number).first().map_or_else(String::new, |bytes| hexadecimal(bytes));
            found.push(Span {
                trace: hex(1),
                id: hex(2),
                parent: hex(4),
                name: text(span, 5),
                kind: number(span, 6),
                attributes,
            });
        }
    }
    found
}

/// The names of the metrics of an `ExportMetricsServiceRequest`.
pub fn metrics(body: &[u8]) -> Vec<String> {
    let of_scopes = messages(body, 1).into_iter().flat_map(|of_resource| messages(of_resource, 2));
    of_scopes.flat_map(|scope| messages(scope, 2)).map(|metric| text(metric, 1)).collect()
}

fn attributes(resource: &[u8]) -> Vec<(String, String)> {
    messages(resource, 1).into_iter().filter_map(attribute).collect()
}

/// A `KeyValue` whose value is a text, a truth value or a whole number.
fn attribute(pair: &[u8]) -> Option<(String, String)> {
    let value = *messages(pair, 2).first()?;
    let (kind, held) = fields(value).into_iter().next()?;
    let shown = match held {
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Field::Number(number) if kind == 2 => (number != 0).to_string(),
        Field::Number(number) => number.cast_signed().to_string(),
    };
    Some((text(pair, 1), shown))
}

fn messages(message: &[u8], number: u64) -> Vec<&[u8]> {
    let of_number = fields(message).into_iter().filter(|(found, _)| *found == number);
    of_number.filter_map(|(_, field)| if let Field::Bytes(bytes) = field { Some(bytes) } else { None }).collect()
}

fn text(message: &[u8], number: u64) -> String {
    messages(message, number).first().map_or_else(String::new, |bytes| String::from_utf8_lossy(bytes).into_owned())
}

fn number(message: &[u8], number: u64) -> u64 {
    let held = fields(message).into_iter().find(|(found, _)| *found == number);
    held.map_or(0, |(_, field)| if let Field::Number(number) = field { number } else { 0 })
}

/// The fields of a message; what cannot be read ends it.
fn fields(mut rest: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while let Some(key) = varint(&mut rest) {
        let field = match key & 7 {
            0 => varint(&mut rest).map(Field::Number),
            1 => take(&mut rest, 8).map(Field::Bytes),
            2 => varint(&mut rest).and_then(|length| take(&mut rest, usize::try_from(length).ok()?)).map(Field::Bytes),
            5 => take(&mut rest, 4).map(Field::Bytes),
            _ => None,
        };
        let Some(field) = field else { break };
        found.push((key >> 3, field));
    }
    found
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, left) = rest.split_first()?;
        *rest = left;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_as_the_format_says() {
        let pair = |name: &str, value: &[u8]| field(9, &[field(1, name.as_bytes()), field(2, value)].concat());
        let attributes = [pair("http.route", &field(1, b"/x")), pair("http.response.status_code", &[0x18, 0xc8, 0x01])].concat();
        let span = [field(1, &[0xab; 16]), field(2, &[1; 8]), field(5, b"GET /x"), vec![0x30, 2], attributes].concat();
        let body = field(1, &field(2, &field(2, &span)));
        let read = spans(&body);
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].trace.as_str(), read[0].name.as_str(), read[0].kind), ("ab".repeat(16).as_str(), "GET /x", 2));
        assert_eq!(read[0].attributes["http.response.status_code"], "200");
    }

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u8::try_from(bytes.len()).expect("short");
        let mut field = vec![number << 3 | 2];
        // Of up to 16383 bytes.
        field.extend(if length < 0x80 { vec![length] } else { vec![length & 0x7f | 0x80, length >> 7] });
        field.extend(bytes);
        field
    }
}
