//! A batch of requests in JSON: `{"requests": [{"id", "method", "url", "headers", "body"}]}` (OData JSON Format 4.01 section 19). Names count
//! whatever their case and how often they stand there, because it is not known which of them a server takes.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Inner, check_inner_header};
use crate::limits::HTTP_BATCH_REQUESTS;
use crate::net::allow::{BatchError, Origin, Refusal};

struct Batch(Vec<Request>);

#[derive(Default)]
struct Request {
    methods: Vec<String>,
    urls: Vec<String>,
    headers: Vec<(String, String)>,
}

/// Whether every request in `octets` may be asked of `origin`.
pub(super) fn check(octets: &[u8], origin: &Origin) -> Result<(), Refusal> {
    let Batch(requests) = serde_json::from_slice(octets).map_err(|_| BatchError::Json)?;
    for request in &requests {
        // None is GET to some, and to others an error.
        let method = request.methods.first().map_or("GET", String::as_str);
        if request.methods.len() > 1 || request.urls.len() != 1 {
            return Err(BatchError::Json.into());
        }
        for url in &request.urls {
            Inner { method, url }.check(origin)?;
        }
        for (name, value) in &request.headers {
            check_inner_header(name, value)?;
        }
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Batch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl<'de> Visitor<'de> for Whole {
            type Value = Batch;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a batch")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Batch, A::Error> {
                let mut all = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name.eq_ignore_ascii_case("requests") {
                        let Requests(requests) = map.next_value()?;
                        all.extend(requests);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Batch(all))
            }
        }
        deserializer.deserialize_map(Whole)
    }
}

struct Requests(Vec<Request>);

impl<'de> Deserialize<'de> for Requests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Requests;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of requests")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Requests, A::Error> {
                let mut all = Vec::new();
                while let Some(request) = list.next_element()? {
                    if all.len() == HTTP_BATCH_REQUESTS {
                        return Err(A::Error::custom("too many requests"));
                    }
                    all.push(request);
                }
                Ok(Requests(all))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Request;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a request")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Request, A::Error> {
                let mut request = Request::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.to_ascii_lowercase().as_str() {
                        "method" => request.methods.push(map.next_value()?),
                        "url" => request.urls.push(map.next_value()?),
                        "headers" => {
                            let Headers(headers) = map.next_value()?;
                            request.headers.extend(headers);
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(request)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

struct Headers(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("headers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut all = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    all.push(pair);
                }
                Ok(Headers(all))
            }

            fn visit_unit<E: Error>(self) -> Result<Headers, E> {
                Ok(Headers(Vec::new()))
            }
        }
        deserializer.deserialize_any(Pairs)
    }
}
