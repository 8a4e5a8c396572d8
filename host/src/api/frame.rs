//! Frames of the control socket: four octets of length, one of type, and a payload that is JSON or plain octets. No I/O.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::reply::Reply;
use super::request::Request;
use super::upload::Upload;
use crate::fault::Fault;

/// The version of everything after [`Frame::Hello`]; raised with every change that an older peer would misread.
pub(super) const VERSION: u32 = 2;

/// The longest payload.
pub(super) const PAYLOAD_OCTETS: usize = 4 << 20;

/// Octets before the payload.
const HEADER_OCTETS: usize = 5;

/// One frame.
#[derive(Debug, Clone)]
pub(super) enum Frame {
    /// The first in each direction, for ever in this shape.
    Hello(Hello),
    /// Client to server, once.
    Request(Box<Request>),
    /// Client to server: stop what I asked for.
    Cancel,
    /// Server to client, any number.
    Event(Box<Event>),
    /// Client to server, any number: what a request wants to be handed over.
    Upload(Upload),
    /// Server to client, any number: exported octets; client to server: octets of a message to send.
    Octets(Bytes),
    /// Server to client: it succeeded; the last frame.
    Reply(Box<Reply>),
    /// Server to client: it failed; the last frame.
    Fault(Box<Fault>),
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// [`VERSION`].
    pub(super) protocol: u32,
    /// The program's version, for people.
    pub(super) program: String,
    /// The home's directory, so that nobody speaks to another home's daemon.
    pub(super) home: String,
}

/// What is not a frame.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// Over [`PAYLOAD_OCTETS`].
    #[error("a frame of {0} octets is over the limit of {PAYLOAD_OCTETS}")]
    TooLarge(usize),
    /// No such type.
    #[error("there is no frame of type {0}")]
    UnknownType(u8),
    /// Not the JSON of its type.
    #[error("a frame of type {kind} does not hold what it should")]
    Payload {
        /// The type.
        kind: u8,
        /// Where and why.
        source: serde_json::Error,
    },
}

impl Frame {
    /// Append this frame to `out`; on an error `out` is as before.
    ///
    /// # Errors
    /// A payload over the limit, or one that has no JSON.
    pub(super) fn encode(&self, out: &mut BytesMut) -> Result<(), FrameError> {
        match self {
            Self::Hello(hello) => encode_json(1, hello, out),
            Self::Request(request) => encode_json(2, request, out),
            Self::Cancel => encode(3, &[], out),
            Self::Event(event) => encode_json(4, event, out),
            Self::Octets(octets) => encode(5, octets, out),
            Self::Reply(reply) => encode_json(6, reply, out),
            Self::Fault(fault) => encode_json(7, fault, out),
            Self::Upload(upload) => encode_json(8, upload, out),
        }
    }

    /// Take the first frame out of `input`; none: it is not whole yet.
    ///
    /// # Errors
    /// A length over the limit (as soon as the length is there), an unknown type, or a payload that is not its type's.
    pub(super) fn decode(input: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        let Some(&[a, b, c, d, kind]) = input.first_chunk::<HEADER_OCTETS>() else { return Ok(None) };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length > PAYLOAD_OCTETS {
            return Err(FrameError::TooLarge(length));
        }
        if input.len() < HEADER_OCTETS + length {
            input.reserve(HEADER_OCTETS + length - input.len());
            return Ok(None);
        }
        input.advance(HEADER_OCTETS);
        let payload = input.split_to(length).freeze();
        let frame = match kind {
            1 => Self::Hello(decode_json(kind, &payload)?),
            2 => Self::Request(decode_json(kind, &payload)?),
            3 => Self::Cancel,
            4 => Self::Event(decode_json(kind, &payload)?),
            5 => Self::Octets(payload),
            6 => Self::Reply(decode_json(kind, &payload)?),
            7 => Self::Fault(decode_json(kind, &payload)?),
            8 => Self::Upload(decode_json(kind, &payload)?),
            unknown => return Err(FrameError::UnknownType(unknown)),
        };
        Ok(Some(frame))
    }
}

