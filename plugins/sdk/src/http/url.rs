//! URLs put together from what servers and operators say, so that no id can become another path.

/// A URL that is being put together (RFC 3986).
///
/// ```
/// use postrider_connector::http::Url;
///
/// let url = Url::new("https://mail.example.com/v1/").segment("messages").segment("a/../b c").query("page", "1&2").query("q", "ü");
/// assert_eq!(url.to_string(), "https://mail.example.com/v1/messages/a%2F..%2Fb%20c?page=1%262&q=%C3%BC");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    text: String,
    has_query: bool,
}

impl Url {
    /// A URL that begins with `base`, which is taken as it is: an origin with or without a path.
    #[must_use]
    pub fn new(base: &str) -> Self {
        Self { text: base.trim_end_matches('/').to_owned(), has_query: base.contains('?') }
    }

    /// With a further segment of the path, before any [`query`](Self::query). What would be read as a separator is encoded, and a segment of dots (which
    /// would lead upwards, RFC 3986 section 5.2.4, encoded or not) gets the word "dots" instead of them.
    #[must_use]
    pub fn segment(mut self, segment: &str) -> Self {
        self.text.push('/');
        if matches!(segment, "." | "..") {
            self.text.push_str("dots");
        } else {
            encode(segment, &mut self.text);
        }
        self
    }

    /// With a further parameter.
    #[must_use]
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        encode(name, &mut self.text);
        self.text.push('=');
        encode(value, &mut self.text);
        self
    }
}

impl std::fmt::Display for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Url> for String {
    fn from(url: Url) -> Self {
        url.text
    }
}

/// Everything but the unreserved characters (RFC 3986 section 2.3) as `%XX`.
fn encode(text: &str, url: &mut String) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            url.push(char::from(octet));
        } else {
            let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
            url.extend(['%', digit(octet >> 4), digit(octet & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn no_segment_leads_upwards() {
        let url = Url::new("https://h.example/v1/").segment("..").segment("...").segment(".").segment("a.b");
        assert_eq!(url.to_string(), "https://h.example/v1/dots/.../dots/a.b");
    }

    proptest! {
        #[test]
        fn nothing_of_a_server_changes_the_path(id in "\\PC{0,20}", value in any::<String>()) {
            let url = Url::new("https://h.example/v1").segment(&id).query("v", &value).to_string();
            let (path, query) = url.strip_prefix("https://h.example/v1/").unwrap().split_once('?').unwrap();
            prop_assert!(path != "." && path != "..");
            for part in [path, query.strip_prefix("v=").unwrap()] {
                prop_assert!(part.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._~%".contains(&octet)), "{}", url);
            }
        }
    }
}
