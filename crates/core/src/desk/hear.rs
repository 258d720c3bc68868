//! What the calendar tells by itself: bookings that people made, moved and cancelled there.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use super::Desk;
use crate::calendar_news::{Applied, CalendarNews, Placed};
use crate::ids::{BookingId, CallbackId};
use crate::ports::StoreError;
use crate::slot::{Line, busy_stretches};
use crate::tenant::{Service, Tenant};

/// No booking is longer; an end further off is as good as absent.
const LONGEST: SignedDuration = SignedDuration::from_hours(31 * 24);

impl Desk {
    /// Applies a piece of news. Where it goes against what a caller was told, or puts two people in one
    /// place, somebody has to look at it, soon.
    pub async fn hear(&self, tenant: &Tenant, news: &CalendarNews) -> Result<Applied, StoreError> {
        let news = believed(news);
        let placed = self.place(tenant, &news);
        let item = CallbackId::fresh(&*self.parts.dice, self.now());
        self.parts.diary.apply_news(tenant.scope(), &news, placed.as_ref(), &item, self.now()).await
    }

    /// Where a booking of that event type belongs; `None` where nothing here is booked like that.
    fn place(&self, tenant: &Tenant, news: &CalendarNews) -> Option<Placed> {
        let (event_type, start) = (news.event_type?, news.start?);
        let (service, line) = tenant.services.iter().find_map(|service| {
            let lines = Line::of(tenant, service, None);
            lines.into_iter().find(|line| line.event_type == Some(event_type)).map(|line| (service, line))
        })?;
        let host = news.host.and_then(|host| tenant.staff.iter().find(|staff| staff.calcom_host_id == Some(host)));
        let staff = line.staff.clone().or_else(|| host.map(|staff| staff.name.clone()));
        Some(Placed {
            booking: BookingId::fresh(&*self.parts.dice, self.now()),
            service: service.name.clone(),
            staff,
            resources: line.resources,
            busy: busy(service, start, news.end),
            usual_end: start.checked_add(service.duration()).ok()?,
        })
    }
}

/// The news without an end that no booking has: it would block a resource for as long as it says, a row a day.
fn believed(news: &CalendarNews) -> Cow<'_, CalendarNews> {
    match (news.start, news.end) {
        (Some(start), Some(end)) if end.duration_since(start) > LONGEST => {
            Cow::Owned(CalendarNews { end: None, is_endless: true, ..news.clone() })
        }
        _ => Cow::Borrowed(news),
    }
}

/// The service's own stretches, unless people made it longer or shorter than the service is.
fn busy(service: &Service, start: Timestamp, end: Option<Timestamp>) -> Vec<(Timestamp, Timestamp)> {
    match end {
        Some(end) if end > start && end != start + service.duration() => vec![(start, end)],
        Some(_) | None => busy_stretches(service, start),
    }
}
