//! Small sealed documents for the layers above: a collection, a key, octets.

use super::Store;
use super::error::Error;
use super::layout;
use super::record::ValueRecord;
use super::step::within;
use super::transaction::Transaction;
use crate::model::name::SinkName;

/// Octets of one document.
const DOCUMENT_OCTETS: usize = 1 << 20;

/// The collection of how far each sink has come.
const SINK_POSITIONS: &str = "store/sink-position";

impl Store {
    /// A small document of a collection.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn document(&self, collection: &str, key: &str) -> Result<Option<Vec<u8>>, Error> {
        let (collection, key) = (collection.to_owned(), key.to_owned());
        let read =
            self.shared.read(move |open| open.records.read::<ValueRecord>(&layout::document(open.records.index(), &collection, &key)));
        Ok(read.await?.map(|record| record.octets))
    }

    /// Every document of a collection with its key, by key.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn documents(&self, collection: &str) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let collection = collection.to_owned();
        let read = self.shared.read(move |open| {
            let prefix = layout::collection(open.records.index(), &collection);
            open.records.scan(&prefix, &[]).map(|raw| open.records.decode::<ValueRecord>(&raw?)).collect::<Result<Vec<_>, Error>>()
        });
        let mut found: Vec<_> = read.await?.into_iter().map(|record| (record.key, record.octets)).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Put a document; durable on return. At most 1 MiB.
    ///
    /// # Errors
    /// Too large, the disk.
    pub async fn put_document(&self, collection: &str, key: &str, octets: &[u8]) -> Result<(), Error> {
        within("a document", octets.len(), DOCUMENT_OCTETS)?;
        let (collection, key, octets) = (collection.to_owned(), key.to_owned(), octets.to_owned());
        self.shared.commit(move |tx| put(tx, &collection, &key, &octets), None).await
    }

    /// Remove a document; durable on return. One that is not there is no error.
    ///
    /// # Errors
    /// The disk.
    pub async fn remove_document(&self, collection: &str, key: &str) -> Result<(), Error> {
        let (collection, key) = (collection.to_owned(), key.to_owned());
        self.shared.commit(move |tx| remove(tx, &collection, &key), None).await
    }

    /// How far a sink has come: the sequence that it has last dealt with; 0 at first.
    ///
    /// # Errors
    /// Damage, the disk.
    pub async fn sink_position(&self, sink: &SinkName) -> Result<u64, Error> {
        let octets = self.document(SINK_POSITIONS, sink.as_str()).await?.unwrap_or_default();
        Ok(octets.try_into().map_or(0, u64::from_be_bytes))
    }

    /// Put how far a sink has come; durable on return, and cheap when many do so at once.
    ///
    /// # Errors
    /// The disk.
    pub async fn put_sink_position(&self, sink: &SinkName, sequence: u64) -> Result<(), Error> {
        self.put_document(SINK_POSITIONS, sink.as_str(), &sequence.to_be_bytes()).await
    }

    /// Forget how far a sink has come.
    ///
    /// # Errors
    /// The disk.
    pub async fn remove_sink_position(&self, sink: &SinkName) -> Result<(), Error> {
        self.remove_document(SINK_POSITIONS, sink.as_str()).await
    }
}

/// Put a document and count it.
pub(super) fn put(tx: &mut Transaction<'_>, collection: &str, key: &str, octets: &[u8]) -> Result<(), Error> {
    let at = layout::document(tx.index(), collection, key);
    if !tx.contains(&at)? {
        let mut head = tx.head()?;
        head.documents += 1;
        tx.write(layout::HEAD_KEY.to_vec(), &head)?;
    }
    tx.write(at, &ValueRecord { key: key.to_owned(), octets: octets.to_owned() })
}

/// Remove a document, where it is there, and count it.
pub(super) fn remove(tx: &mut Transaction<'_>, collection: &str, key: &str) -> Result<(), Error> {
    let at = layout::document(tx.index(), collection, key);
    if tx.contains(&at)? {
        let mut head = tx.head()?;
        head.documents = head.documents.saturating_sub(1);
        tx.write(layout::HEAD_KEY.to_vec(), &head)?;
        tx.delete(at);
    }
    Ok(())
}
