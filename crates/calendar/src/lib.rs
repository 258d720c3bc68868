//! The calendars: Cal.com and the built-in one behind the core's calendar port.
//!
//! Reading order: [`Calendars`] picks the calendar of a tenant, [`CalCom`] speaks to Cal.com,
//! [`Cached`] remembers what it said, [`Guard`] leaves a failing account alone, [`BuiltinCalendar`] needs nobody. Their JSON never leaves here.

mod builtin;
mod cached;
mod calcom;
mod dispatch;
mod guard;
mod parts;
mod reach;

pub use builtin::BuiltinCalendar;
pub use cached::Cached;
pub use calcom::{CalCom, OpenError};
pub use dispatch::{Calendars, open};
pub use guard::{Guard, GuardRules};
pub use reach::Reach;
