//! Tokens from elsewhere: given as JSON, or printed by a command of the operator's.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use zeroize::Zeroizing;

use super::answer::{Granted, later};
use crate::clock::Timestamp;
use crate::fault::{Fault, Kind};
use crate::limits::{OAUTH_COMMAND_OCTETS, OAUTH_COMMAND_TIME};
use crate::model::name::AccountName;
use crate::secret::Secret;

/// Read tokens as a token endpoint gives them (RFC 6749 section 5.1), or as other programs keep them: `expires_in` counts from now,
/// `expires_at` and `expiry` are seconds since 1970 or RFC 3339. A lone refresh token is enough, and so is a bare access token that is
/// no JSON.
///
/// # Errors
/// `Usage` where there is no token in it; it is not repeated.
pub fn read(given: &Secret, now: Timestamp) -> Result<Granted, Fault> {
    let refused = |why: &str| {
        let remedy = r#"give `{"access_token": "...", "refresh_token": "...", "expires_in": 3599}`; one of the two tokens is enough"#;
        Fault::new(Kind::Usage, "take the tokens").because_words(why).with_remedy(remedy)
    };
    let text = given.expose_str().map(str::trim).filter(|text| !text.is_empty()).ok_or_else(|| refused("there is no text"))?;
    if !text.starts_with('{') {
        if !text.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(refused("it is neither JSON nor one token"));
        }
        return Ok(granted(Some(text), None, None, now));
    }
    let value: Value = serde_json::from_str(text).map_err(|_| refused("it is no JSON object"))?;
    let token = |names: &[&str]| {
        let found = names.iter().find_map(|name| value.get(name)).and_then(Value::as_str);
        found.filter(|token| !token.is_empty() && token.bytes().all(|octet| octet.is_ascii_graphic()))
    };
    let (access, refresh) = (token(&["access_token", "token", "accessToken"]), token(&["refresh_token", "refreshToken"]));
    if access.is_none() && refresh.is_none() {
        return Err(refused("it names neither an access token nor a refresh token"));
    }
    let expires = value.get("expires_in").and_then(number).map(|seconds| later(now, Duration::from_secs(seconds)));
    let at = ["expires_at", "expiry", "expiresAt"].iter().find_map(|name| value.get(name)).and_then(moment);
    let mut granted = granted(access, refresh, expires.or(at), now);
    let scopes = value.get("scope").and_then(Value::as_str);
    granted.scopes = scopes.map(|scopes| scopes.split_whitespace().map(str::to_owned).collect());
    granted.id_token = token(&["id_token"]).map(Secret::new);
    Ok(granted)
}

/// Run the operator's command and take the token that it prints: JSON as [`read`] takes it, or the bare token. No shell is between; its
/// stdin is empty and what it says on stderr is not kept.
///
/// # Errors
/// `Misconfigured` where it cannot be started, prints too much or fails, `Unreachable` where it takes too long.
pub(super) async fn run(account: &AccountName, command: &[String]) -> Result<Granted, Fault> {
    let operation = || format!("run the token command of `{account}`");
    let failed = |why: String| {
        Fault::new(Kind::Misconfigured, operation())
            .because_words(why)
            .with_remedy("run it by hand, as the user of this program: it has to print an access token, or JSON with one, and nothing else")
    };
    let Some((program, arguments)) = command.split_first() else { return Err(failed("there is none".to_owned())) };
    let now = Timestamp::now();
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("`{}` cannot be started: {error}", program.escape_debug())))?;
    let Some(stdout) = child.stdout.take() else { return Err(failed("it has no output".to_owned())) };
    let whole = async { Ok::<_, Fault>((bounded(stdout).await?, child.wait().await)) };
    let (printed, status) = tokio::time::timeout(OAUTH_COMMAND_TIME, whole).await.map_err(|_| {
        Fault::new(Kind::Unreachable, operation()).because_words(format!("it has not ended in {} seconds", OAUTH_COMMAND_TIME.as_secs()))
    })??;
    let status = status.map_err(|error| failed(error.to_string()))?;
    let printed = printed.ok_or_else(|| failed(format!("it prints more than {OAUTH_COMMAND_OCTETS} octets")))?;
    if !status.success() {
        return Err(failed(format!("it ended with {status}")));
    }
    let granted = read(&printed, now).map_err(|fault| failed(fault.causes().next().unwrap_or("it prints no token").to_owned()))?;
    if granted.access.is_empty() {
        return Err(failed("it prints no access token".to_owned()));
    }
    Ok(Granted { refresh: None, ..granted })
}

