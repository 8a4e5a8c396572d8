//! Requests and answers of REST services (RFC 9110), over the contract's `http` interface or a test's: bodies with honest ends, JSON with limits, and
//! refusals as the contract's errors. The host dials, secures, signs and follows redirects; a connector names the credential.
//!
//! ```
//! use postrider_connector::http::{Body, Request, Response, Url};
//!
//! #[derive(serde::Deserialize)]
//! struct Listing {
//!     messages: Vec<String>,
//! }
//!
//! # async fn exchange(_: Request) -> Result<Response, postrider_connector::types::Error> {
//! #     Ok(Response::new(200, [], Body::whole(r#"{"messages": ["1", "2"]}"#)))
//! # }
//! # postrider_connector::testing::block_on(async {
//! let url = Url::new("https://mail.example.com/v1").segment("messages").query("max", "100");
//! let response = exchange(Request::get(url).credential("token")).await?;
//! let listing: Listing = response.json(1 << 20).await?;
//! assert_eq!(listing.messages, ["1", "2"]);
//! # Ok::<(), postrider_connector::types::Error>(())
//! # }).unwrap();
//! ```

mod body;
mod pages;
mod refusal;
mod retry;
mod url;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::body::{Body, Coming, Source};
pub use self::pages::{Pages, next_link};
pub use self::retry::retry_after_ms;
pub use self::url::Url;
use crate::types::{Error, Failure};

/// One request. Its limits are the contract's (`wit/deps/http.wit`): 8,192 octets of URL, 64 headers of 32 KiB in all.
///
/// ```
/// use postrider_connector::http::{Request, Url};
///
/// let url = Url::new("https://mail.example.com/v1").segment("labels");
/// let request = Request::new("PATCH", url).header("If-Match", "\"7\"").credential("token").json(&["new"])?;
/// assert_eq!(request.body.as_deref(), Some(b"[\"new\"]".as_slice()));
/// assert_eq!(request.headers[1], ("Content-Type".to_owned(), "application/json".to_owned()));
/// # Ok::<(), postrider_connector::types::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Those that the host puts on itself are refused: `Authorization`, `Host`, `Content-Length` and the like.
    pub headers: Vec<(String, String)>,
    /// Which of the manifest's credentials the host puts on.
    pub credential: Option<String>,
    /// Quota units of the provider.
    pub cost: u32,
    /// The octets to send along.
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// A request without headers, credential and body, that costs 1.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self { method: method.to_owned(), url: url.into(), headers: Vec::new(), credential: None, cost: 1, body: None }
    }

    /// A `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A `POST`.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// A `DELETE`.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new("DELETE", url)
    }

    /// With a further header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Signed with the manifest's credential of this name.
    #[must_use]
    pub fn credential(mut self, name: &str) -> Self {
        self.credential = Some(name.to_owned());
        self
    }

    /// At this price in the provider's quota units.
    #[must_use]
    pub const fn cost(mut self, units: u32) -> Self {
        self.cost = units;
        self
    }

    /// With these octets as its body.
    #[must_use]
    pub fn body(mut self, content_type: &str, octets: impl Into<Vec<u8>>) -> Self {
        self.body = Some(octets.into());
        self.header("Content-Type", content_type)
    }

    /// With `value` as JSON.
    ///
    /// # Errors
    /// `malformed`: the value cannot be JSON (a map whose keys are no texts).
    pub fn json(self, value: &impl Serialize) -> Result<Self, Error> {
        let octets =
            serde_json::to_vec(value).map_err(|error| Error::new(Failure::Malformed, format!("the request cannot be JSON: {error}")))?;
        Ok(self.body("application/json", octets))
    }
}

/// One answer; its body may still be on the way.
#[derive(Debug)]
pub struct Response {
    /// 200 to 599.
    pub status: u16,
    /// In the order received, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Content codings are taken off.
    pub body: Body,
}

impl Response {
    /// An answer made by hand.
    ///
    /// ```
    /// use postrider_connector::http::{Body, Response};
    ///
    /// let response = Response::new(200, [("ETag", "\"7\"")], Body::whole("{}"));
    /// assert_eq!(response.header("etag"), Some("\"7\""));
    /// ```
    pub fn new<'a>(status: u16, headers: impl IntoIterator<Item = (&'a str, &'a str)>, body: Body) -> Self {
        let headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Self { status, headers, body }
    }

    /// The first header of this name, whatever its case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The answer where it is a success (2xx), otherwise the contract's error for it: the kind from the status, the service's words from a JSON body
    /// (RFC 9457 and the usual others), the time from `Retry-After`.
    ///
    /// ```
    /// use postrider_connector::http::{Body, Response};
    /// use postrider_connector::types::Failure;
    ///
    /// # postrider_connector::testing::block_on(async {
    /// let response = Response::new(429, [("Retry-After", "7")], Body::whole(r#"{"error": {"message": "Slow down."}}"#));
    /// let error = response.success().await.unwrap_err();
    /// assert_eq!((error.kind, error.retry_after_ms), (Failure::Throttled, Some(7_000)));
    /// assert_eq!(error.message, "Slow down.");
    /// # });
    /// ```
    ///
    /// # Errors
    /// | status | kind |
    /// |---|---|
    /// | 401 | `unauthenticated` |
    /// | 403 | `forbidden`; `throttled` where it says when to come again |
    /// | 404 | `gone` |
    /// | 409, 412 | `conflict` |
    /// | 410 | `stale-cursor` |
    /// | 413 | `too-large` |
    /// | 429 | `throttled` |
    /// | 405, 406, 415, 501 | `unsupported` |
    /// | 408, 425, 500, 502, 503, 504, 507 | `transient` |
    /// | any other | `permanent` |
    ///
    /// A provider that means something else by one of them is known to its connector, which changes the `kind`.
    pub async fn success(self) -> Result<Self, Error> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(refusal::error(self).await) }
    }

    /// The JSON of a [success](Self::success), at most `limit` octets of it.
    ///
    /// # Errors
    /// What [`success`](Self::success) makes of another status; `too-large` over the limit; `unreachable` where the body ends early; `malformed`
    /// where it is no such JSON, with line and column.
    pub async fn json<T: DeserializeOwned>(self, limit: usize) -> Result<T, Error> {
        let octets = self.success().await?.body.octets(limit).await?;
        serde_json::from_slice(&octets)
            .map_err(|error| Error::new(Failure::Malformed, format!("the answer is not the JSON that was expected: {error}")))
    }
}

#[cfg(test)]
mod tests;
