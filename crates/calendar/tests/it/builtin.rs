//! The grid of the built-in calendar.

use frontdesk_calendar::BuiltinCalendar;
use frontdesk_core::hours::Closure;
use frontdesk_core::ports::{Calendar, CalendarError, Standing};
use jiff::civil::date;

use crate::people::{ask, at, attendee, builtin, cut, line, soon, wish};

#[tokio::test]
async fn starts_stand_on_quarters_from_the_opening_while_the_service_fits() {
    let (service, line) = (cut(), line(None, None));
    let whole = ask(&service, &line, "2030-01-07T00:00:00Z", "2030-01-08T00:00:00Z");
    let free = BuiltinCalendar.slots(&builtin(), &whole, soon()).await.expect("slots");
    assert_eq!(free.starts.len(), 11);
    assert_eq!((free.starts[0], free.starts[10]), (at("2030-01-07T08:00:00Z"), at("2030-01-07T10:30:00Z")));
    let part = ask(&service, &line, "2030-01-07T08:15:00Z", "2030-01-07T08:45:00Z");
    let free = BuiltinCalendar.slots(&builtin(), &part, soon()).await.expect("slots");
    assert_eq!(*free.starts, [at("2030-01-07T08:15:00Z"), at("2030-01-07T08:30:00Z")]);
}

#[tokio::test]
async fn own_hours_of_a_person_and_the_change_of_clocks_shape_the_grid() {
    let service = cut();
    let emma = line(Some("Emma"), None);
    // Sundays on which 01:00-04:00 by the wall is two hours, three, four.
    let days = [("2030-03-31", 7), ("2030-06-02", 11), ("2030-10-27", 15)];
    for (day, expected) in days {
        let ask = ask(&service, &emma, &format!("{day}T00:00:00+02:00"), &format!("{day}T22:00:00Z"));
        let free = BuiltinCalendar.slots(&builtin(), &ask, soon()).await.expect("slots");
        assert_eq!(free.starts.len(), expected, "{day}");
        assert!(free.starts.is_sorted());
    }
}

#[tokio::test]
async fn closed_days_are_empty_and_no_hours_need_mending() {
    let (service, line) = (cut(), line(None, None));
    let ask = ask(&service, &line, "2030-01-07T00:00:00Z", "2030-01-08T00:00:00Z");
    let mut tenant = builtin();
    tenant.closures = vec![Closure { from: date(2030, 1, 7), to: date(2030, 1, 7), reason: String::new() }];
    assert!(BuiltinCalendar.slots(&tenant, &ask, soon()).await.expect("slots").starts.is_empty());
    tenant.hours = None;
    let error = BuiltinCalendar.slots(&tenant, &ask, soon()).await.expect_err("no hours");
    assert!(matches!(error, CalendarError::Misconfigured { .. }));
}

#[tokio::test]
async fn changes_are_agreed_to_at_once() {
    let (tenant, new) = (builtin(), wish(attendee(None, None)));
    let booking = BuiltinCalendar.create(&tenant, &new, soon()).await.expect("booked");
    assert_eq!((booking.uid.as_str(), booking.standing, booking.start), (new.booking.as_str(), Standing::Accepted, new.start));
    let moved = BuiltinCalendar.reschedule(&tenant, &booking.uid, new.end, "", soon()).await.expect("moved");
    assert_eq!((moved.uid, moved.start), (booking.uid.clone(), new.end));
    BuiltinCalendar.cancel(&tenant, &booking.uid, "", soon()).await.expect("cancelled");
    assert!(BuiltinCalendar.find(&tenant, &new, soon()).await.expect("an answer").is_none());
}