/// All of `stdout`; none: it is too much.
async fn bounded(stdout: impl AsyncRead + Unpin) -> Result<Option<Secret>, Fault> {
    let mut octets = Zeroizing::new(Vec::with_capacity(OAUTH_COMMAND_OCTETS + 1));
    let read = stdout.take(OAUTH_COMMAND_OCTETS as u64 + 1).read_to_end(&mut octets).await;
    read.map_err(|error| Fault::new(Kind::Unreachable, "read what the token command prints").because(&error))?;
    Ok((octets.len() <= OAUTH_COMMAND_OCTETS).then(|| Secret::new(octets.as_slice())))
}

fn granted(access: Option<&str>, refresh: Option<&str>, expires: Option<Timestamp>, now: Timestamp) -> Granted {
    Granted {
        access: access.map_or_else(|| Secret::new(Vec::new()), Secret::new),
        issued: now,
        expires,
        refresh: refresh.map(Secret::new),
        refresh_expires: None,
        scopes: None,
        id_token: None,
    }
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()))
}

fn moment(value: &Value) -> Option<Timestamp> {
    if let Some(seconds) =
        number(value).or_else(|| value.as_f64().filter(|seconds| *seconds >= 0.0).and_then(|seconds| format!("{seconds:.0}").parse().ok()))
    {
        // Some write milliseconds; seconds of that size are tens of thousands of years away.
        return Some(Timestamp(if seconds > 100_000_000_000 { seconds } else { seconds.saturating_mul(1000) }));
    }
    let at: jiff::Timestamp = value.as_str()?.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok().map(Timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_as_other_programs_keep_them() {
        let now = Timestamp(1_000);
        for (given, access, refresh, expires) in [
            ("ya29.bare\n", "ya29.bare", None, None),
            (r#"{"access_token":"a","refresh_token":"r","expires_in":10}"#, "a", Some("r"), Some(11_000)),
            (r#"{"token":"a","refresh_token":"r","expiry":"2023-11-14T22:13:20Z"}"#, "a", Some("r"), Some(1_700_000_000_000)),
            (r#"{"accessToken":"a","expiresAt":1700000000000}"#, "a", None, Some(1_700_000_000_000)),
            (r#"{"access_token":"a","expires_at":1700000000.5}"#, "a", None, Some(1_700_000_000_000)),
            (r#"{"refresh_token":"r"}"#, "", Some("r"), None),
        ] {
            let granted = read(&Secret::new(given), now).unwrap();
            assert!(granted.access == Secret::new(access) && granted.refresh == refresh.map(Secret::new), "{given}");
            assert_eq!(granted.expires, expires.map(Timestamp), "{given}");
        }
        for given in ["", "\n", "two words", "{", r#"{"access_token":""}"#, r#"{"access_token":"hunt er2"}"#, "[]x y"] {
            let fault = read(&Secret::new(given), now).err().unwrap();
            assert!(fault.kind == Kind::Usage && !format!("{fault:?}").contains("hunt"), "{given}: {fault:?}");
        }
    }

    #[tokio::test]
    async fn a_command_prints_a_token_or_is_told_of() {
        let account: AccountName = "help".parse().unwrap();
        let run = async |command: &[&str]| run(&account, &command.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).await;
        assert!(run(&["echo", "a;b$(x)"]).await.unwrap().access == Secret::new("a;b$(x)"), "no shell reads it");
        let json = r#"{"access_token":"a","refresh_token":"not taken"}"#;
        assert!(run(&["printf", "%s", json]).await.unwrap().refresh.is_none());
        for (command, words) in [
            (&["/nonexistent/program"][..], "cannot be started"),
            (&["false"], "exit status"),
            (&["true"], "no text"),
            (&["head", "-c", "100000", "/dev/zero"], "prints more than"),
            (&["echo", "two words"], "neither JSON nor one token"),
        ] {
            let fault = run(command).await.err().unwrap();
            assert!(fault.causes().any(|cause| cause.contains(words)), "{command:?}: {fault:?}");
        }
    }
}
