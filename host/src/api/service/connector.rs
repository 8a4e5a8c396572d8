//! Requests about connectors.

use std::path::PathBuf;

use super::Service;
use crate::api::reply::Reply;
use crate::connector::approval::Approval;
use crate::connector::registry::Registry;
use crate::fault::{Fault, Kind};
use crate::flow::host::APPROVALS;
use crate::model::name::ConnectorId;

impl Service {
    pub(super) async fn connector_list(&self) -> Result<Reply, Fault> {
        self.with_registry(|registry, approvals| Ok(Reply::Connectors(registry.list(approvals)))).await
    }

    /// The file that runs under this id, or else any other of that id.
    pub(super) async fn connector_inspect(&self, id: ConnectorId) -> Result<Reply, Fault> {
        let inspect = move |registry: &Registry, approvals: &[Approval]| {
            let path = match registry.find(&id, approvals) {
                Ok(component) => component.path,
                Err(fault) => {
                    let other = registry.list(approvals).into_iter().find(|listed| listed.id.as_ref() == Some(&id));
                    other.ok_or(fault)?.path
                }
            };
            Registry::inspect(&path)
        };
        Ok(Reply::Connector(Box::new(self.with_registry(inspect).await?)))
    }

    pub(super) async fn connector_install(&self, file: PathBuf) -> Result<Reply, Fault> {
        let inspection = self.with_registry(move |registry, approvals| registry.install(&file, approvals)).await?;
        Ok(Reply::Connector(Box::new(inspection)))
    }

    pub(super) async fn connector_approve(&self, id: ConnectorId) -> Result<Reply, Fault> {
        let proposal = self.with_registry(move |registry, approvals| registry.proposal(&id, approvals)).await?;
        let approval = proposal.approve(crate::clock::Timestamp::now());
        let document = serde_json::to_vec(&approval).map_err(|error| Fault::new(Kind::Bug, "write down the approval").because(&error))?;
        self.store().put_document(APPROVALS, approval.id.as_str(), &document).await?;
        Ok(Reply::Approved(Box::new(proposal)))
    }

    pub(super) async fn connector_remove(&self, id: ConnectorId) -> Result<Reply, Fault> {
        // The approval first: a file without one is harmless, an approval without its file could meet another file.
        self.store().remove_document(APPROVALS, id.as_str()).await?;
        self.with_registry(move |registry, _| registry.remove(&id)).await?;
        Ok(Reply::Done)
    }

    /// Work with the connectors' files, on a thread that may wait for the disk.
    pub(super) async fn with_registry<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Registry, &[Approval]) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let approvals = self.host().approvals().await?;
        let host = std::sync::Arc::clone(self.host());
        let worked = tokio::task::spawn_blocking(move || work(&host.registry, &approvals)).await;
        worked.map_err(|error| Fault::new(Kind::Bug, "look through the connectors").because(&error))?
    }
}
