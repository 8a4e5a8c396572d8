//! Requests about accounts.

use std::sync::Arc;

use serde_json::Value;

use super::Service;
use crate::account::{RoleForm, missing, missing_connector};
use crate::api::event::{Events, RequestWatcher};
use crate::api::reply::{AccountView, Reply, TestView};
use crate::api::request::{AccountChange, RoleSecrets};
use crate::clock::Timestamp;
use crate::connector::manifest::Manifest;
use crate::fault::{Fault, Kind};
use crate::flow::event::Watcher;
use crate::flow::host::no_such_account;
use crate::flow::probe;
use crate::model::account::{Account, Role, RoleKind};
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
        if RoleKind::ALL.iter().all(|kind| change.form.role(*kind).connector.is_none()) {
            return Err(missing_connector(&name, RoleKind::Receive)
                .with_remedy("add `--receive CONNECTOR` to receive, `--send CONNECTOR` to send, or both"));
        }
        let id = self.store().next_account_id().await?;
        let keep = change.form.keep.unwrap_or_default();
        let account = Account { id, name, receive: None, send: None, created: Timestamp::now(), keep };
        self.write_over(account, change).await
    }

    pub(super) async fn account_edit(&self, name: AccountName, change: AccountChange) -> Result<Reply, Fault> {
        let account = self.find_account(&name).await?;
        self.write_over(account, change).await
    }

    /// Check what the operator wrote about each role, and keep it.
    async fn write_over(&self, former: Account, change: AccountChange) -> Result<Reply, Fault> {
        let mut account = Account { keep: change.form.keep.unwrap_or(former.keep), ..former };
        let mut given = Vec::new();
        let AccountChange { form, receive, send } = change;
        for (kind, secrets) in [(RoleKind::Receive, receive), (RoleKind::Send, send)] {
            let names = [kind.word(), kind.proxy_secret(), kind.client_key_secret()];
            let form = form.role(kind);
            if form.is_dropped {
                account.put_role(kind, None);
                given.extend(names.map(|name| (name.to_owned(), Secret::new(Vec::new()))));
                continue;
            }
            let is_new = account.role(kind).is_none();
            if form.is_empty() && secrets == RoleSecrets::default() {
                continue;
            }
            let role = self.role_over(&account, kind, form).await?;
            account.put_role(kind, Some(role));
            if is_new {
                self.check_new_role(&account, kind, secrets.secret.is_some()).await?;
            }
            let is_shared = account.role(kind).is_some_and(|role| role.same_credentials);
            // One of its own that is no longer used is not kept.
            let secret = if is_shared { Some(Secret::new(Vec::new())) } else { secrets.secret };
            let secrets = [secret, secrets.proxy_password, secrets.client_key];
            given.extend(names.into_iter().zip(secrets).filter_map(|(name, secret)| Some((name.to_owned(), secret?))));
        }
        check_credentials(&account)?;
        self.store().put_account(account.clone(), given).await?;
        // What was agreed under the former account counts no more.
        tls::forget_sessions(account.id);
        Ok(Reply::Account(Box::new(self.view(account).await?)))
    }

    /// One role with what was written over it, as its connector's manifest allows.
    async fn role_over(&self, account: &Account, kind: RoleKind, form: &RoleForm) -> Result<Role, Fault> {
        let former = account.role(kind);
        let connector = form.connector.clone().or_else(|| former.map(|role| role.connector.clone()));
        let connector = connector.ok_or_else(|| {
            let what = match kind {
                RoleKind::Receive => "it does not receive",
                RoleKind::Send => "it does not send",
            };
            Fault::new(Kind::Unsupported, format!("edit the account `{}`", account.name))
                .because_words(what)
                .with_remedy(format!("name the connector with `--{kind} CONNECTOR`; `postrider connector list` shows what there is"))
        })?;
        let manifest = self.manifest(connector.clone()).await?;
        // Another connector has other settings.
        let kept = former.filter(|role| role.connector == connector).map(|role| role.settings.as_str());
        let settings = settings_over(&manifest, form, kept)?;
        let mut role = form.fill(kind, &account.name, former.cloned(), protocol(&manifest, kind)?, settings)?;
        let takes_credential = manifest.endpoint(kind.word()).is_some_and(|endpoint| endpoint.credential.is_some());
        let says_who = form.user.is_some() || form.same_credentials.is_some();
        if kind == RoleKind::Send && former.is_none() && takes_credential && !says_who {
            // As mail programs have it: the same user and password for outgoing, unless somebody says otherwise.
            role.same_credentials = account.receive.as_ref().is_some_and(|role| role.endpoint.user.is_some());
        }
        check_leave_copy(&role, &account.name, &manifest)?;
        Ok(role)
    }

    /// Whether a role that the account did not have can sign in.
    async fn check_new_role(&self, account: &Account, kind: RoleKind, has_secret: bool) -> Result<(), Fault> {
        let Some(role) = account.role(kind) else { return Ok(()) };
        let manifest = self.manifest(role.connector.clone()).await?;
        let takes_credential = manifest.endpoint(kind.word()).is_some_and(|endpoint| endpoint.credential.is_some());
        let has_user = role.endpoint.user.is_some();
        // Servers that let everybody of a network in are common for sending; for receiving there is none.
        if takes_credential && !has_user && kind == RoleKind::Receive {
            return Err(missing(&account.name, &kind.option("user USER")));
        }
        let by_certificate = role.endpoint.auth == Some(Mechanism::External);
        if takes_credential && has_user && !has_secret && !by_certificate {
            return Err(missing(&account.name, &kind.option("password-stdin")));
        }
        Ok(())
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
        let in_clear = |kind: &RoleKind| account.endpoint(*kind).is_some_and(|endpoint| endpoint.signs_in_clear());
        let clear: Vec<_> = RoleKind::ALL.into_iter().filter(in_clear).collect();
        let tested = probe::test(self.host(), &account, &watching).await;
        let stages = watcher.stages();
        match tested {
            // It failed before any stage, or between two: nothing in the answer would say so.
            Err(fault) if stages.iter().all(|stage| stage.fault.is_none()) => Err(fault),
            _ => Ok(Reply::Tested(TestView { account: name, stages, signs_in_clear: !clear.is_empty(), clear })),
        }
    }

    /// The account called `name`.
    pub(super) async fn find_account(&self, name: &AccountName) -> Result<Account, Fault> {
        match self.store().account(name).await? {
            Some(account) => Ok(account),
            None => Err(no_such_account(name, &self.store().accounts().await?)),
        }
    }

    async fn view(&self, account: Account) -> Result<AccountView, Fault> {
        let mut stored = Vec::new();
        for kind in RoleKind::ALL {
            for name in [account.credentials_of(kind).word(), kind.proxy_secret()] {
                stored.push(self.store().secret(account.id, name).await?.is_some());
            }
        }
        let [receive, receive_proxy, send, send_proxy] = stored.try_into().unwrap_or_default();
        Ok(AccountView::new(account, [receive, receive_proxy], [send, send_proxy]))
    }

    async fn manifest(&self, connector: ConnectorId) -> Result<Manifest, Fault> {
        let found = self.with_registry(move |registry, approvals| registry.find(&connector, approvals)).await?;
        Ok(found.manifest)
    }
}

