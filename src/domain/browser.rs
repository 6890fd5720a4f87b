//! Descriptions of browsers, such as "Firefox on Linux".
//!
//! For display only: a description tells the reader of a mail or page where an attempt came from. It must not decide
//! anything, since a sender chooses its `User-Agent` header freely. For the same reason the output consists of words from
//! woothee's tables and never of parts of the header.

use woothee::parser::Parser;

/// How much of the header is parsed, in bytes.
const MAX_INPUT: usize = 512;

/// The longest description, in bytes.
const MAX_DESCRIPTION: usize = 40;

/// woothee's word for an unknown browser or system.
const UNKNOWN: &str = "UNKNOWN";

/// Describes the sender of a `User-Agent` header (RFC 9110 section 10.1.5), such as "Safari on iPhone".
///
/// The description is ASCII: at most 40 bytes of letters, digits, spaces and `./+-`. `None` if the browser is unknown or a
/// crawler. Only the first 512 bytes of the header are parsed.
#[must_use]
pub fn describe(user_agent: &str) -> Option<String> {
    let user_agent = &user_agent[..user_agent.floor_char_boundary(MAX_INPUT)];
    let seen = Parser::new().parse(user_agent)?;
    if seen.category == "crawler" {
        return None;
    }
    let description = match (browser_name(seen.name), system_name(seen.os)) {
        (Some(browser), Some(system)) if browser != system => format!("{browser} on {system}"),
        (Some(browser), _) => browser.to_owned(),
        (None, Some(system)) => format!("Browser on {system}"),
        (None, None) => return None,
    };
    is_plain(&description).then_some(description)
}

/// The name of a browser as people know it.
fn browser_name(name: &str) -> Option<&str> {
    Some(match name {
        UNKNOWN | "" => return None,
        "HTTP Library" => "HTTP client",
        "Google Search App" => "Google app",
        "SamsungBrowser" => "Samsung Internet",
        "Webview" => "In-app browser",
        known => known,
    })
}

/// The name of an operating system or device as people know it, without the version.
fn system_name(os: &str) -> Option<&str> {
    Some(match os {
        UNKNOWN | "" => return None,
        "Mac OSX" => "macOS",
        "Mac OS Classic" => "Mac OS",
        "Windows Phone OS" => "Windows Phone",
        "BlackBerry 10" => "BlackBerry",
        windows if windows.starts_with("Windows ") => "Windows",
        known => known,
    })
}

fn is_plain(text: &str) -> bool {
    text.len() <= MAX_DESCRIPTION && text.bytes().all(|b| b.is_ascii_alphanumeric() || b" ./+-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_browsers_are_named_with_their_system() {
        let cases = [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.5 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile \
                 Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 \
                 Safari/537.36 Edg/138.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 \
                 Safari/605.1.15",
                "Safari on macOS",
            ),
            ("Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko", "Internet Explorer on Windows"),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) \
                 SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 CriOS/138.0.0.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 \
                 Safari/537.36",
                "Chrome on ChromeOS",
            ),
        ];
        for (user_agent, description) in cases {
            assert_eq!(describe(user_agent).as_deref(), Some(description), "{user_agent}");
        }
    }

    #[test]
    fn an_unknown_browser_has_no_description() {
        for user_agent in ["", "-", "x", "<script>alert(1)</script>", "\u{202e}"] {
            assert_eq!(describe(user_agent), None, "{user_agent}");
        }
    }

    #[test]
    fn a_program_or_a_device_is_named_without_repeating_itself() {
        assert_eq!(describe("curl/8.5.0").as_deref(), Some("HTTP client"));
        assert_eq!(
            describe("Mozilla/5.0 (PlayStation 4 3.11) AppleWebKit/537.73").as_deref(),
            Some("PlayStation 4")
        );
        assert_eq!(describe("Mozilla/5.0 (X11; Linux x86_64)").as_deref(), Some("Browser on Linux"));
    }

    #[test]
    fn a_crawler_has_no_description() {
        assert_eq!(
            describe("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
            None
        );
    }

    #[test]
    fn nothing_of_the_header_itself_comes_out() {
        let user_agent = "Mozilla/5.0 (X11; Linux <b>x</b>) Firefox/<b>1.0</b> Firefox/140.0";
        assert_eq!(describe(user_agent).as_deref(), Some("Firefox on Linux"));
    }

    #[test]
    fn a_long_header_is_cut_between_characters() {
        for shift in 0..4 {
            let user_agent = format!("{}{}", "a".repeat(shift), "😀".repeat(1000));
            assert_eq!(describe(&user_agent), None);
        }
        let late = format!("{} Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0", "a".repeat(MAX_INPUT));
        assert_eq!(describe(&late), None);
    }
}