fn encode_json<T: Serialize>(kind: u8, value: &T, out: &mut BytesMut) -> Result<(), FrameError> {
    let payload = serde_json::to_vec(value).map_err(|source| FrameError::Payload { kind, source })?;
    // A request may hold a secret.
    encode(kind, &zeroize::Zeroizing::new(payload), out)
}

fn encode(kind: u8, payload: &[u8], out: &mut BytesMut) -> Result<(), FrameError> {
    let length = u32::try_from(payload.len()).ok().filter(|length| *length as usize <= PAYLOAD_OCTETS);
    let length = length.ok_or(FrameError::TooLarge(payload.len()))?;
    out.reserve(HEADER_OCTETS + payload.len());
    out.put_u32(length);
    out.put_u8(kind);
    out.put_slice(payload);
    Ok(())
}

fn decode_json<T: DeserializeOwned>(kind: u8, payload: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(payload).map_err(|source| FrameError::Payload { kind, source })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fault::Kind;

    fn any_frame() -> impl Strategy<Value = Frame> {
        prop_oneof![
            (any::<u32>(), ".*", ".*").prop_map(|(protocol, program, home)| Frame::Hello(Hello { protocol, program, home })),
            Just(Frame::Cancel),
            proptest::collection::vec(any::<u8>(), 0..2000).prop_map(|octets| Frame::Octets(octets.into())),
            ".*".prop_map(|words| Frame::Event(Box::new(Event::Note(words)))),
            (".*", ".*").prop_map(|(operation, words)| Frame::Fault(Box::new(Fault::new(Kind::Gone, operation).with_words(words)))),
            Just(Frame::Reply(Box::new(Reply::Done))),
            Just(Frame::Request(Box::new(Request::Status))),
            ".*".prop_map(|id| Frame::Upload(Upload::Told(id))),
            Just(Frame::Upload(Upload::MessageEnd)),
        ]
    }

    proptest! {
        #[test]
        fn frames_come_back_whatever_the_cuts(frames in proptest::collection::vec(any_frame(), 1..5), cut in 1usize..40) {
            let mut wire = BytesMut::new();
            for frame in &frames {
                frame.encode(&mut wire).unwrap();
            }
            let mut input = BytesMut::new();
            let mut decoded = Vec::new();
            for piece in wire.chunks(cut) {
                input.extend_from_slice(piece);
                while let Some(frame) = Frame::decode(&mut input).unwrap() {
                    decoded.push(frame);
                }
            }
            prop_assert!(input.is_empty());
            prop_assert_eq!(format!("{decoded:?}"), format!("{frames:?}"));
        }

        #[test]
        fn rubbish_never_panics(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut input = BytesMut::from(octets.as_slice());
            while let Ok(Some(_)) = Frame::decode(&mut input) {}
        }
    }

    #[test]
    fn a_cut_at_every_octet_waits_for_the_rest() {
        let mut wire = BytesMut::new();
        Frame::Event(Box::new(Event::Note("ä".to_owned()))).encode(&mut wire).unwrap();
        for cut in 0..wire.len() {
            let mut input = BytesMut::from(&wire[..cut]);
            assert!(Frame::decode(&mut input).unwrap().is_none(), "{cut}");
            input.extend_from_slice(&wire[cut..]);
            assert!(Frame::decode(&mut input).unwrap().is_some(), "{cut}");
        }
    }

    #[test]
    fn an_oversized_frame_is_refused_by_its_length_alone() {
        let mut input = BytesMut::new();
        input.put_u32(u32::try_from(PAYLOAD_OCTETS + 1).unwrap());
        input.put_u8(5);
        assert!(matches!(Frame::decode(&mut input), Err(FrameError::TooLarge(_))));
        let mut out = BytesMut::new();
        assert!(Frame::Octets(vec![0; PAYLOAD_OCTETS + 1].into()).encode(&mut out).is_err());
        assert!(out.is_empty());
    }
}
