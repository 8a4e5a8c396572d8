//! The memory of a component after a real sign-in: swept for the secret, in every way in which it may be written.

use harness::scripted::{Line, Scripted};
use postrider::model::endpoint::Protocol;
use postrider::secret::Secret;

use super::behaviour::Behaviour;
use super::fake::{SECRET, Setting};

/// The component signs in at a server that lets it in and at one that refuses, saying again all that it heard; then its linear
/// memory is swept.
pub(super) async fn memory_has_no_secret(behaviour: Behaviour) {
    let friendly = Scripted::start(|line| serve(line, |tag, _| format!("{tag} OK signed in\r\n")));
    let spiteful = Scripted::start(|line| serve(line, |tag, heard| format!("{tag} NO [AUTHENTICATIONFAILED] you said {heard}\r\n")));
    let setting =
        Setting::new(behaviour).with_server("receive", Protocol::Imap, friendly.port).with_server("refused", Protocol::Imap, spiteful.port);
    setting.sync().await.unwrap();
    let secret = Secret::new(SECRET);
    for server in [&friendly, &spiteful] {
        let heard = server.heard().join("\n");
        assert!(secret.spellings().iter().any(|spelling| heard.contains(spelling.as_str())), "nobody signed in: {heard}");
    }
    let told = setting.memory.told();
    let memory = &told.messages[0].2;
    assert!(memory.len() > 1 << 20, "this is not the whole memory");
    let has = |needle: &[u8]| memory.windows(needle.len()).any(|window| window == needle);
    assert!(has(b"a greeting to be found"), "what the server said on the way in should be there: the search does not search");
    assert!(has(b"the credential was refused"), "the refused sign-in should be there, in the host's words");
    for spelling in secret.spellings() {
        assert!(!has(spelling.as_bytes()), "the component has the secret");
    }
    assert!(!has(b"you said"), "the component has words that answered a sign-in");
}

/// An IMAP server on a clear line that takes any sign-in and answers it with `verdict`.
fn serve(line: &mut Line, verdict: impl Fn(&str, &str) -> String) {
    line.write(b"* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] a greeting to be found\r\n");
    while let Some(command) = line.command() {
        let tag = &command.tag;
        let word = command.text.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let answer = match word.as_str() {
            "CAPABILITY" => format!("* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\n{tag} OK done\r\n"),
            "AUTHENTICATE" | "LOGIN" => verdict(tag, &command.text),
            _ => format!("{tag} OK done\r\n"),
        };
        if !line.write(answer.as_bytes()) {
            return;
        }
    }
}
