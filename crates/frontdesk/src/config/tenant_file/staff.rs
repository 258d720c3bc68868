//! `[[staff]]`: who does it.

use std::collections::{BTreeMap, BTreeSet};

use frontdesk_core::tenant::{Segment, Service, Staff};

use super::services::Listed;
use super::{folded, hours, name, quoted};
use crate::config::near;
use crate::config::reader::{Field, Section};

const KEYS: [&str; 5] = ["name", "services", "calcom_event_types", "calcom_host_id", "hours"];

pub(super) fn read(root: &Section<'_>, services: &[Listed<'_>]) -> Vec<Staff> {
    let known: Vec<&str> = services.iter().map(|listed| listed.service.name.as_str()).filter(|name| !name.is_empty()).collect();
    // A service whose own name is wrong may be meant anywhere; one problem is enough.
    let all_known = known.len() == services.len() && !known.is_empty();
    let sections = root.sections("staff", &KEYS);
    let mut names = BTreeSet::new();
    let mut staff = Vec::new();
    for at in sections.iter().filter(|at| at.is_given()) {
        let person = Staff {
            name: name(at),
            services: done_by(at, &known, all_known),
            calcom_event_types: event_types(at, services),
            calcom_host_id: at.whole("calcom_host_id", 1..=i64::MAX),
            hours: at.field("hours").map(|_| hours::week(&at.section("hours", &hours::WEEKDAYS))),
        };
        if !person.name.is_empty()
            && !names.insert(folded(&person.name))
            && let Some(field) = at.field("name")
        {
            field.refuse("a name that nobody else in staff has");
        }
        staff.push(person);
    }
    staff
}

fn done_by(at: &Section<'_>, known: &[&str], all_known: bool) -> Vec<String> {
    let expected = "a list of at least one service's name";
    let Some(field) = at.require("services", expected) else { return Vec::new() };
    let elements = field.list(expected);
    if elements.is_empty() && field.is_list() {
        field.refuse(expected);
    }
    let mut services = Vec::new();
    for element in elements {
        let Some(text) = element.text() else {
            element.refuse("a service's name");
            continue;
        };
        let service = text.trim();
        if known.contains(&service) {
            services.push(service.to_owned());
        } else if all_known {
            let hint = near::hint(service, known.iter().copied());
            element.refuse(&format!("one of the services {}{hint}", quoted(known.iter().copied())));
        }
    }
    services
}

/// By service, or by service and segment with a slash between them.
fn event_types(at: &Section<'_>, services: &[Listed<'_>]) -> BTreeMap<String, i64> {
    let Some(field) = at.field("calcom_event_types") else { return BTreeMap::new() };
    let own: Vec<&str> = match at.field("services") {
        Some(services) => services.elements().iter().filter_map(|each| each.text()).map(str::trim).collect(),
        None => Vec::new(),
    };
    let own_composites: Vec<&Service> =
        services.iter().map(|listed| &listed.service).filter(|service| own.contains(&service.name.as_str())).collect();
    let mut segments = Vec::new();
    for service in &own_composites {
        segments.extend(service.segments.iter().map(|segment| segment.key(service)));
    }
    let mut types = BTreeMap::new();
    for (service, number) in field.entries("a table of services and event types such as { \"Haircut\" = 102 }") {
        let sharing = segments.iter().filter(|key| key.as_str() == service.trim()).count();
        if sharing > 1 && !own.contains(&service.trim()) {
            number.refuse("an event type for a segment whose name no other segment of the service has");
        } else if own.contains(&service.trim()) || sharing == 1 {
            types.extend(number.whole(1..=i64::MAX).map(|number| (service.trim().to_owned(), number)));
        } else if !own.is_empty() {
            let known = own.iter().copied().chain(segments.iter().map(String::as_str));
            let hint = near::hint(service, known);
            number.refuse(&format!("an event type for one of this person's services {}{hint}", quoted(own.iter().copied())));
        }
    }
    for service in own_composites {
        refuse_half_typed(&field, service, &types);
    }
    types
}

/// All segments of a service have an own event type, or none has; and then the whole has none.
fn refuse_half_typed(field: &Field<'_>, service: &Service, types: &BTreeMap<String, i64>) {
    let (typed, bare): (Vec<&Segment>, Vec<&Segment>) =
        service.segments.iter().partition(|segment| types.contains_key(&segment.key(service)));
    if typed.is_empty() {
        return;
    }
    if !bare.is_empty() {
        let missing: Vec<String> = bare.iter().map(|segment| segment.key(service)).collect();
        field.refuse(&format!("{} as well, as other segments have one", quoted(missing.iter().map(String::as_str))));
    }
    if types.contains_key(&service.name) {
        field.refuse(&format!("an event type for {:?} or for its segments, not both", service.name));
    }
    for (index, segment) in typed.iter().enumerate() {
        let number = types.get(&segment.key(service));
        let other = typed.iter().take(index).find(|it| types.get(&it.key(service)) == number && it.minutes != segment.minutes);
        if let Some(other) = other {
            let (one, two) = (other.key(service), segment.key(service));
            field.refuse(&format!("different event types for {one:?} and {two:?}, which are not of one length"));
        }
    }
}
