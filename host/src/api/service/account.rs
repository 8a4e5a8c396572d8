//! Requests about accounts.

use std::sync::Arc;

use serde_json::Value;

use super::Service;
use crate::account::{Form, RECEIVE, RECEIVE_CLIENT_KEY, RECEIVE_PROXY};
use crate::api::event::{Events, RequestWatcher};
use crate::api::reply::{AccountView, Reply, TestView};
use crate::api::request::AccountChange;
use crate::connector::manifest::Manifest;
use crate::fault::{Fault, Kind};
use crate::flow::event::Watcher;
use crate::flow::host::no_such_account;
use crate::flow::probe;
use crate::model::account::Account;
use crate::model::endpoint::Protocol;
use crate::model::mechanism::Mechanism;
use crate::model::name::{AccountName, ConnectorId};
use crate::net::tls;
use crate::secret::Secret;

/// The ability of connectors that delete on the server what `mailbox.expendable` names.
const LEAVE_COPY: &str = "leave-copy";

impl Service {
    pub(super) async fn account_list(&self) -> Result<Reply, Fault> {
        let mut views = Vec::new();
        for account in self.store().accounts().await? {
            views.push(self.view(account).await?);
        }
        Ok(Reply::Accounts(views))
    }

    pub(super) async fn account_show(&self, name: AccountName) -> Result<Reply, Fault> {
        let account = self.find_account(&name).await?;
        Ok(Reply::Account(Box::new(self.view(account).await?)))
    }

    pub(super) async fn account_add(&self, name: AccountName, change: AccountChange) -> Result<Reply, Fault> {
        let operation = || format!("add the account `{name}`");
        if self.store().account(&name).await?.is_some() {
            return Err(Fault::new(Kind::Conflict, operation())
                .because_words("there is an account of this name")
                .with_remedy(format!("change it with `postrider account edit {name}`, or take another name")));
        }
        let AccountChange { form, secret, proxy_password, client_key } = change;
        let missing = |option: &str| Fault::new(Kind::Usage, operation()).because_words(format!("`{option}` is missing"));
        let connector = form.receive.clone().ok_or_else(|| missing("--receive CONNECTOR"))?;
        let manifest = self.manifest(connector).await?;
        let protocol = receiving_protocol(&manifest)?;
        let settings = settings_over(&manifest, &form, None)?;
        let id = self.store().next_account_id().await?;
        let account = form.fill(id, &name, protocol, settings)?;
        let signs_in = manifest.endpoint(RECEIVE).is_some_and(|endpoint| endpoint.credential.is_some());
        let has_user = account.receive.as_ref().is_some_and(|role| role.endpoint.user.is_some());
        if signs_in && !has_user {
            return Err(missing("--user USER"));
        }
        let by_certificate = account.receive.as_ref().is_some_and(|role| role.endpoint.auth == Some(Mechanism::External));
        if signs_in && secret.is_none() && !by_certificate {
            return Err(missing("--password-stdin"));
        }
        check_leave_copy(&account, &manifest)?;
        self.keep(account, secret, proxy_password, client_key).await
    }

    pub(super) async fn account_edit(&self, name: AccountName, change: AccountChange) -> Result<Reply, Fault> {
        let account = self.find_account(&name).await?;
        let AccountChange { form, secret, proxy_password, client_key } = change;
        let former = account.receive.as_ref();
        let connector = form.receive.clone().or_else(|| former.map(|role| role.connector.clone()));
        let connector = connector
            .ok_or_else(|| Fault::new(Kind::Unsupported, format!("edit the account `{name}`")).because_words("it does not receive"))?;
        let manifest = self.manifest(connector.clone()).await?;
        // Another connector has other settings.
        let kept = former.filter(|role| role.connector == connector).map(|role| role.settings.as_str());
        let settings = settings_over(&manifest, &form, kept)?;
        let account = form.edit(account, receiving_protocol(&manifest)?, settings)?;
        check_leave_copy(&account, &manifest)?;
        self.keep(account, secret, proxy_password, client_key).await
    }

    pub(super) async fn account_remove(&self, name: AccountName, events: &Events) -> Result<Reply, Fault> {
        let account = self.find_account(&name).await?;
        self.store().remove_account(account.id).await?;
        tls::forget_sessions(account.id);
        let sinks = self.host().sinks().await?;
        for sink in sinks.iter().filter(|sink| sink.accounts == [account.id]) {
            events.note(format!("the sink `{}` gets no mail any more: it was for this account alone", sink.name)).await;
        }
        Ok(Reply::Done)
    }

