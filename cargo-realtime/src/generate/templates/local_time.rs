//! Timestamps as `<input type="datetime-local">` has them: in the time zone of whoever looks at the page, to the minute.

use leptos::prelude::*;
use leptos::web_sys::HtmlInputElement;
use leptos::web_sys::js_sys::Date;
use schema::Timestamp;

/// What a field shows for a timestamp: nothing until hydration, because the server does not know the time zone.
pub fn shown(timestamp: Memo<Option<Timestamp>>) -> Signal<String> {
    let shown = RwSignal::new(String::new());
    Effect::new(move || shown.set(timestamp.get().map(to_local).unwrap_or_default()));
    shown.into()
}

/// The timestamp that a field holds; `before`, which may be more precise, where nobody has changed it.
pub fn entered(field: &HtmlInputElement, before: Option<Timestamp>) -> Option<Timestamp> {
    let value = field.value();
    if value == field.default_value() {
        return before;
    }
    let date = Date::new(&value.into());
    (!date.get_time().is_nan()).then(|| Timestamp::from_javascript(&String::from(date.to_iso_string())))
}

fn to_local(timestamp: Timestamp) -> String {
    let date = Date::new(&timestamp.0.into());
    // A date in UTC that reads as the local one does.
    let local = Date::new(&(date.get_time() - date.get_timezone_offset() * 60_000.0).into());
    match local.get_time().is_nan() {
        true => String::new(),
        false => String::from(local.to_iso_string()).chars().take("2026-11-22T16:22".len()).collect(),
    }
}