/// What the connector's endpoint for this role speaks. One that only sends requests has none: its account's server is an origin, and no line
/// is opened to it.
fn protocol(manifest: &Manifest, kind: RoleKind) -> Result<Protocol, Fault> {
    match manifest.endpoint(kind.word()) {
        Some(endpoint) => Ok(endpoint.protocol),
        None if !manifest.origins.is_empty() && manifest.has_ability(kind.word()) => Ok(Protocol::Stream),
        None => Err(Fault::new(Kind::Unsupported, format!("{kind} with the connector `{}`", manifest.id))
            .because_words(format!("its manifest declares neither an endpoint `{kind}` nor an origin"))
            .with_remedy("`postrider connector list` shows what each connector can do")),
    }
}

/// Mail that was to be deleted on the server and stays there for ever would fill somebody's mailbox.
fn check_leave_copy(role: &Role, account: &AccountName, manifest: &Manifest) -> Result<(), Fault> {
    if role.leave_copy.is_default() || manifest.has_ability(LEAVE_COPY) {
        return Ok(());
    }
    Err(Fault::new(Kind::Unsupported, format!("take `--leave-copy` for the account `{account}`"))
        .because_words(format!("the connector `{}` leaves all mail on the server", manifest.id))
        .with_remedy("leave it out, or give `--leave-copy forever`"))
}

/// Whether the account can still do something, and who signs in for sending is somebody.
fn check_credentials(account: &Account) -> Result<(), Fault> {
    let refused = |why: &str, remedy: String| {
        Err(Fault::new(Kind::Usage, format!("edit the account `{}`", account.name)).because_words(why).with_remedy(remedy))
    };
    if account.receive.is_none() && account.send.is_none() {
        let remedy = format!("remove it with all of its mail: `postrider account remove {}`", account.name);
        return refused("it would neither receive nor send", remedy);
    }
    if account.send.as_ref().is_some_and(|role| role.same_credentials)
        && account.endpoint(RoleKind::Send).is_none_or(|to| to.user.is_none())
    {
        let remedy = "give sending its own: `--send-user USER --send-password-stdin`, or `--send-user=` where nobody signs in";
        return refused("sending is to sign in as receiving does, and there is nobody who signs in for receiving", remedy.to_owned());
    }
    Ok(())
}

/// The connector's settings that `form` names written over `kept`; those with an empty value are left out.
fn settings_over(manifest: &Manifest, form: &RoleForm, kept: Option<&str>) -> Result<String, Fault> {
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
