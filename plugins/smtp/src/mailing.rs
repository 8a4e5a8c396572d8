//! One message on its way, over as many lines as it takes: the envelope, the verdicts so far, and what was drawn of the message before a server answered.

use std::collections::BTreeSet;

use memchr::memchr_iter;
use postrider_connector::types::{Envelope, Error, Failure, Verdict};

use crate::command::MailParameters;
use crate::content::{Header, Target};
use crate::delivery;
use crate::limits::{KEPT_OCTETS, PEEK_OCTETS};
use crate::offer::Offer;
use crate::path::{Mailbox, Unfit};
use crate::refusal::next_transaction;
use crate::settings::{EightBit, Settings};

/// One message, its recipients, and what became of each.
#[derive(Debug)]
pub struct Mailing {
    /// As the host gave it.
    pub envelope: Envelope,
    /// RET and ENVID.
    of_mail: String,
    /// NOTIFY and ORCPT, one a recipient.
    of_rcpt: Vec<String>,
    verdicts: Vec<Option<Verdict>>,
    /// How many had none when the transaction began.
    asked: usize,
    header: Header,
    has_header: bool,
    /// Pieces that were drawn before the envelope was answered, in order.
    held: Vec<Vec<u8>>,
    drawn: u64,
    is_drawn_out: bool,
    /// The host has its mark for this transaction.
    is_committed: bool,
    /// It has one for this or an earlier transaction.
    has_mark: bool,
}

/// How the message goes over this line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What `MAIL FROM` says.
    pub parameters: MailParameters,
    /// BDAT instead of DATA.
    pub is_chunked: bool,
    /// Octets as they are, whatever their line ends.
    pub is_binary: bool,
    /// What the message has to be changed into; none: it goes as it is.
    pub target: Option<Target>,
}

impl Mailing {
    /// A message for the recipients of `envelope`. Addresses that are none have their verdicts at once.
    ///
    /// # Errors
    /// `misconfigured`: the envelope has a fact that cannot be meant.
    pub fn new(envelope: Envelope) -> Result<Self, Error> {
        let of_mail = delivery::of_mail(&envelope.extra)?;
        let of_rcpt = envelope.recipients.iter().map(|recipient| delivery::of_rcpt(&recipient.extra)).collect::<Result<_, _>>()?;
        let sender = if envelope.sender.is_empty() { Ok(()) } else { Mailbox::parse(&envelope.sender).map(|_| ()) };
        let verdicts = envelope.recipients.iter().map(|recipient| match (sender, Mailbox::parse(&recipient.address)) {
            (Err(unfit), _) => Some(no_address("sender", "5.1.7", unfit)),
            (_, Err(unfit)) => Some(no_address("recipient", "5.1.3", unfit)),
            (Ok(()), Ok(_)) => None,
        });
        let verdicts = verdicts.collect();
        Ok(Self {
            envelope,
            of_mail,
            of_rcpt,
            verdicts,
            asked: 0,
            header: Header::default(),
            has_header: false,
            held: Vec::new(),
            drawn: 0,
            is_drawn_out: false,
            is_committed: false,
            has_mark: false,
        })
    }

    /// The places of those who have no verdict yet.
    #[must_use]
    pub fn open(&self) -> Vec<usize> {
        self.verdicts.iter().enumerate().filter(|(_, verdict)| verdict.is_none()).map(|(place, _)| place).collect()
    }

    /// Whether the recipient at `place` has no verdict yet.
    #[must_use]
    pub fn is_open(&self, place: usize) -> bool {
        self.verdicts.get(place).is_some_and(Option::is_none)
    }

    /// Whether somebody has a verdict.
    #[must_use]
    pub fn has_verdict(&self) -> bool {
        self.verdicts.iter().any(Option::is_some)
    }

    /// The verdict for the recipient at `place`, unless there is one.
    pub fn judge(&mut self, place: usize, verdict: Verdict) {
        if let Some(slot) = self.verdicts.get_mut(place) {
            slot.get_or_insert(verdict);
        }
    }

    /// The same verdict for all who have none.
    pub fn judge_rest(&mut self, verdict: &Verdict) {
        for slot in &mut self.verdicts {
            slot.get_or_insert_with(|| verdict.clone());
        }
    }

    /// One verdict a recipient. Whoever has none would get it by `error`: *unknown* once the host has its mark, *later* before.
    #[must_use]
    pub fn verdicts(&self, error: &Error) -> Vec<Verdict> {
        let rest = if self.is_committed { Verdict::Unknown(error.clone()) } else { Verdict::Deferred(error.clone()) };
        self.verdicts.iter().map(|verdict| verdict.clone().unwrap_or_else(|| rest.clone())).collect()
    }

    /// The host has its mark: the server may become responsible.
    pub const fn commit(&mut self) {
        self.is_committed = true;
        self.has_mark = true;
    }

