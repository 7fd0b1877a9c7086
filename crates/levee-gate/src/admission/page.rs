//! The waiting room for people: a plain page that needs no script and keeps the place on any device.

use levee_api::intake::Intake;
use levee_api::pass::Pass;
use levee_api::types::Level;
use levee_api::wire::WaitBody;

use super::places::{Places, time_us};

/// The page is not loaded again sooner, nor later, in seconds.
const REFRESH_S: std::ops::RangeInclusive<u64> = 2..=30;

/// Where a pass stands. What it says is not checked here: it lets nobody in.
pub(crate) fn standing(intake: &Intake, places: &Places, pass: &Pass) -> WaitBody {
    let now_us = intake.now_us();
    let ahead = places.ahead(intake, now_us, pass.place_us);
    let eta_ms = time_us(intake, ahead).div_ceil(1_000);
    let until_ms = |us: u64| us.saturating_sub(now_us).div_ceil(1_000);
    // Before an opening nobody is released, however near.
    let opens_in_ms = until_ms(pass.place_us);
    WaitBody {
        your_turn: pass.place_us < intake.watermark_us()
            && opens_in_ms == 0
            && intake.level() < Level::Essential,
        position_ahead: ahead,
        eta_ms: eta_ms + opens_in_ms,
        eta_p90_ms: until_ms(pass.promise.bound_us),
        poll_after_ms: until_ms(pass.due_us),
    }
}

/// Words of the page.
struct Words {
    lang: &'static str,
    title: &'static str,
    ahead: &'static str,
    eta: &'static str,
    bound: &'static str,
    turn: &'static str,
    keep: &'static str,
    minutes: &'static str,
    seconds: &'static str,
}

const EN: Words = Words {
    lang: "en",
    title: "You have a place in the queue",
    ahead: "People before you",
    eta: "Your turn comes in about",
    bound: "In nine cases of ten within",
    turn: "It is your turn: go back to the app.",
    keep: "This page refreshes by itself. Your place is kept: reloading or closing the page, or \
           another device, changes nothing about it.",
    minutes: "min",
    seconds: "s",
};

const ZH: Words = Words {
    lang: "zh-CN",
    title: "您已在排队中",
    ahead: "前面的人数",
    eta: "预计等待",
    bound: "十次中有九次不超过",
    turn: "轮到您了，请返回应用。",
    keep: "本页会自动刷新。您的位置已保留：刷新、关闭页面或更换设备都不会丢失。",
    minutes: "分钟",
    seconds: "秒",
};

/// The page, in the first of the languages that it has.
pub(crate) fn html(wait: &WaitBody, languages: &str) -> String {
    let zh = languages.trim_start().to_ascii_lowercase().starts_with("zh");
    let words = if zh { &ZH } else { &EN };
    let Words { lang, title, ahead, eta, bound, turn, keep, .. } = words;
    let time = |ms: u64| {
        let seconds = ms.div_ceil(1_000);
        if seconds < 120 {
            format!("{seconds}&nbsp;{}", words.seconds)
        } else {
            format!("{}&nbsp;{}", seconds.div_ceil(60), words.minutes)
        }
    };
    let refresh_s = (wait.eta_ms / 4_000).clamp(*REFRESH_S.start(), *REFRESH_S.end());
    let (refresh, body) = if wait.your_turn {
        (String::new(), format!("<p class=\"turn\">{turn}</p>"))
    } else {
        let bound_ms = wait.eta_p90_ms.max(wait.eta_ms);
        let facts = [
            (ahead, wait.position_ahead.to_string()),
            (eta, time(wait.eta_ms)),
            (bound, time(bound_ms)),
        ];
        let facts = facts.map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>"));
        (
            format!("<meta http-equiv=\"refresh\" content=\"{refresh_s}\">"),
            format!("<dl>{}</dl><p>{keep}</p>", facts.concat()),
        )
    };
    format!(
        "<!doctype html><html lang=\"{lang}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">{refresh}<title>{title}</title>\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:12vh auto;\
         padding:0 1.5rem}}h1{{font-size:1.5rem}}dt{{opacity:.7}}dd{{margin:0 0 1rem;\
         font-size:2rem;font-variant-numeric:tabular-nums}}.turn{{font-size:1.6rem}}</style>\
         </head><body><main><h1>{title}</h1>{body}</main></body></html>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_refreshes_until_it_is_ones_turn() {
        let mut wait = WaitBody {
            your_turn: false,
            position_ahead: 1_234,
            eta_ms: 61_000,
            eta_p90_ms: 300_000,
            poll_after_ms: 5,
        };
        let page = html(&wait, "en-GB,en");
        assert!(page.contains("refresh\" content=\"15\"") && page.contains("<dd>1234</dd>"));
        assert!(page.contains("61&nbsp;s") && page.contains("5&nbsp;min"), "{page}");
        assert!(!page.contains("<script"));
        assert!(html(&wait, "zh-CN").contains("lang=\"zh-CN\""));
        wait.your_turn = true;
        let page = html(&wait, "");
        assert!(!page.contains("refresh") && page.contains("go back to the app"));
    }
}