    /// Every stage is told as it ends; a stage that fails is in the answer, which is no failure of the request.
    pub(super) async fn account_test(&self, name: AccountName, events: Events) -> Result<Reply, Fault> {
        let account = self.find_account(&name).await?;
        let watcher = Arc::new(RequestWatcher::new(events));
        let watching: Arc<dyn Watcher> = Arc::clone(&watcher) as _;
        let signs_in_clear = account.receive.as_ref().is_some_and(|role| role.endpoint.signs_in_clear());
        let tested = probe::test(self.host(), &account, &watching).await;
        let stages = watcher.stages();
        match tested {
            // It failed before any stage, or between two: nothing in the answer would say so.
            Err(fault) if stages.iter().all(|stage| stage.fault.is_none()) => Err(fault),
            _ => Ok(Reply::Tested(TestView { account: name, stages, signs_in_clear })),
        }
    }

    /// The account called `name`.
    pub(super) async fn find_account(&self, name: &AccountName) -> Result<Account, Fault> {
        match self.store().account(name).await? {
            Some(account) => Ok(account),
            None => Err(no_such_account(name, &self.store().accounts().await?)),
        }
    }

    async fn keep(
        &self,
        account: Account,
        secret: Option<Secret>,
        proxy_password: Option<Secret>,
        client_key: Option<Secret>,
    ) -> Result<Reply, Fault> {
        let given = [(RECEIVE, secret), (RECEIVE_PROXY, proxy_password), (RECEIVE_CLIENT_KEY, client_key)];
        let secrets = given.into_iter().filter_map(|(name, secret)| Some((name.to_owned(), secret?))).collect();
        self.store().put_account(account.clone(), secrets).await?;
        // What was agreed under the former account counts no more.
        tls::forget_sessions(account.id);
        Ok(Reply::Account(Box::new(self.view(account).await?)))
    }

    async fn view(&self, account: Account) -> Result<AccountView, Fault> {
        let has_secret = self.store().secret(account.id, RECEIVE).await?.is_some();
        let has_proxy_password = self.store().secret(account.id, RECEIVE_PROXY).await?.is_some();
        Ok(AccountView::new(account, has_secret, has_proxy_password))
    }

    async fn manifest(&self, connector: ConnectorId) -> Result<Manifest, Fault> {
        let found = self.with_registry(move |registry, approvals| registry.find(&connector, approvals)).await?;
        Ok(found.manifest)
    }
}

/// What the connector's endpoint for receiving speaks. One that only sends requests has none: its account's server is an origin, and no line is opened to it.
fn receiving_protocol(manifest: &Manifest) -> Result<Protocol, Fault> {
    match manifest.endpoint(RECEIVE) {
        Some(endpoint) => Ok(endpoint.protocol),
        None if !manifest.origins.is_empty() => Ok(Protocol::Stream),
        None => Err(Fault::new(Kind::Unsupported, format!("receive with the connector `{}`", manifest.id))
            .because_words(format!("its manifest declares neither an endpoint `{RECEIVE}` nor an origin"))),
    }
}

/// Mail that was to be deleted on the server and stays there for ever would fill somebody's mailbox.
fn check_leave_copy(account: &Account, manifest: &Manifest) -> Result<(), Fault> {
    let leaves_it = account.receive.as_ref().is_none_or(|role| role.leave_copy.is_default());
    if leaves_it || manifest.has_ability(LEAVE_COPY) {
        return Ok(());
    }
    Err(Fault::new(Kind::Unsupported, format!("take `--leave-copy` for the account `{}`", account.name))
        .because_words(format!("the connector `{}` leaves all mail on the server", manifest.id))
        .with_remedy("leave it out, or give `--leave-copy forever`"))
}

/// The connector's settings that `form` names written over `kept`; those with an empty value are left out.
fn settings_over(manifest: &Manifest, form: &Form, kept: Option<&str>) -> Result<String, Fault> {
    let (unset, set): (Vec<_>, Vec<_>) = form.connector_pairs().into_iter().partition(|(_, value)| value.is_empty());
    let mut settings = match kept.map(serde_json::from_str) {
        Some(Ok(Value::Object(kept))) => kept,
        _ => serde_json::Map::new(),
    };
    for (key, _) in &unset {
        settings.shift_remove(key);
    }
    if let Value::Object(set) = manifest.settings_from_pairs(&set)? {
        settings.extend(set);
    }
    let settings = Value::Object(settings);
    manifest.check_settings(&settings)?;
    Ok(settings.to_string())
}
