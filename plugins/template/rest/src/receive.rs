//! The conversation: walk over the listing, fetch what the host does not have, make it durable.
//!
//! ```text
//! GET {base}/messages?max=100&page=TOKEN   {"messages": [{"id": "17", "keywords": ["\\Seen"]}], "next": "TOKEN" or null}
//! GET {base}/messages/17/raw               the message's octets (RFC 5322)
//! ```

use postrider_connector::http::{Pages, Request, Url};
use postrider_connector::rest::Host;
use postrider_connector::types::{Arrival, Error, Scope};
use serde::Deserialize;

use crate::settings::Settings;

/// The one folder of the service.
pub const FOLDER: &str = "inbox";

/// The credential that the manifest declares.
const CREDENTIAL: &str = "receive";

/// Octets of one page.
const PAGE_OCTETS: usize = 4 << 20;

/// Pages of one listing.
const PAGES: usize = 10_000;

#[derive(Debug, Deserialize)]
struct Page {
    messages: Vec<Listed>,
    #[serde(default)]
    next: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Listed {
    id: String,
    #[serde(default)]
    keywords: Vec<String>,
}

/// Receive everything that the host does not have.
///
/// # Errors
/// The service's or the host's. What came whole before is durable.
pub async fn receive(host: &impl Host, settings: &Settings) -> Result<(), Error> {
    let mut pages = Pages::new(PAGES);
    while let Some(token) = pages.next() {
        let mut url = messages(settings).query("max", &settings.page_messages.to_string());
        if let Some(token) = token {
            url = url.query("page", &token);
        }
        let page: Page =
            host.json(Request::get(url).credential(CREDENTIAL), PAGE_OCTETS).await.map_err(|error| error.at("list messages"))?;
        let mut taken = 0;
        let outcome = fetch(host, settings, page.messages, &mut taken).await;
        // Also what came before something went wrong. The service has no cursor: its listing is the whole of it.
        if taken > 0 {
            host.checkpoint(&scope(), Vec::new()).await?;
        }
        outcome?;
        pages.follow(page.next)?;
    }
    Ok(())
}

/// Fetch those of `listed` that the host does not have, and count them.
async fn fetch(host: &impl Host, settings: &Settings, listed: Vec<Listed>, taken: &mut u64) -> Result<(), Error> {
    let unseen = host.unseen(&scope(), listed.iter().map(|listed| listed.id.clone()).collect()).await?;
    for Listed { id, keywords } in listed.into_iter().filter(|listed| unseen.contains(&listed.id)) {
        let arrival = Arrival { keywords, folders: vec![FOLDER.to_owned()], ..Arrival::new(&id) };
        match fetch_one(host, settings, arrival.clone()).await {
            Ok(()) => {}
            // This one cannot be had: the rest goes on.
            Err(error) if error.concerns_one_message() => host.set_aside(&scope(), arrival, error).await?,
            Err(error) => return Err(error),
        }
        *taken += 1;
    }
    Ok(())
}

async fn fetch_one(host: &impl Host, settings: &Settings, arrival: Arrival) -> Result<(), Error> {
    let url = messages(settings).segment(&arrival.id).segment("raw");
    let place = format!("fetch message {}", arrival.id);
    let outcome = async {
        let response = host.exchange(Request::get(url).credential(CREDENTIAL)).await?.success().await?;
        host.deliver(&scope(), arrival, response.body).await
    };
    outcome.await.map_err(|error| error.at(&place))
}

fn messages(settings: &Settings) -> Url {
    Url::new(&settings.base_url).segment("messages")
}

/// What the ids of the service are unique in.
#[must_use]
pub fn scope() -> Scope {
    Scope { folder: Some(FOLDER.to_owned()), generation: String::new() }
}
