//! Sending: messages are handed over as they are wanted, go out over a few connections, and whoever asked says what it has heard of.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Service;
use crate::api::event::{Event, Events, RequestWatcher};
use crate::api::reply::{Reply, SentView, VerdictWord, naming_role};
use crate::api::request::SendTo;
use crate::api::upload::{Upload, Uploads};
use crate::connector::{Recipient, Verdict};
use crate::fault::{Fault, Kind};
use crate::flow::event::Watcher;
use crate::flow::host::{Host, sending_role};
use crate::flow::send::content::HeaderReader;
use crate::flow::send::{Addressed, Courier, NoSession, Outgoing, Sent, new_id};
use crate::limits::contract::RECIPIENTS;
use crate::model::account::{Account, RoleKind};
use crate::model::name::AccountName;
use crate::store::Scratch;

/// Messages that are ready while all connections are busy.
const READY: usize = 2;

/// The most connections of one request.
const CONNECTIONS: usize = 16;

/// The longest address that is taken: RFC 5321 section 4.5.3.1 has 254 octets, and UTF-8 is longer.
const ADDRESS_OCTETS: usize = 1_000;

/// How long messages that are on the line may take once the request is to stop.
const GRACE: Duration = Duration::from_secs(30);

/// A courier on its way with a message, and what comes of it.
type UnderWay = Pin<Box<dyn Future<Output = (Courier, u64, Result<Sent, NoSession>)> + Send>>;

/// A mark that is no longer needed.
type Settling = Pin<Box<dyn Future<Output = Result<(), Fault>> + Send>>;

/// One request, while it is carried out.
struct Sending {
    host: Arc<Host>,
    account: Account,
    watcher: Arc<dyn Watcher>,
    events: Events,
    to: SendTo,
    addressed: Arc<Addressed>,
    connections: usize,
    /// The message that is being handed over.
    arriving: Option<Arriving>,
    is_wanted: bool,
    is_more: bool,
    ready: VecDeque<(u64, Outgoing)>,
    next_place: u64,
    idle: Vec<Courier>,
    /// Couriers that there are, idle or not.
    couriers: usize,
    /// Whether one has signed in: until then no second one knocks.
    is_proven: bool,
    under_way: FuturesUnordered<UnderWay>,
    settling: FuturesUnordered<Settling>,
    /// Submissions that whoever asked has not yet confirmed to know of, with their outcome.
    untold: Vec<(String, String)>,
    is_gone: bool,
    fault: Option<Fault>,
}

/// A message that is being handed over.
struct Arriving {
    scratch: Scratch,
    header: HeaderReader,
    /// Why it will not be sent.
    fault: Option<Fault>,
}

impl Service {
    pub(super) async fn send(
        self,
        account: AccountName,
        to: SendTo,
        connections: u32,
        events: Events,
        mut uploads: Uploads,
        stop: CancellationToken,
    ) -> Result<Reply, Fault> {
        let account = self.find_account(&account).await?;
        sending_role(&account)?;
        let addressed = Arc::new(check(&to)?);
        self.host().marks.sweep().await?;
        let watcher: Arc<dyn Watcher> = Arc::new(RequestWatcher::new(events.clone()));
        let mut sending = Sending {
            host: Arc::clone(self.host()),
            account,
            watcher,
            events,
            to,
            addressed,
            connections: usize::try_from(connections).unwrap_or(CONNECTIONS).clamp(1, CONNECTIONS),
            arriving: None,
            is_wanted: false,
            is_more: true,
            ready: VecDeque::new(),
            next_place: 0,
            idle: Vec::new(),
            couriers: 0,
            is_proven: false,
            under_way: FuturesUnordered::new(),
            settling: FuturesUnordered::new(),
            untold: Vec::new(),
            is_gone: false,
            fault: None,
        };
        sending.run(&mut uploads, &stop).await;
        sending.close().await?;
        match sending.fault {
            Some(fault) => Err(fault),
            None if stop.is_cancelled() => Err(Fault::new(Kind::Cancelled, "send further messages").because_words("asked to stop")),
            None => Ok(Reply::Done),
        }
    }
}

