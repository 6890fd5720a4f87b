//! A response, and what tests expect of it.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    /// The JSON body; `null` if the body is not JSON.
    pub body: Value,
    pub raw: String,
}

/// Sends a request and reads the whole answer.
pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let raw = response.text().await.unwrap();
    Answer { status, headers, body: serde_json::from_str(&raw).unwrap_or(Value::Null), raw }
}

impl Answer {
    #[track_caller]
    pub fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.raw);
        self
    }

    /// Asserts that this is a problem with this code, complete as RFC 9457 and `docs/architecture.md` ask for.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) -> &Self {
        self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.raw);
        assert_eq!(self.body["code"], code, "{}", self.raw);
        assert_eq!(self.body["status"], status);
        assert!(self.text("type").ends_with(&format!("/problems/{code}")));
        assert!(!self.text("title").is_empty() && !self.text("detail").is_empty());
        assert_eq!(self.text("request_id"), self.header("x-request-id"));
        if matches!(status, 429 | 503) {
            assert!(self.header("retry-after").parse::<u64>().unwrap() > 0);
        }
        self
    }

    /// Asserts that the store or the relay is unavailable, and that the problem says when to retry.
    #[track_caller]
    pub fn expect_bad_luck(&self) -> &Self {
        let code = self.body["code"].as_str().unwrap_or_default();
        assert!(matches!(code, "store_unavailable" | "mail_unavailable"), "{}", self.raw);
        self.expect_problem(503, code)
    }

    #[track_caller]
    pub fn expect_page(&self, status: u16) -> &Self {
        self.expect(status);
        assert_eq!(self.header("content-type"), "text/html; charset=utf-8", "{}", self.raw);
        self
    }

    /// The page without the escapes of HTML.
    fn words(&self) -> String {
        self.raw.replace("&#x27;", "'").replace("&#x2f;", "/").replace("&amp;", "&")
    }

    #[track_caller]
    pub fn shows(&self, texts: &[&str]) -> &Self {
        for text in texts {
            assert!(self.words().contains(text), "no {text:?} in {}", self.raw);
        }
        self
    }

    #[track_caller]
    pub fn hides(&self, texts: &[&str]) -> &Self {
        for text in texts {
            assert!(!self.words().contains(text), "{text:?} is in {}", self.raw);
        }
        self
    }

    /// The `Set-Cookie` header of the cookie with this name.
    pub fn set_cookie(&self, name: &str) -> Option<String> {
        let cookies = self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
        cookies.filter(|cookie| cookie.starts_with(&format!("{name}="))).map(str::to_owned).next()
    }

    /// A text field of the body.
    #[track_caller]
    pub fn text(&self, member: &str) -> String {
        self.body[member].as_str().unwrap_or_else(|| panic!("no {member} in {}", self.raw)).to_owned()
    }

    /// A header, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The query parameter of the URL that the answer redirects to.
    #[track_caller]
    pub fn redirected(&self, parameter: &str) -> Option<String> {
        self.expect(303);
        let url = url::Url::parse(self.header("location")).unwrap();
        url.query_pairs().find(|(name, _)| name == parameter).map(|(_, value)| value.into_owned())
    }

    /// The confirmation in the form of a page, or in the description of a link.
    #[track_caller]
    pub fn confirmation(&self) -> String {
        if let Some(confirmation) = self.body["confirmation"].as_str() {
            return confirmation.to_owned();
        }
        let mark = "name=\"confirmation\" value=\"";
        let at =
            self.raw.find(mark).unwrap_or_else(|| panic!("no confirmation in {}", self.raw)) + mark.len();
        self.raw[at..at + 43].to_owned()
    }

    /// The relay code on a page.
    #[track_caller]
    pub fn relay_code(&self) -> String {
        if let Some(code) = self.body["relay_code"].as_str() {
            return code.to_owned();
        }
        let mark = "data-relay-code=\"";
        let at = self.raw.find(mark).unwrap_or_else(|| panic!("no relay code in {}", self.raw)) + mark.len();
        self.raw[at..at + 6].to_owned()
    }
}