    /// Whether the host has its mark for any transaction: somebody may have got the message.
    #[must_use]
    pub const fn has_mark(&self) -> bool {
        self.has_mark
    }

    /// Begin another transaction with those who did not fit the one that is over, where the message is still here and it took somebody further.
    pub fn begin_next(&mut self) -> bool {
        let is_left = |slot: &Option<Verdict>| matches!(slot, Some(Verdict::Deferred(error)) if error.retry_after_ms == Some(0));
        let left = self.verdicts.iter().filter(|slot| is_left(slot)).count();
        if left == 0 || left >= self.asked || !self.is_kept() {
            return false;
        }
        self.verdicts.iter_mut().filter(|slot| is_left(slot)).for_each(|slot| *slot = None);
        self.is_committed = false;
        true
    }

    /// Whether the host has its mark for this transaction.
    #[must_use]
    pub const fn is_committed(&self) -> bool {
        self.is_committed
    }

    /// Take in the next octets of the message, none at its end, while the envelope is not sent. True: enough is known to send it.
    ///
    /// # Errors
    /// As [`count`](Self::count).
    pub fn peek(&mut self, piece: Option<Vec<u8>>) -> Result<bool, Error> {
        self.count(piece.as_deref())?;
        if let Some(piece) = piece {
            self.has_header = self.header.take(&piece);
            self.held.push(piece);
        }
        self.has_header |= self.is_drawn_out || self.header.len() > PEEK_OCTETS;
        Ok(self.has_header)
    }

    /// Whether enough of the message was drawn to send the envelope.
    #[must_use]
    pub const fn has_header(&self) -> bool {
        self.has_header
    }

    /// Count octets that were drawn; none at the message's end.
    ///
    /// # Errors
    /// `cancelled`: they are more, or at the end fewer, than the envelope says.
    pub fn count(&mut self, piece: Option<&[u8]>) -> Result<(), Error> {
        let size = self.envelope.size;
        match piece {
            Some(piece) => {
                self.drawn = self.drawn.saturating_add(piece.len() as u64);
                if self.drawn > size {
                    return Err(Error::new(Failure::Cancelled, format!("more octets came than the {size} announced")));
                }
            }
            None if self.drawn < size => {
                return Err(Error::new(Failure::Cancelled, format!("only {} of {size} octets came", self.drawn)));
            }
            None => self.is_drawn_out = true,
        }
        Ok(())
    }

    /// Whether all of the message was drawn.
    #[must_use]
    pub const fn is_drawn_out(&self) -> bool {
        self.is_drawn_out
    }

    /// What was drawn before the envelope was sent. It stays here until [`release`](Self::release), so that another line can begin anew.
    #[must_use]
    pub fn held(&self) -> &[Vec<u8>] {
        &self.held
    }

    /// Whether all of the message is here and stays.
    fn is_kept(&self) -> bool {
        self.envelope.size <= KEPT_OCTETS && self.drawn == self.envelope.size && self.may_begin_anew()
    }

    /// Whether another line can begin anew: nothing was drawn but what is held.
    #[must_use]
    pub fn may_begin_anew(&self) -> bool {
        self.held.iter().map(|piece| piece.len() as u64).sum::<u64>() == self.drawn
    }

    /// Nobody begins anew on another line: the pieces.
    pub fn release(&mut self) -> Vec<Vec<u8>> {
        if self.is_kept() { self.held.clone() } else { std::mem::take(&mut self.held) }
    }

    /// The pieces were sent.
    pub fn let_go(&mut self) {
        if !self.is_kept() {
            self.held.clear();
        }
    }

    /// NOTIFY and ORCPT of the recipient at `place`.
    #[must_use]
    pub fn of_rcpt(&self, place: usize) -> &str {
        self.of_rcpt.get(place).map_or("", String::as_str)
    }

    /// Verdicts that follow from what the server offers and the envelope alone, before an octet of the message is drawn.
    pub fn judge_envelope(&mut self, offer: &Offer) {
        let size = self.envelope.size;
        if let Some(most) = offer.max_size.filter(|&most| size > most) {
            let words = format!("the message has {size} octets and the server takes {most} (SIZE)");
            self.judge_rest(&Verdict::Refused(Error::new(Failure::TooLarge, words).with_code("5.3.4")));
        }
        if delivery::holds(&self.envelope.extra, "requiretls") && !offer.require_tls {
            let words = "the message may only go on under TLS, and the server does not promise that (REQUIRETLS)";
            self.judge_rest(&Verdict::Refused(Error::new(Failure::Unsupported, words).with_code("5.7.30")));
        }
        if offer.utf8 {
            return;
        }
        let refusal = |whose: &str| {
            let words = format!("{whose} is not in ASCII, and the server takes only that (SMTPUTF8)");
            Verdict::Refused(Error::new(Failure::Unsupported, words).with_code("5.6.7"))
        };
        if !self.envelope.sender.is_ascii() {
            self.judge_rest(&refusal("the sender's address"));
        }
        let foreign = self.envelope.recipients.iter().enumerate().filter(|(_, recipient)| !recipient.address.is_ascii());
        for place in foreign.map(|(place, _)| place).collect::<Vec<_>>() {
            self.judge(place, refusal("the recipient's address"));
        }
    }

