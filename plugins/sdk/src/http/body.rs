//! A body that is read as it comes, and whose end is only believed where it is one.

use std::fmt;
use std::pin::Pin;

use crate::types::{Error, Failure};

/// What a [`Source`] will say.
pub type Coming<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Where the octets of a [`Body`] come from: the host's stream, or a test's.
///
/// ```
/// use postrider_connector::http::{Body, Coming, Source};
/// use postrider_connector::types::{Error, Failure};
///
/// /// Two pieces, and then the line breaks.
/// struct Broken(u8);
///
/// impl Source for Broken {
///     fn next(&mut self) -> Coming<'_, Option<Vec<u8>>> {
///         self.0 += 1;
///         Box::pin(std::future::ready((self.0 < 3).then(|| b"octets".to_vec())))
///     }
///
///     fn finished(&mut self) -> Coming<'_, Result<u64, Error>> {
///         Box::pin(std::future::ready(Err(Error::new(Failure::Unreachable, "the line broke"))))
///     }
/// }
///
/// # postrider_connector::testing::block_on(async {
/// assert_eq!(Body::new(Broken(0)).octets(100).await.unwrap_err().message, "the line broke");
/// # });
/// ```
pub trait Source {
    /// The next octets; none at the end, whole or not.
    fn next(&mut self) -> Coming<'_, Option<Vec<u8>>>;

    /// Asked once, after the last piece: how many octets there were in all, or why it was cut short.
    fn finished(&mut self) -> Coming<'_, Result<u64, Error>>;
}

/// The octets of an answer, in the pieces in which they come. Nothing of it is held.
pub struct Body {
    source: Box<dyn Source>,
    octets: u64,
    is_over: bool,
}

impl Body {
    /// A body from `source`.
    pub fn new(source: impl Source + 'static) -> Self {
        Self { source: Box::new(source), octets: 0, is_over: false }
    }

    /// A body that is there already: what a service puts into its JSON.
    ///
    /// ```
    /// # postrider_connector::testing::block_on(async {
    /// let mut body = postrider_connector::http::Body::whole("Subject: hi\r\n\r\n");
    /// assert_eq!(body.piece().await?, Some(b"Subject: hi\r\n\r\n".to_vec()));
    /// assert_eq!(body.piece().await?, None);
    /// # Ok::<(), postrider_connector::types::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn whole(octets: impl Into<Vec<u8>>) -> Self {
        let octets = octets.into();
        Self::new(There { count: octets.len() as u64, octets: Some(octets) })
    }

    /// How many octets were handed out.
    #[must_use]
    pub const fn handed_out(&self) -> u64 {
        self.octets
    }

    /// The next octets, never empty; none after the last one of a body that is whole.
    ///
    /// # Errors
    /// The body was cut short: what the source says, or `unreachable` where it says another number than came. A connector must not take what it has for
    /// the whole.
    pub async fn piece(&mut self) -> Result<Option<Vec<u8>>, Error> {
        while !self.is_over {
            match self.source.next().await {
                Some(piece) if piece.is_empty() => {}
                Some(piece) => {
                    self.octets = self.octets.saturating_add(piece.len() as u64);
                    return Ok(Some(piece));
                }
                None => {
                    self.is_over = true;
                    let count = self.source.finished().await?;
                    if count != self.octets {
                        return Err(Error::new(Failure::Unreachable, format!("the body ended after {} of {count} octets", self.octets)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// All octets, where there are at most `limit`.
    ///
    /// ```
    /// use postrider_connector::http::Body;
    /// use postrider_connector::types::Failure;
    ///
    /// # postrider_connector::testing::block_on(async {
    /// assert_eq!(Body::whole("four").octets(4).await?, b"four");
    /// assert_eq!(Body::whole("fiver").octets(4).await.unwrap_err().kind, Failure::TooLarge);
    /// # Ok::<(), postrider_connector::types::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `too-large` with the first octet over the limit; as for [`piece`](Self::piece).
    pub async fn octets(mut self, limit: usize) -> Result<Vec<u8>, Error> {
        let mut octets = Vec::new();
        while let Some(piece) = self.piece().await? {
            if octets.len().saturating_add(piece.len()) > limit {
                return Err(Error::new(Failure::TooLarge, format!("the answer is over {limit} octets")));
            }
            octets.extend_from_slice(&piece);
        }
        Ok(octets)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("handed_out", &self.octets).field("is_over", &self.is_over).finish_non_exhaustive()
    }
}

/// Octets that are there.
struct There {
    octets: Option<Vec<u8>>,
    count: u64,
}

impl Source for There {
    fn next(&mut self) -> Coming<'_, Option<Vec<u8>>> {
        Box::pin(std::future::ready(self.octets.take()))
    }

    fn finished(&mut self) -> Coming<'_, Result<u64, Error>> {
        Box::pin(std::future::ready(Ok(self.count)))
    }
}
