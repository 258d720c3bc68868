//! `[[services]]`: what can be booked.

use std::collections::BTreeMap;

use frontdesk_core::tenant::{Segment, Service, Staff};

use super::calendar::Calendar;
use super::{folded, name, plain};
use crate::config::reader::Section;

const KEYS: [&str; 7] = ["name", "synonyms", "minutes", "calcom_event_type_id", "buffer_before", "buffer_after", "segments"];

const SEGMENT_KEYS: [&str; 4] = ["name", "minutes", "gap_after", "calcom_event_type_id"];

/// A service and where it stands in the file.
pub(super) struct Listed<'a> {
    pub(super) at: Section<'a>,
    pub(super) service: Service,
}

pub(super) fn read<'a>(root: &Section<'a>) -> Vec<Listed<'a>> {
    let expected = "at least one [[services]]";
    let Some(field) = root.require("services", expected) else { return Vec::new() };
    if field.elements().is_empty() {
        field.refuse(expected);
        return Vec::new();
    }
    let listed: Vec<Listed<'a>> = root.sections("services", &KEYS).into_iter().map(service).collect();
    refuse_shared_names(&listed);
    listed
}

/// What only shows together with the people and the calendar.
pub(super) fn check(services: &[Listed<'_>], staff: &[Staff], calendar: &Calendar) {
    for Listed { at, service } in services.iter().filter(|listed| !listed.service.name.is_empty()) {
        let is_own = |person: &&Staff| {
            person.calcom_event_types.contains_key(&service.name)
                || service.segments.iter().any(|segment| person.calcom_event_types.contains_key(&segment.key(service)))
        };
        let of_their_own = staff.iter().any(|person| is_own(&person));
        let by_segments = service.segments.iter().any(|segment| segment.calcom_event_type_id.is_some());
        let sharing = staff.iter().filter(|person| person.services.contains(&service.name) && !is_own(person)).count();
        if calendar.is_calcom() && by_segments && sharing > 1 {
            at.refuse(
                "segments with event types that several people share",
                "event types of their own, under calcom_event_types, for all but one of them: a customer is not handed around",
            );
        }
        if calendar.is_calcom() && at.field("calcom_event_type_id").is_none() && !by_segments && !of_their_own {
            at.require("calcom_event_type_id", "the Cal.com event type, here or under calcom_event_types of somebody in staff");
        }
        let somebody = staff.is_empty() || staff.iter().any(|person| person.services.contains(&service.name));
        if calendar.is_builtin() && !somebody {
            at.refuse("a service that nobody does", "somebody in staff whose services name it");
        }
    }
}

fn service(at: Section<'_>) -> Listed<'_> {
    if !at.is_given() {
        let nothing = Service {
            name: String::new(),
            synonyms: Vec::new(),
            minutes: 0,
            calcom_event_type_id: None,
            buffer_before: 0,
            buffer_after: 0,
            segments: Vec::new(),
        };
        return Listed { at, service: nothing };
    }
    let noted = at.noted();
    let segments = segments(&at);
    let whole_segments = at.noted() == noted;
    let service = Service {
        name: name(&at),
        synonyms: at.each("synonyms", "another word of 1 to 150 characters", |text| plain(text, 150)),
        minutes: length(&at, &segments, whole_segments),
        calcom_event_type_id: at.whole("calcom_event_type_id", 1..=i64::MAX),
        buffer_before: minutes(&at, "buffer_before", 0, 240).unwrap_or(0),
        buffer_after: minutes(&at, "buffer_after", 0, 240).unwrap_or(0),
        segments,
    };
    Listed { at, service }
}

fn segments(at: &Section<'_>) -> Vec<Segment> {
    let listed = at.sections("segments", &SEGMENT_KEYS);
    refuse_half_typed(at, &listed);
    let last = listed.len().saturating_sub(1);
    let segment = |(index, at): (usize, &Section<'_>)| {
        let gap_after = minutes(at, "gap_after", 0, 480).unwrap_or(0);
        if index == last
            && gap_after > 0
            && let Some(field) = at.field("gap_after")
        {
            field.refuse("0, as nothing follows the last segment");
        }
        at.require("minutes", "a whole number from 1 to 480");
        let calcom_event_type_id = at.whole("calcom_event_type_id", 1..=i64::MAX);
        Segment { name: name(at), minutes: minutes(at, "minutes", 1, 480).unwrap_or(0), gap_after, calcom_event_type_id }
    };
    let segments: Vec<Segment> = listed.iter().enumerate().filter(|(_, at)| at.is_given()).map(segment).collect();
    if segments.len() == listed.len() {
        for (index, at) in listed.iter().enumerate() {
            let earlier = segments.iter().take(index).find(|other| {
                other.calcom_event_type_id.is_some()
                    && other.calcom_event_type_id == segments[index].calcom_event_type_id
                    && other.minutes != segments[index].minutes
            });
            if let (Some(earlier), Some(field)) = (earlier, at.field("calcom_event_type_id")) {
                field.refuse(&format!("an event type of {} minutes; that one has {}", segments[index].minutes, earlier.minutes));
            }
        }
    }
    segments
}

/// One booking for the whole, or one for each segment: nothing in between, and not both.
fn refuse_half_typed(at: &Section<'_>, segments: &[Section<'_>]) {
    if segments.iter().all(|segment| segment.field("calcom_event_type_id").is_none()) {
        return;
    }
    for segment in segments.iter().filter(|segment| segment.is_given()) {
        segment.require("calcom_event_type_id", "the Cal.com event type of this segment, as other segments have one");
    }
    if let Some(field) = at.field("calcom_event_type_id") {
        field.refuse("no event type for the whole, as its segments have their own");
    }
}

/// From the start to the end that the customer sees: as given, or what the segments and the gaps
/// between them take.
fn length(at: &Section<'_>, segments: &[Segment], whole: bool) -> u32 {
    let expected = "a whole number from 5 to 480";
    let given = minutes(at, "minutes", 5, 480);
    if at.field("segments").is_none() || (whole && segments.is_empty()) {
        at.require("minutes", expected);
        return given.unwrap_or(0);
    }
    let sum: u32 = segments.iter().map(|segment| segment.minutes + segment.gap_after).sum();
    match at.field("minutes") {
        _ if !whole => {}
        Some(field) if given.is_some_and(|given| given != sum) => {
            field.refuse(&format!("{sum}, the sum of its segments and gaps"))
        }
        Some(_) => {}
        None if !(5..=480).contains(&sum) => at.refuse(&format!("segments of {sum} minutes"), "segments of 5 to 480 minutes"),
        None => {}
    }
    sum
}

fn minutes(at: &Section<'_>, key: &str, least: i64, most: i64) -> Option<u32> {
    at.whole(key, least..=most).and_then(|number| u32::try_from(number).ok())
}

/// A word must lead to one service.
fn refuse_shared_names(listed: &[Listed<'_>]) {
    let mut owners: BTreeMap<String, usize> = BTreeMap::new();
    for (index, each) in listed.iter().enumerate().filter(|(_, each)| !each.service.name.is_empty()) {
        let owner = *owners.entry(folded(&each.service.name)).or_insert(index);
        if owner != index
            && let Some(field) = each.at.field("name")
        {
            field.refuse(&format!("a name that {} does not have", listed[owner].at.path()));
        }
    }
    for (index, each) in listed.iter().enumerate() {
        for element in each.at.field("synonyms").iter().flat_map(|field| field.elements()) {
            let Some(word) = element.text().and_then(|text| plain(text, 150)) else { continue };
            let owner = *owners.entry(folded(&word)).or_insert(index);
            if owner != index {
                element.refuse(&format!("a word that {} does not have", listed[owner].at.path()));
            }
        }
    }
}
