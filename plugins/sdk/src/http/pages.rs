//! Listings in pages: a token that the service hands out, or a link (RFC 8288).

use std::collections::BTreeSet;

use crate::types::{Error, Failure};

/// Walks over the pages of one listing, within a bound: a service that never ends it, or that sends the walk round in circles, is found.
///
/// ```
/// use postrider_connector::http::{Pages, Url};
///
/// # struct Page { next: Option<String> }
/// # let mut answers = [Some("b".to_owned()), None].into_iter();
/// # let mut ask = |_: Url| Page { next: answers.next().unwrap() };
/// let mut pages = Pages::new(1_000);
/// let mut asked = Vec::new();
/// while let Some(token) = pages.next() {
///     let mut url = Url::new("https://mail.example.com/v1").segment("messages");
///     if let Some(token) = token {
///         url = url.query("pageToken", &token);
///     }
///     asked.push(url.to_string());
///     let page = ask(url);
///     pages.follow(page.next)?;
/// }
/// assert_eq!(asked, ["https://mail.example.com/v1/messages", "https://mail.example.com/v1/messages?pageToken=b"]);
/// # Ok::<(), postrider_connector::types::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Pages {
    /// The next page to ask for: the first has no token.
    next: Option<Option<String>>,
    /// Hashes would do, but a listing has few pages.
    seen: BTreeSet<String>,
    limit: usize,
}

impl Pages {
    /// A walk over at most `limit` pages, at the first one.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { next: Some(None), seen: BTreeSet::new(), limit }
    }

    /// Which page to ask for: one without a token (the first), one with it, or none: that was the last. Without a [`follow`](Self::follow) in between there is none.
    #[expect(clippy::should_implement_trait, reason = "an iterator could not be told what a page says in the middle of a `for`")]
    pub fn next(&mut self) -> Option<Option<String>> {
        self.next.take()
    }

    /// What a page says of the next one: its token, or none where it is the last. An empty token is none: some services write it so.
    ///
    /// # Errors
    /// `malformed`: a token that was there before, or more pages than the limit.
    pub fn follow(&mut self, token: Option<String>) -> Result<(), Error> {
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(()) };
        if self.seen.len() + 1 >= self.limit {
            return Err(Error::new(Failure::Malformed, format!("the listing has more than {} pages", self.limit)));
        }
        if !self.seen.insert(token.clone()) {
            return Err(Error::new(Failure::Malformed, "the listing leads back to a page that was there before"));
        }
        self.next = Some(Some(token));
        Ok(())
    }
}

/// The target of the `Link` with `rel=next` (RFC 8288 section 3), as it is written: mostly an absolute URL.
///
/// ```
/// use postrider_connector::http::next_link;
///
/// let headers = [("link".to_owned(), r#"<https://h.example/?p=1>; rel="prev", <https://h.example/?p=3,4>; rel="next"; title="more, please""#.to_owned())];
/// assert_eq!(next_link(&headers), Some("https://h.example/?p=3,4".to_owned()));
/// ```
#[must_use]
pub fn next_link(headers: &[(String, String)]) -> Option<String> {
    let links = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("link"));
    links.into_iter().find_map(|(_, value)| {
        let mut rest = value.as_str();
        loop {
            let (target, after) = rest.trim_start_matches([' ', '\t', ',']).strip_prefix('<')?.split_once('>')?;
            let (parameters, next) = parameters(after);
            if is_next(parameters) {
                return Some(target.to_owned());
            }
            rest = next;
        }
    })
}

/// The parameters of one link, and what follows behind its comma. A comma between quotes is none.
fn parameters(text: &str) -> (&str, &str) {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => return (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default()),
            _ => {}
        }
    }
    (text, "")
}

/// Whether `rel` is among these and says "next", perhaps beside other words.
fn is_next(parameters: &str) -> bool {
    parameters.split(';').any(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else { return false };
        name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').split(' ').any(|word| word.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_and_endless_listings_are_found() {
        let mut pages = Pages::new(10);
        assert_eq!(pages.next(), Some(None));
        assert_eq!(pages.next(), None, "nothing was said of a next one");
        pages.follow(Some("a".to_owned())).unwrap();
        assert_eq!(pages.next(), Some(Some("a".to_owned())));
        assert_eq!(pages.follow(Some("a".to_owned())).unwrap_err().kind, Failure::Malformed);
        pages.follow(Some(String::new())).unwrap();
        assert_eq!(pages.next(), None);

        let mut pages = Pages::new(3);
        let mut count = 0;
        let error = loop {
            pages.next();
            count += 1;
            if let Err(error) = pages.follow(Some(count.to_string())) {
                break error;
            }
        };
        assert_eq!((count, error.message.as_str()), (3, "the listing has more than 3 pages"));
    }

    #[test]
    fn links_of_every_kind() {
        let link = |value: &str| next_link(&[("Link".to_owned(), value.to_owned())]);
        assert_eq!(link("<a>; rel=next"), Some("a".to_owned()));
        assert_eq!(link("<a>;title=\"x, <b>; rel=\\\"next\\\"\"; rel=\"last Next\""), Some("a".to_owned()));
        assert_eq!(link("<a>; rel=\"nextish\""), None);
        assert_eq!(link("<a>; rev=next, <b>"), None);
        assert_eq!(link("rel=next"), None);
        assert_eq!(link(""), None);
        assert_eq!(next_link(&[]), None);
    }
}
