//! Public holidays by region: Germany and its states (`DE`, `DE-BE`, …), Austria (`AT`), Switzerland
//! (`CH`) and its cantons (`CH-ZH`, …). Days kept in whole regions only; what single towns keep belongs
//! into a tenant's closures or its own list of days.
//!
//! Sources: the states' holiday laws (Feiertagsgesetze), Austria's Feiertagsruhegesetz, and the
//! Swiss cantons' lists of days that stand like Sundays.

use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};

/// A public holiday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holiday {
    /// Its German name.
    pub de: &'static str,
    /// Its English name.
    pub en: &'static str,
}

/// When a holiday falls.
#[derive(Debug, Clone, Copy)]
enum Rule {
    /// Month, day.
    Fixed(i8, i8),
    /// Days from Easter Sunday.
    Easter(i16),
    /// The Wednesday before 23 November.
    Repentance,
    /// The third Sunday in September and the Monday after it.
    FederalFastMonday,
    /// The Thursday after the first Sunday in September.
    GenevaFast,
    /// Once.
    Once(i16, i8, i8),
}

struct Day {
    holiday: Holiday,
    rule: Rule,
    /// Regions that keep it; a country stands for all of it.
    regions: &'static str,
    /// The first year it is kept.
    since: i16,
}

const fn day(de: &'static str, en: &'static str, rule: Rule, regions: &'static str) -> Day {
    Day { holiday: Holiday { de, en }, rule, regions, since: 0 }
}

const fn since(year: i16, day: Day) -> Day {
    Day { since: year, ..day }
}

