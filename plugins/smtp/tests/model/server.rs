//! A server that reads the wire as strictly as RFC 5321 is written, answers as it is told to, and knows what it took.

/// Choices of a run, one after the other; then always 0.
#[derive(Debug, Clone)]
pub(crate) struct Choices(pub(crate) std::vec::IntoIter<u8>);

impl Choices {
    /// Whether something happens that does once in `often`.
    pub(crate) fn happens(&mut self, often: u8) -> bool {
        self.0.next().is_some_and(|choice| choice % often == 1)
    }
}

/// A message that the server took, and for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) recipients: Vec<String>,
    pub(crate) octets: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Commands,
    /// The text so far, with its dots.
    Data(Vec<u8>),
    /// Octets of a chunk that are missing, and whether it is the last.
    Chunk(usize, bool),
}

/// The server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) is_lmtp: bool,
    pub(crate) taken: Vec<Taken>,
    /// Whether the host had its mark when the message's end came.
    pub(crate) is_committed: bool,
    pub(crate) choices: Choices,
    state: State,
    buffer: Vec<u8>,
    has_sender: bool,
    recipients: Vec<String>,
    chunks: Vec<u8>,
    is_refused: bool,
}

impl Server {
    pub(crate) fn new(is_lmtp: bool, choices: Choices) -> Self {
        Self {
            is_lmtp,
            taken: Vec::new(),
            is_committed: false,
            choices,
            state: State::Commands,
            buffer: Vec::new(),
            has_sender: false,
            recipients: Vec::new(),
            chunks: Vec::new(),
            is_refused: false,
        }
    }

    /// Take in what the client wrote; what is said to it.
    pub(crate) fn hear(&mut self, octets: &[u8]) -> Vec<u8> {
        self.buffer.extend_from_slice(octets);
        let mut said = Vec::new();
        while let Some(reply) = self.turn() {
            said.extend_from_slice(reply.as_bytes());
        }
        said
    }

    fn turn(&mut self) -> Option<String> {
        match &mut self.state {
            State::Commands => {
                let end = self.buffer.iter().position(|&octet| octet == b'\n')?;
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                let line = line.strip_suffix(b"\r\n").expect("a command that ends with a bare LF");
                assert!(!line.contains(&b'\r'), "a bare CR in a command");
                let line = String::from_utf8(line.to_vec()).unwrap();
                Some(self.command(&line))
            }
            State::Data(text) => {
                if self.buffer.is_empty() {
                    return None;
                }
                text.append(&mut self.buffer);
                let end = if text.starts_with(b".\r\n") { Some(0) } else { find(text, b"\r\n.\r\n").map(|at| at + 2) };
                let end = end?;
                self.buffer = text.split_off(end + 3);
                let text = std::mem::take(text);
                self.state = State::Commands;
                Some(self.end(unstuffed(&text[..end])))
            }
            State::Chunk(missing, is_last) => {
                let taken = (*missing).min(self.buffer.len());
                if *missing > 0 && taken == 0 {
                    return None;
                }
                self.chunks.extend(self.buffer.drain(..taken));
                *missing -= taken;
                if *missing > 0 {
                    return None;
                }
                let is_last = *is_last;
                self.state = State::Commands;
                Some(self.chunk(is_last))
            }
        }
    }

    fn command(&mut self, line: &str) -> String {
        let upper = line.to_ascii_uppercase();
        if upper == "RSET" {
            self.reset();
            return "250 ok\r\n".to_owned();
        }
        if upper.starts_with("MAIL FROM:<") {
            assert!(!self.has_sender, "a transaction within another");
            return self.answer(12, |server| server.has_sender = true);
        }
        if let Some(address) =
            upper.strip_prefix("RCPT TO:<").and_then(|rest| rest.split_once('>')).map(|(address, _)| address.to_lowercase())
        {
            if !self.has_sender {
                return "503 5.5.1 MAIL first\r\n".to_owned();
            }
            if self.recipients.len() == 3 {
                return "452 4.5.3 too many\r\n".to_owned();
            }
            return self.answer(5, move |server| server.recipients.push(address));
        }
        if upper == "DATA" {
            if self.recipients.is_empty() && self.choices.happens(2) {
                return "554 5.5.1 no valid recipients\r\n".to_owned();
            }
            if !self.has_sender {
                return "503 5.5.1 MAIL first\r\n".to_owned();
            }
            if self.choices.happens(12) {
                return "451 4.3.0 later\r\n".to_owned();
            }
            self.state = State::Data(Vec::new());
            return "354 go ahead\r\n".to_owned();
        }
        if let Some(rest) = upper.strip_prefix("BDAT ") {
            let (octets, last) = rest.split_once(' ').map_or((rest, ""), |(octets, last)| (octets, last));
            assert!(last.is_empty() || last == "LAST", "{line}");
            self.state = State::Chunk(octets.parse().unwrap(), last == "LAST");
            return String::new();
        }
        panic!("`{line}` is no command: octets of a message, perhaps");
    }

    fn chunk(&mut self, is_last: bool) -> String {
        if self.recipients.is_empty() || self.is_refused {
            self.is_refused = true;
            return "503 5.5.1 no recipients\r\n".to_owned();
        }
        if is_last {
            let octets = std::mem::take(&mut self.chunks);
            return self.end(octets);
        }
        if self.choices.happens(12) {
            self.is_refused = true;
            return "451 4.3.0 later\r\n".to_owned();
        }
        "250 2.0.0 ok\r\n".to_owned()
    }

    fn end(&mut self, octets: Vec<u8>) -> String {
        let recipients = std::mem::take(&mut self.recipients);
        self.reset();
        if recipients.is_empty() {
            assert!(octets.is_empty(), "a message for nobody");
            return "554 5.5.1 no valid recipients\r\n".to_owned();
        }
        assert!(self.is_committed, "the message's end came before the host had its mark");
        let mut reply = String::new();
        let mut kept = Vec::new();
        let rounds: Vec<Vec<String>> =
            if self.is_lmtp { recipients.into_iter().map(|recipient| vec![recipient]).collect() } else { vec![recipients] };
        for round in rounds {
            match (self.choices.happens(8), self.choices.happens(8)) {
                (true, _) => reply.push_str("451 4.3.0 later\r\n"),
                (_, true) => reply.push_str("554 5.7.1 never\r\n"),
                _ => {
                    kept.extend(round);
                    reply.push_str("250-2.0.0 taken\r\n250 2.0.0 for good\r\n");
                }
            }
        }
        if !kept.is_empty() {
            self.taken.push(Taken { recipients: kept, octets });
        }
        reply
    }

    /// 250 and this, or a refusal now and then.
    fn answer(&mut self, often: u8, then: impl FnOnce(&mut Self)) -> String {
        if self.choices.happens(often) {
            return "450 4.2.0 later\r\n".to_owned();
        }
        if self.choices.happens(often) {
            return "550 5.1.1 never\r\n".to_owned();
        }
        then(self);
        "250 ok\r\n".to_owned()
    }

    fn reset(&mut self) {
        self.has_sender = false;
        self.recipients.clear();
        self.chunks.clear();
        self.is_refused = false;
    }
}

/// The text without the dots that were put in; a bare CR or LF in it is what no client may send.
fn unstuffed(text: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text;
    while let Some(at) = find(rest, b"\r\n") {
        let line = &rest[..at];
        assert!(!line.contains(&b'\r') && !line.contains(&b'\n'), "a bare CR or LF in {line:?}");
        octets.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        octets.extend_from_slice(b"\r\n");
        rest = &rest[at + 2..];
    }
    assert!(rest.is_empty(), "a text without the end of its last line");
    octets
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