    /// How the message goes over this line, once its header section is known; and verdicts where it cannot.
    pub fn plan(&mut self, offer: &Offer, settings: &Settings) -> Plan {
        let needs_utf8 = self.header.needs_utf8() && settings.eight_bit != EightBit::Send;
        if needs_utf8 && !offer.utf8 {
            let words = "header fields of the message are not in ASCII, and the server takes only that (SMTPUTF8)";
            self.judge_rest(&Verdict::Refused(Error::new(Failure::Unsupported, words).with_code("5.6.7")));
        }
        let body = delivery::value(&self.envelope.extra, "body").unwrap_or_default().to_ascii_lowercase();
        let has_binary = body == "binarymime" || self.header.is_binary();
        let target = match (has_binary && !offer.binary, offer.eight_bit) {
            _ if settings.eight_bit == EightBit::Send => None,
            (true, true) => Some(Target::EightBit),
            (_, false) => Some(Target::SevenBit),
            (false, true) => None,
        };
        if has_binary && target.is_some() && settings.eight_bit == EightBit::Refuse {
            let words = "the message has binary parts, and the server takes none (BINARYMIME)";
            self.judge_rest(&Verdict::Refused(Error::new(Failure::Unsupported, words).with_code("5.6.3")));
        }
        let is_binary = has_binary && offer.binary;
        let is_eight_bit = offer.eight_bit && body != "7bit";
        let extra = &self.envelope.extra;
        let parameters = MailParameters {
            size: offer.size.then(|| if is_binary { self.envelope.size } else { self.wire_size() }),
            body: match (is_binary, is_eight_bit) {
                (true, _) => Some("BINARYMIME"),
                (false, true) => Some("8BITMIME"),
                (false, false) => None,
            },
            utf8: offer.utf8 && (needs_utf8 || delivery::holds(extra, "smtputf8") || self.has_foreign_address()),
            require_tls: delivery::holds(extra, "requiretls"),
            delivery: if offer.dsn { self.of_mail.clone() } else { String::new() },
        };
        Plan { parameters, is_chunked: is_binary || (offer.chunking && offer.pipelining), is_binary, target }
    }

    /// Who goes in this transaction; the rest has its verdict (RFC 9422 section 4).
    pub fn choose(&mut self, offer: &Offer) -> Vec<usize> {
        self.asked = self.open().len();
        let (mut chosen, mut domains) = (Vec::new(), BTreeSet::new());
        for place in self.open() {
            let address = self.envelope.recipients.get(place).map_or("", |recipient| recipient.address.as_str());
            let domain = Mailbox::parse(address).map(Mailbox::domain).unwrap_or_default();
            let is_new = !domains.contains(&domain);
            let is_over = offer.max_recipients.is_some_and(|most| chosen.len() >= most)
                || (is_new && offer.max_domains.is_some_and(|most| domains.len() >= most));
            if is_over {
                self.judge(place, next_transaction("the server takes no further recipients with this message (LIMITS)"));
            } else {
                domains.insert(domain);
                chosen.push(place);
            }
        }
        chosen
    }

    fn has_foreign_address(&self) -> bool {
        let open = self.envelope.recipients.iter().zip(&self.verdicts).filter(|(_, verdict)| verdict.is_none());
        !self.envelope.sender.is_ascii() || open.map(|(recipient, _)| recipient).any(|recipient| !recipient.address.is_ascii())
    }

    /// Octets on the wire, as SIZE tells them (RFC 1870 section 5): exact for what was drawn, and by its share of bare LFs for the rest.
    fn wire_size(&self) -> u64 {
        let (mut octets, mut bare, mut last) = (0_u64, 0_u64, 0);
        for piece in &self.held {
            for at in memchr_iter(b'\n', piece) {
                let before = at.checked_sub(1).map_or(Some(&last), |before| piece.get(before));
                bare += u64::from(before != Some(&b'\r'));
            }
            last = piece.last().copied().unwrap_or(last);
            octets += piece.len() as u64;
        }
        let size = self.envelope.size;
        let more = u128::from(size) * u128::from(bare);
        size.saturating_add(u64::try_from(more.div_ceil(u128::from(octets.max(1)))).unwrap_or(u64::MAX))
    }
}

fn no_address(whose: &str, code: &str, unfit: Unfit) -> Verdict {
    let words = match unfit {
        Unfit::TooLong => format!("the {whose}'s address is too long"),
        Unfit::Syntax => format!("the {whose}'s address is none (RFC 5321 section 4.1.2)"),
    };
    Verdict::Refused(Error::new(Failure::Permanent, words).with_code(code))
}