impl Sending {
    async fn run(&mut self, uploads: &mut Uploads, stop: &CancellationToken) {
        let mut deadline = None;
        loop {
            self.begin();
            self.want().await;
            let is_over = self.under_way.is_empty() && self.ready.is_empty() && !self.is_more;
            if is_over && self.settling.is_empty() && (self.untold.is_empty() || self.is_gone) {
                return;
            }
            let late = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled(), if deadline.is_none() => {
                    // What is on the line is seen to its end; nothing further is begun.
                    deadline = Some(Instant::now() + GRACE);
                    self.begin_no_more();
                }
                () = late => return,
                Some(settled) = self.settling.next() => self.note(settled),
                Some((courier, place, outcome)) = self.under_way.next() => self.returned(courier, place, outcome).await,
                upload = uploads.next(), if !self.is_gone => {
                    let taken = self.take(upload).await;
                    self.note(taken);
                }
            }
        }
    }

    /// Put couriers to work.
    fn begin(&mut self) {
        while !self.ready.is_empty() {
            let may_open = self.couriers < self.connections && (self.is_proven || self.couriers == 0);
            let mut courier = match self.idle.pop() {
                Some(courier) => courier,
                None if may_open => {
                    self.couriers += 1;
                    Courier::new(Arc::clone(&self.host), self.account.clone(), Arc::clone(&self.watcher))
                }
                None => return,
            };
            let Some((place, outgoing)) = self.ready.pop_front() else { return };
            let to = Arc::clone(&self.addressed);
            self.under_way.push(Box::pin(async move {
                let outcome = courier.send(&to, outgoing).await;
                (courier, place, outcome)
            }));
        }
    }

    /// Ask for the next message, where there is room for it.
    async fn want(&mut self) {
        if !self.is_more || self.is_wanted || self.ready.len() >= READY {
            return;
        }
        self.is_wanted = true;
        if self.events.send(Event::Wanted).await.is_err() {
            self.leave();
        }
    }

    /// Take what whoever asked hands over.
    async fn take(&mut self, upload: Option<Upload>) -> Result<(), Fault> {
        match upload {
            Some(Upload::Octets(_) | Upload::MessageEnd) if !self.is_more => Ok(()),
            Some(Upload::Octets(_) | Upload::MessageEnd) if !self.is_wanted => {
                Err(Fault::new(Kind::Usage, "take a message").because_words("none was asked for"))
            }
            Some(Upload::Octets(octets)) => {
                let mut arriving = self.arriving()?;
                if arriving.fault.is_none() {
                    arriving.header.take(&octets);
                    arriving.scratch.write(octets).await?;
                    arriving.fault = self.check_size(arriving.scratch.octets()).err();
                }
                self.arriving = Some(arriving);
                Ok(())
            }
            Some(Upload::MessageEnd) => {
                let Arriving { scratch, header, fault } = self.arriving()?;
                self.is_wanted = false;
                let place = self.next_place;
                self.next_place += 1;
                match fault.map_or_else(|| header.finish(), Err) {
                    Ok(content) => self.ready.push_back((place, Outgoing { content, octets: scratch.finish().await? })),
                    Err(fault) => {
                        let verdicts = vec![Verdict::Refused(fault); self.to.recipients.len()];
                        self.tell(place, Sent { id: new_id()?, message_id: None, octets: scratch.octets(), verdicts }).await;
                    }
                }
                Ok(())
            }
            Some(Upload::NoMore) => {
                self.is_more = false;
                Ok(())
            }
            Some(Upload::Told(id)) => {
                self.untold.retain(|(untold, _)| *untold != id);
                let marks = Arc::clone(&self.host.marks);
                self.settling.push(Box::pin(async move { marks.told(&id).await }));
                Ok(())
            }
            None => {
                self.leave();
                Ok(())
            }
        }
    }

    /// The message that is being handed over, or one that begins.
    fn arriving(&mut self) -> Result<Arriving, Fault> {
        match self.arriving.take() {
            Some(arriving) => Ok(arriving),
            None => Ok(Arriving { scratch: self.host.store.scratch()?, header: HeaderReader::default(), fault: None }),
        }
    }

    fn check_size(&self, octets: u64) -> Result<(), Fault> {
        let limit = sending_role(&self.account)?.limits.apply().message_octets;
        if octets <= limit {
            return Ok(());
        }
        Err(Fault::new(Kind::TooLarge, "send the message")
            .because_words(format!("it has more than {limit} octets (limit `message-octets`)"))
            .with_remedy(format!("`postrider account edit {} --send-set limit.message-octets=N`", self.account.name)))
    }

    /// A courier has come back.
    async fn returned(&mut self, courier: Courier, place: u64, outcome: Result<Sent, NoSession>) {
        match outcome {
            Ok(sent) => {
                self.is_proven = true;
                self.idle.push(courier);
                self.tell(place, sent).await;
            }
            Err(NoSession { fault, unsent }) => {
                self.couriers -= 1;
                if self.couriers > 0 && self.is_proven {
                    // A server that takes no further connection still serves those that there are.
                    tracing::info!(account = %self.account.name, %fault, "going on with fewer connections");
                    self.connections = self.couriers;
                    self.ready.push_front((place, unsent));
                    return;
                }
                self.fault.get_or_insert(naming_role(fault, &self.account.name, RoleKind::Send));
                self.begin_no_more();
            }
        }
    }

    /// Say what became of a message.
    async fn tell(&mut self, place: u64, sent: Sent) {
        let view = SentView::new(place, &sent, &self.to.recipients, &self.account.name);
        self.untold.push((sent.id, outcome_of(&view)));
        if self.events.send(Event::Sent(Box::new(view))).await.is_err() {
            self.leave();
        }
    }

    /// After a fault of this side nothing further is begun; what is on the line is seen to its end.
    fn note(&mut self, outcome: Result<(), Fault>) {
        if let Err(fault) = outcome {
            self.fault.get_or_insert(fault);
            self.begin_no_more();
        }
    }

    fn begin_no_more(&mut self) {
        self.is_more = false;
        self.ready.clear();
    }

    /// Nobody listens any more.
    fn leave(&mut self) {
        self.is_gone = true;
        self.begin_no_more();
    }

    /// Say goodbye on every connection, and leave word of what nobody was told.
    async fn close(&mut self) -> Result<(), Fault> {
        // Sessions that are on the line beyond their grace end here.
        self.under_way.clear();
        let mut closing: FuturesUnordered<_> = self.idle.drain(..).map(Courier::close).collect();
        while closing.next().await.is_some() {}
        for (id, outcome) in std::mem::take(&mut self.untold) {
            self.host.marks.untold(&id, outcome).await?;
        }
        Ok(())
    }
}

