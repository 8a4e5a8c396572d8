//! The message itself: its pieces, the host's mark behind the last of them, and the end.

use postrider_connector::dot_stuffing::DotWriter;
use postrider_connector::machine::{Actions, Question};
use postrider_connector::types::{Error, Verdict};

use super::{Send, State};
use crate::command::Command;
use crate::content::{Content, Converter, Filter, Framing};
use crate::limits::CHUNKS;
use crate::session::Dialect;
use crate::settings::EightBit;

impl Send<'_> {
    pub(super) fn filter(&self) -> Filter {
        match self.plan.as_ref().and_then(|plan| plan.target) {
            None => Filter::None,
            Some(_) if self.session.settings.eight_bit == EightBit::Refuse => Filter::Refuse,
            Some(target) => Filter::Convert(Box::new(Converter::new(target))),
        }
    }

    /// The server waits for the message.
    pub(super) fn begin_data(&mut self, actions: &mut Actions) -> Result<(), Error> {
        if self.accepted.is_empty() {
            // It takes the message although it took nobody: an empty one for nobody ends that.
            actions.write(&b".\r\n"[..]);
            self.session.expect(Command::End(None));
            self.state = State::Discard;
            return Ok(());
        }
        self.content = Some(Content::text(Framing::Dots(DotWriter::new()), self.filter()));
        self.state = State::Body(None);
        for piece in self.mailing.release() {
            self.write(piece, actions)?;
        }
        self.draw(actions)
    }

    /// Ask for the next octets, or go on to the end.
    pub(super) fn draw(&mut self, actions: &mut Actions) -> Result<(), Error> {
        self.mailing.let_go();
        if self.mailing.is_drawn_out() {
            return self.finish(actions);
        }
        let may_draw = self.session.outstanding() < CHUNKS;
        self.state = State::Body(may_draw.then(|| actions.ask(Question::Draw)));
        Ok(())
    }

    pub(super) fn drawn(&mut self, piece: Option<Vec<u8>>, actions: &mut Actions) -> Result<(), Error> {
        self.mailing.count(piece.as_deref())?;
        if let Some(piece) = piece {
            self.write(piece, actions)?;
        }
        self.draw(actions)
    }

    /// The message has no further octets.
    fn finish(&mut self, actions: &mut Actions) -> Result<(), Error> {
        let rest = match &mut self.content {
            Some(content) => content.finish(),
            None => Ok(Vec::new()),
        };
        let rest = self.suitable(rest)?;
        self.expect_chunks();
        if !rest.is_empty() {
            actions.write(rest);
        }
        self.state = State::Settle;
        self.settle(actions);
        Ok(())
    }

    /// Everything was sent but the end: the host makes its mark when every chunk is answered.
    pub(super) fn settle(&mut self, actions: &mut Actions) {
        if self.session.outstanding() == 0 {
            self.state = State::Commit(actions.ask(Question::Committing(self.mailing.envelope.id.clone())));
        }
    }

    /// The host answered: its mark is durable, or it does not want the message to go.
    pub(super) fn committed(&mut self, mark: Result<(), Error>, actions: &mut Actions) -> Result<(), Error> {
        if let Some(error) = self.lost.take() {
            // An error is not allowed any more once the host has its mark; that nobody got the message is known all the same.
            if mark.is_ok() {
                self.mailing.judge_rest(&Verdict::Deferred(error.clone()));
            }
            self.state = State::Settle;
            return self.give_up(error);
        }
        if self.accepted.is_empty() {
            // The server had refused the message meanwhile.
            self.state = State::Over;
            return Ok(());
        }
        mark?;
        self.mailing.commit();
        let end = self.content.take().map(Content::end).unwrap_or_default();
        actions.write(end);
        match self.session.dialect {
            Dialect::Smtp => self.session.expect(Command::End(None)),
            Dialect::Lmtp => self.accepted.iter().for_each(|&place| self.session.expect(Command::End(Some(place)))),
        }
        self.state = State::Final;
        self.looks = 0;
        Ok(())
    }

    fn write(&mut self, piece: Vec<u8>, actions: &mut Actions) -> Result<(), Error> {
        let octets = self.encode(piece)?;
        if !octets.is_empty() {
            actions.write(octets);
        }
        Ok(())
    }

    /// As it goes over the wire; chunks are answered.
    pub(super) fn encode(&mut self, piece: Vec<u8>) -> Result<Vec<u8>, Error> {
        let Some(content) = &mut self.content else { return Ok(Vec::new()) };
        let octets = content.write(piece);
        let octets = self.suitable(octets)?;
        self.expect_chunks();
        Ok(octets)
    }

    /// A message that this server does not take is refused to everybody, and not an error of the line.
    fn suitable(&mut self, octets: Result<Vec<u8>, Error>) -> Result<Vec<u8>, Error> {
        if let Err(error) = &octets {
            self.mailing.judge_rest(&Verdict::Refused(error.clone()));
        }
        octets
    }

    fn expect_chunks(&mut self) {
        let chunks = self.content.as_mut().map_or(0, Content::take_chunks);
        for _ in 0..chunks {
            self.session.expect(Command::Chunk);
        }
    }
}