/// The regions are separated by spaces.
const DAYS: &[Day] = &[
    // Germany
    day("Neujahr", "New Year's Day", Rule::Fixed(1, 1), "DE AT CH"),
    day("Heilige Drei Könige", "Epiphany", Rule::Fixed(1, 6), "DE-BW DE-BY DE-ST AT CH-UR CH-SZ CH-TI"),
    since(2019, day("Internationaler Frauentag", "International Women's Day", Rule::Fixed(3, 8), "DE-BE")),
    since(2023, day("Internationaler Frauentag", "International Women's Day", Rule::Fixed(3, 8), "DE-MV")),
    day(
        "Karfreitag",
        "Good Friday",
        Rule::Easter(-2),
        "DE CH-ZH CH-BE CH-LU CH-UR CH-SZ CH-OW CH-NW CH-GL CH-ZG CH-FR CH-SO CH-BS CH-BL CH-SH CH-AR CH-AI CH-SG CH-GR CH-AG CH-TG CH-VD CH-NE CH-GE CH-JU",
    ),
    day("Ostersonntag", "Easter Sunday", Rule::Easter(0), "DE-BB"),
    day(
        "Ostermontag",
        "Easter Monday",
        Rule::Easter(1),
        "DE AT CH-ZH CH-BE CH-LU CH-UR CH-SZ CH-OW CH-NW CH-GL CH-ZG CH-FR CH-BS CH-BL CH-SH CH-AR CH-AI CH-SG CH-GR CH-TG CH-TI CH-VD CH-GE CH-JU",
    ),
    day("Tag der Arbeit", "Labour Day", Rule::Fixed(5, 1), "DE CH-ZH CH-BS CH-BL CH-SH CH-TG CH-TI CH-NE CH-JU"),
    day("Staatsfeiertag", "National Holiday", Rule::Fixed(5, 1), "AT"),
    day("Tag der Befreiung", "Liberation Day", Rule::Once(2020, 5, 8), "DE-BE"),
    day("Tag der Befreiung", "Liberation Day", Rule::Once(2025, 5, 8), "DE-BE"),
    day("Christi Himmelfahrt", "Ascension Day", Rule::Easter(39), "DE AT CH"),
    day("Pfingstsonntag", "Whit Sunday", Rule::Easter(49), "DE-BB"),
    day(
        "Pfingstmontag",
        "Whit Monday",
        Rule::Easter(50),
        "DE AT CH-ZH CH-BE CH-LU CH-UR CH-SZ CH-OW CH-NW CH-GL CH-ZG CH-FR CH-BS CH-BL CH-SH CH-AR CH-AI CH-SG CH-GR CH-TG CH-TI CH-VD CH-GE CH-JU",
    ),
    day(
        "Fronleichnam",
        "Corpus Christi",
        Rule::Easter(60),
        "DE-BW DE-BY DE-HE DE-NW DE-RP DE-SL AT CH-LU CH-UR CH-SZ CH-OW CH-NW CH-ZG CH-FR CH-AI CH-TI CH-VS CH-JU",
    ),
    day(
        "Mariä Himmelfahrt",
        "Assumption Day",
        Rule::Fixed(8, 15),
        "DE-SL AT CH-LU CH-UR CH-SZ CH-OW CH-NW CH-ZG CH-FR CH-AI CH-TI CH-VS CH-JU",
    ),
    since(2019, day("Weltkindertag", "World Children's Day", Rule::Fixed(9, 20), "DE-TH")),
    day("Tag der Deutschen Einheit", "German Unity Day", Rule::Fixed(10, 3), "DE"),
    day("Reformationstag", "Reformation Day", Rule::Once(2017, 10, 31), "DE"),
    day("Reformationstag", "Reformation Day", Rule::Fixed(10, 31), "DE-BB DE-MV DE-SN DE-ST DE-TH"),
    since(2018, day("Reformationstag", "Reformation Day", Rule::Fixed(10, 31), "DE-HB DE-HH DE-NI DE-SH")),
    day(
        "Allerheiligen",
        "All Saints' Day",
        Rule::Fixed(11, 1),
        "DE-BW DE-BY DE-NW DE-RP DE-SL AT CH-LU CH-UR CH-SZ CH-OW CH-NW CH-GL CH-ZG CH-FR CH-AI CH-SG CH-TI CH-VS CH-JU",
    ),
    day("Buß- und Bettag", "Day of Repentance and Prayer", Rule::Repentance, "DE-SN"),
    day("Weihnachten", "Christmas Day", Rule::Fixed(12, 25), "DE AT CH"),
    day("Zweiter Weihnachtstag", "Second Christmas Day", Rule::Fixed(12, 26), "DE"),
    // Austria
    day("Nationalfeiertag", "National Day", Rule::Fixed(10, 26), "AT"),
    day(
        "Mariä Empfängnis",
        "Immaculate Conception",
        Rule::Fixed(12, 8),
        "AT CH-LU CH-UR CH-SZ CH-OW CH-NW CH-ZG CH-FR CH-AI CH-TI CH-VS",
    ),
    day("Stefanitag", "St Stephen's Day", Rule::Fixed(12, 26), "AT"),
    // Switzerland
    day(
        "Berchtoldstag",
        "Berchtold's Day",
        Rule::Fixed(1, 2),
        "CH-ZH CH-BE CH-LU CH-OW CH-GL CH-ZG CH-FR CH-SO CH-SH CH-AG CH-TG CH-VD CH-NE CH-JU",
    ),
    day("Jahrestag der Republik", "Republic Day", Rule::Fixed(3, 1), "CH-NE"),
    day("Josefstag", "St Joseph's Day", Rule::Fixed(3, 19), "CH-UR CH-SZ CH-NW CH-TI CH-VS"),
    day("Fest der Unabhängigkeit", "Independence Day", Rule::Fixed(6, 23), "CH-JU"),
    day("Peter und Paul", "St Peter and St Paul", Rule::Fixed(6, 29), "CH-TI"),
    day("Bundesfeier", "Swiss National Day", Rule::Fixed(8, 1), "CH"),
    day("Genfer Bettag", "Geneva Fast", Rule::GenevaFast, "CH-GE"),
    day("Bettagsmontag", "Federal Fast Monday", Rule::FederalFastMonday, "CH-VD"),
    day("Bruder Klaus", "St Nicholas of Flüe", Rule::Fixed(9, 25), "CH-OW"),
    day(
        "Stephanstag",
        "St Stephen's Day",
        Rule::Fixed(12, 26),
        "CH-ZH CH-BE CH-LU CH-UR CH-SZ CH-OW CH-NW CH-GL CH-ZG CH-FR CH-SO CH-BS CH-BL CH-SH CH-AR CH-AI CH-SG CH-GR CH-AG CH-TG CH-TI",
    ),
    day("Wiederherstellung der Republik", "Restoration of the Republic", Rule::Fixed(12, 31), "CH-GE"),
];

const REGIONS: &[&str] = &[
    "DE", "DE-BW", "DE-BY", "DE-BE", "DE-BB", "DE-HB", "DE-HH", "DE-HE", "DE-MV", "DE-NI", "DE-NW", "DE-RP", "DE-SL", "DE-SN",
    "DE-ST", "DE-SH", "DE-TH", "AT", "AT-1", "AT-2", "AT-3", "AT-4", "AT-5", "AT-6", "AT-7", "AT-8", "AT-9", "CH", "CH-ZH",
    "CH-BE", "CH-LU", "CH-UR", "CH-SZ", "CH-OW", "CH-NW", "CH-GL", "CH-ZG", "CH-FR", "CH-SO", "CH-BS", "CH-BL", "CH-SH", "CH-AR",
    "CH-AI", "CH-SG", "CH-GR", "CH-AG", "CH-TG", "CH-TI", "CH-VD", "CH-VS", "CH-NE", "CH-GE", "CH-JU",
];

