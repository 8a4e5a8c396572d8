//! Bodies in which a connector could say what its headers and URLs may not: batches of requests (multipart/mixed with application/http, as
//! Google takes them, and JSON to `$batch`, as OData and Graph do), and forms. Looked through as they pass, before their octets go on.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use url::{Url, form_urlencoded};

use super::multipart::{Boundary, Multipart};
use super::origin::is_secret_parameter;
use super::{Admitted, BatchError, Origin, Refusal, is_hosts_header, method};
use crate::limits::HTTP_BATCH_OCTETS;

mod json;

/// Form fields that carry a token (RFC 6750 section 2.2).
const TOKEN_FIELDS: &[&str] = &["accesstoken", "oauthtoken"];

/// Looks through one body.
pub enum Inspection {
    /// One that can say nothing.
    Nothing,
    /// Understood only as a whole; it is small, and its last octets go out after it was understood.
    Whole {
        /// What it is.
        form: WholeForm,
        /// Of it so far.
        gathered: Vec<u8>,
        /// Whom it goes to.
        origin: Origin,
    },
    /// Part by part.
    Multipart(Box<Multipart>),
}

/// What is understood as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WholeForm {
    /// A batch of requests in JSON (OData JSON Format 4.01 section 19).
    JsonBatch,
    /// application/x-www-form-urlencoded.
    Fields,
}

impl Inspection {
    /// For the body of a request with these `headers` to `to`.
    ///
    /// # Errors
    /// A content type that can be read in two ways, or a batch that cannot be looked through.
    pub fn of(headers: &HeaderMap, to: &Admitted) -> Result<Self, Refusal> {
        let mut types = headers.get_all(CONTENT_TYPE).iter();
        let given = types.next().map(|value| value.to_str().map_err(|_| Refusal::BadHeader)).transpose()?.unwrap_or_default();
        if types.next().is_some() {
            return Err(BatchError::TwoTypes.into());
        }
        let media = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_batch = is_batch_path(to.url.path());
        let inspection = if let Some(subtype) = media.strip_prefix("multipart/") {
            let boundary = Boundary::of(given).ok_or(BatchError::Boundary)?;
            // Uploads have parts of any kind, whose octets are nobody's request.
            let has_requests = is_batch || !matches!(subtype, "related" | "form-data");
            Self::Multipart(Box::new(Multipart::new(&boundary, has_requests, to.origin.clone())))
        } else if is_batch {
            if !(media == "application/json" || media.starts_with("application/") && media.ends_with("+json")) {
                return Err(BatchError::Type.into());
            }
            Self::Whole { form: WholeForm::JsonBatch, gathered: Vec::new(), origin: to.origin.clone() }
        } else if media == "application/x-www-form-urlencoded" {
            Self::Whole { form: WholeForm::Fields, gathered: Vec::new(), origin: to.origin.clone() }
        } else {
            Self::Nothing
        };
        if !matches!(inspection, Self::Nothing) && headers.contains_key(CONTENT_ENCODING) {
            return Err(BatchError::Coded.into());
        }
        Ok(inspection)
    }

    /// The next octets of the body, before they go on.
    ///
    /// # Errors
    /// What may not be asked.
    pub fn take(&mut self, octets: &[u8]) -> Result<(), Refusal> {
        match self {
            Self::Nothing => Ok(()),
            Self::Whole { gathered, .. } if gathered.len() + octets.len() > HTTP_BATCH_OCTETS => Err(BatchError::TooLong.into()),
            Self::Whole { gathered, .. } => {
                gathered.extend_from_slice(octets);
                Ok(())
            }
            Self::Multipart(multipart) => multipart.take(octets),
        }
    }

    /// That was all, and its last octets have not gone on yet.
    ///
    /// # Errors
    /// What may not be asked.
    pub fn finish(&mut self) -> Result<(), Refusal> {
        match self {
            Self::Nothing => Ok(()),
            Self::Whole { form: WholeForm::JsonBatch, gathered, origin } => json::check(gathered, origin),
            Self::Whole { form: WholeForm::Fields, gathered, .. } => check_fields(gathered),
            Self::Multipart(multipart) => multipart.finish(),
        }
    }
}

/// One request inside of a batch.
pub(super) struct Inner<'a> {
    pub(super) method: &'a str,
    pub(super) url: &'a str,
}

impl Inner<'_> {
    /// Whether it may be asked of `origin`, which the batch goes to with its credential.
    pub(super) fn check(&self, origin: &Origin) -> Result<(), Refusal> {
        method(&self.method.to_ascii_uppercase())?;
        let plain = self.url.bytes().all(|c| c.is_ascii_graphic()) && !self.url.contains('\\') && self.url.len() <= super::URL_OCTETS;
        let before_path = self.url.split(['/', '?', '#']).next().unwrap_or_default();
        // "https:elsewhere" is relative to some and absolute to others.
        let is_clear = !before_path.contains(':') || self.url.to_ascii_lowercase().starts_with("https://");
        if !plain || !is_clear || self.url.is_empty() {
            return Err(Refusal::BadUrl);
        }
        let base = Url::parse(&format!("{origin}/")).map_err(|_| Refusal::BadUrl)?;
        let url = base.join(self.url).map_err(|_| Refusal::BadUrl)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserInUrl);
        }
        if url.origin() != base.origin() {
            return Err(BatchError::Elsewhere.into());
        }
        if is_batch_path(url.path()) {
            return Err(BatchError::Nested.into());
        }
        match url.query_pairs().find(|(name, _)| is_secret_parameter(name)) {
            Some((name, _)) => Err(Refusal::SecretParameter(name.chars().take(64).collect())),
            None => Ok(()),
        }
    }
}

/// A header of a request inside of a batch; its length may be told there.
pub(super) fn check_inner_header(name: &str, value: &str) -> Result<(), Refusal> {
    let parsed = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| Refusal::BadHeader)?;
    if parsed != "content-length" && is_hosts_header(parsed.as_str()) {
        return Err(Refusal::Header(parsed.to_string()));
    }
    http::HeaderValue::from_str(value).map_err(|_| Refusal::BadHeader)?;
    Ok(())
}

/// "/v1.0/$batch", however it is spelled; Google's are told by their content type.
fn is_batch_path(path: &str) -> bool {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let decoded = percent_encoding::percent_decode_str(last).decode_utf8_lossy().to_ascii_lowercase();
    // Path parameters (RFC 3986 section 3.3) and OData's system segments alike.
    decoded.split(';').next() == Some("$batch")
}

fn check_fields(octets: &[u8]) -> Result<(), Refusal> {
    let is_token = |name: &str| {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
        TOKEN_FIELDS.contains(&plain.as_str())
    };
    match form_urlencoded::parse(octets).find(|(name, _)| is_token(name)) {
        Some((name, _)) => Err(Refusal::SecretParameter(name.chars().take(64).collect())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