/// "2 accepted, 1 refused".
fn outcome_of(view: &SentView) -> String {
    let verdicts = [VerdictWord::Accepted, VerdictWord::Deferred, VerdictWord::Refused, VerdictWord::Unknown];
    let counts = verdicts.map(|word| (word, view.recipients.iter().filter(|recipient| recipient.verdict == word).count()));
    let counts = counts.into_iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!("{count} {word}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// The envelope as connectors take it.
fn check(to: &SendTo) -> Result<Addressed, Fault> {
    let refused = |why: String| Fault::new(Kind::Usage, "send the message").because_words(why);
    let (count, originals) = (to.recipients.len(), to.original_recipients.len());
    if count == 0 || count > RECIPIENTS {
        return Err(refused(format!("there are {count} recipients, and a message takes 1 to {RECIPIENTS}")));
    }
    if originals != 0 && originals != count {
        let why = format!("there are {originals} original recipients and {count} recipients");
        return Err(refused(why).with_remedy("give `--orcpt` once for each `--to`, in the same order, or not at all"));
    }
    for address in to.recipients.iter().chain(Some(&to.sender).filter(|sender| !sender.is_empty())) {
        if address.is_empty() || address.len() > ADDRESS_OCTETS || address.contains(|c: char| c.is_control() || "<>".contains(c)) {
            let why = format!("`{}` is not an address as it stands in an envelope", address.escape_debug());
            return Err(refused(why).with_remedy("write it as user@example.com, without a name and brackets"));
        }
    }
    let pair = |name: &str, value: Option<&String>| value.map(|value| (name.to_owned(), value.clone()));
    let flag = |name: &str, holds: bool| holds.then(|| (name.to_owned(), "true".to_owned()));
    let is_foreign = !to.sender.is_ascii() || to.recipients.iter().any(|address| !address.is_ascii());
    let extra = [
        pair("ret", to.ret.as_ref()),
        pair("envid", to.envelope_id.as_ref()),
        flag("requiretls", to.requires_tls),
        flag("smtputf8", is_foreign),
    ];
    let recipient = |(place, address): (usize, &String)| {
        let extra = [pair("notify", to.notify.as_ref()), pair("orcpt", to.original_recipients.get(place))];
        Recipient { address: address.clone(), extra: extra.into_iter().flatten().collect() }
    };
    let recipients = to.recipients.iter().enumerate().map(recipient).collect();
    Ok(Addressed { sender: to.sender.clone(), recipients, extra: extra.into_iter().flatten().collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(recipients: &[&str]) -> SendTo {
        SendTo {
            sender: "a@example.com".to_owned(),
            recipients: recipients.iter().map(|&address| address.to_owned()).collect(),
            ..SendTo::default()
        }
    }

    #[test]
    fn the_envelope_is_checked() {
        for bad in [to(&[]), to(&["Bob <b@example.com>"]), to(&["b@example.com\r\nDATA"]), to(&[""]), to(&["b@example.com"; 1_001])] {
            assert_eq!(check(&bad).unwrap_err().kind, Kind::Usage);
        }
        let originals = vec!["rfc822;x@y".to_owned()];
        assert!(check(&SendTo { original_recipients: originals.clone(), ..to(&["b@c", "d@e"]) }).is_err());
        let good = check(&SendTo { original_recipients: originals, requires_tls: true, ..to(&["\u{e4}@c"]) }).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(good.extra, [pair("requiretls", "true"), pair("smtputf8", "true")]);
        assert_eq!(good.recipients[0].extra, [pair("orcpt", "rfc822;x@y")]);
        assert!(check(&SendTo { sender: String::new(), ..to(&["b@c"]) }).is_ok(), "a bounce has no sender");
    }
}