/// Every region that is known.
pub fn regions() -> impl Iterator<Item = &'static str> {
    REGIONS.iter().copied()
}

/// Whether the region is known.
pub fn is_region(region: &str) -> bool {
    REGIONS.contains(&region)
}

/// The public holiday of `region` on `date`, if it is one.
pub fn on(region: &str, date: Date) -> Option<Holiday> {
    let country = region.split('-').next().unwrap_or(region);
    DAYS.iter()
        .filter(|day| date.year() >= day.since && day.regions.split(' ').any(|kept| kept == region || kept == country))
        .find(|day| falls_on(day.rule, date))
        .map(|day| day.holiday)
}

fn falls_on(rule: Rule, date: Date) -> bool {
    match rule {
        Rule::Fixed(month, day) => date.month() == month && date.day() == day,
        Rule::Once(year, month, day) => date.year() == year && date.month() == month && date.day() == day,
        Rule::Easter(days) => easter(date.year()).and_then(|easter| easter.checked_add(days.days()).ok()) == Some(date),
        Rule::Repentance => date.month() == 11 && (16..=22).contains(&date.day()) && date.weekday() == Weekday::Wednesday,
        // The third Sunday is the 15th to the 21st; its Monday is the day after.
        Rule::FederalFastMonday => date.month() == 9 && (16..=22).contains(&date.day()) && date.weekday() == Weekday::Monday,
        // The first Sunday is the 1st to the 7th; the Thursday after it the 5th to the 11th.
        Rule::GenevaFast => date.month() == 9 && (5..=11).contains(&date.day()) && date.weekday() == Weekday::Thursday,
    }
}

/// Easter Sunday of the Gregorian calendar (the anonymous algorithm of 1876).
fn easter(year: i16) -> Option<Date> {
    let y = i32::from(year);
    let (a, b, c) = (y % 19, y / 100, y % 100);
    let h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
    let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let month = (h + l - 7 * m + 114) / 31;
    let day = (h + l - 7 * m + 114) % 31 + 1;
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn easter_falls_when_the_almanac_says() {
        for (year, month, day) in [(2024, 3, 31), (2025, 4, 20), (2026, 4, 5), (2027, 3, 28), (2038, 4, 25), (2008, 3, 23)] {
            assert_eq!(easter(year), Some(date(year, month, day)));
        }
    }

    #[test]
    fn each_region_keeps_its_own_days() {
        for (region, day, name) in [
            ("DE-BE", date(2026, 4, 3), Some("Karfreitag")),
            ("DE-BE", date(2026, 3, 8), Some("Internationaler Frauentag")),
            ("DE-BE", date(2018, 3, 8), None),
            ("DE-BE", date(2025, 5, 8), Some("Tag der Befreiung")),
            ("DE-BE", date(2026, 5, 8), None),
            ("DE-BY", date(2026, 1, 6), Some("Heilige Drei Könige")),
            ("DE-BE", date(2026, 1, 6), None),
            ("DE-SN", date(2026, 11, 18), Some("Buß- und Bettag")),
            ("DE-BY", date(2026, 11, 18), None),
            ("DE-NW", date(2026, 6, 4), Some("Fronleichnam")),
            ("DE-TH", date(2026, 9, 20), Some("Weltkindertag")),
            ("DE-HH", date(2017, 10, 31), Some("Reformationstag")),
            ("DE-HH", date(2016, 10, 31), None),
            ("DE-HH", date(2026, 10, 31), Some("Reformationstag")),
            ("DE", date(2026, 10, 3), Some("Tag der Deutschen Einheit")),
            ("AT", date(2026, 10, 26), Some("Nationalfeiertag")),
            ("AT-9", date(2026, 12, 8), Some("Mariä Empfängnis")),
            ("AT", date(2026, 4, 3), None),
            ("CH-ZH", date(2026, 8, 1), Some("Bundesfeier")),
            ("CH-ZH", date(2026, 1, 2), Some("Berchtoldstag")),
            ("CH-TI", date(2026, 4, 3), None),
            ("CH-GE", date(2026, 9, 10), Some("Genfer Bettag")),
            ("CH-VD", date(2026, 9, 21), Some("Bettagsmontag")),
        ] {
            assert_eq!(on(region, day).map(|holiday| holiday.de), name, "{region} {day}");
        }
    }

    #[test]
    fn every_region_is_used_and_every_used_region_is_known() {
        for day in DAYS {
            for region in day.regions.split(' ') {
                assert!(is_region(region), "{region}");
            }
        }
        assert_eq!(regions().filter(|region| region.starts_with("DE-")).count(), 16);
        assert_eq!(regions().filter(|region| region.starts_with("CH-")).count(), 26);
        assert!(!is_region("DE-XX") && !is_region(""));
    }
}
