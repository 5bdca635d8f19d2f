//! `impersonate`: enter a tenant. The Impersonation is written, waited for, and handed over as a kubeconfig of its own, a
//! shell or one command. Whatever goes wrong on the way stops the request.

mod inside;
mod may;
mod opening;

pub use opening::{Standing, closed, spelled, standing, stop, watched};

use super::cluster::{Access, Cluster, Origin};
use super::output::{self, BAD, Format, Table, shown};
use super::session::{Kept, Noted};
use super::{Outcome, now, stop as ending, tell};
use crate::api::{Duration, Impersonation, ImpersonationSpec, Mode};
use anyhow::{Context as _, Result, bail};
use kube::api::{Api, ObjectMeta};
use serde_json::json;
use std::ffi::OsString;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::Write as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Enter a tenant for a limited time, if you have the right.
///
/// Waits until the session is open, shows the banner, and prints a line for your shell:
/// `eval "$(kubectl pimpernel impersonate TENANT --mode Support --reason '...')"`. The session has a kubeconfig of its own;
/// yours is not changed. Ctrl-C while it waits stops the request. Exit codes: 0 the session is open (or was, with `--exec`,
/// then that of the command), 1 it was refused, or interrupted, 2 the command could not be run.
#[derive(clap::Args)]
pub struct Impersonate {
    /// The tenant to enter: its namespace. With `--list` there may be several, or none for all.
    #[arg(value_name = "TENANT", required_unless_present = "list")]
    tenants: Vec<String>,
    /// Tell which tenants you may enter, and why not the others. Nobody enters.
    #[arg(long, conflicts_with_all = ["mode", "reason", "ticket", "length", "shell", "exec"])]
    list: bool,
    /// Configure (set the tenant up) or Support (act as an administrator inside it).
    #[arg(long, value_name = "MODE", value_parser = mode, required_unless_present = "list")]
    mode: Option<Mode>,
    /// Why, in 10 to 500 characters. It stays on record.
    #[arg(long, value_name = "TEXT", required_unless_present = "list")]
    reason: Option<String>,
    /// A reference to the case.
    #[arg(long, value_name = "TICKET")]
    ticket: Option<String>,
    /// How long, such as `45m`, at least 15m. Absent: 1h. It cannot be made longer.
    #[arg(long = "for", value_name = "DURATION")]
    length: Option<String>,
    /// Open a shell in the session, with the banner in its prompt. The session stays open when you leave the shell.
    #[arg(long, conflicts_with_all = ["exec", "output"])]
    shell: bool,
    /// Run one command in the session: `--exec -- COMMAND...`. The session is stopped when the command ends.
    #[arg(long, requires = "command", conflicts_with = "output")]
    exec: bool,
    /// The command for `--exec`.
    #[arg(last = true, requires = "exec", value_name = "COMMAND")]
    command: Vec<OsString>,
    #[command(flatten)]
    access: Access,
    /// The form of the answer; as a table it is a line for your shell.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// A mode by its name, in whatever case.
fn mode(text: &str) -> Result<Mode, String> {
    match text.to_lowercase().as_str() {
        "configure" => Ok(Mode::Configure),
        "support" => Ok(Mode::Support),
        _ => Err("it is Configure or Support".to_owned()),
    }
}

impl Impersonate {
    /// Enters, or tells where one may. Refused if the session is not opened.
    pub async fn run(self) -> Result<Outcome> {
        if self.list {
            return may::list(&self.access.connect().await?, self.tenants, self.output).await;
        }
        self.enter().await
    }

    async fn enter(&self) -> Result<Outcome> {
        // Removes what is left of sessions that have ended.
        Kept::all(now())?;
        let origin = self.access.origin()?;
        let cluster = self.access.connect().await?;
        let mut interrupted = Interruptions::listen()?;
        let request = self.request(&cluster.user().await?)?;
        let (asked, warnings) = cluster.create(&request, false).await?;
        let (name, tenant) = (asked.metadata.name.clone(), asked.metadata.namespace.clone());
        let name = name.context("the session has no name")?;
        let tenant = tenant.context("the session has no namespace")?;
        let sessions: Api<Impersonation> = Api::namespaced(cluster.client.clone(), &tenant);
        tell(format_args!("asked for session {tenant}/{name}"));
        // The banner is shown when it is true.
        let warnings = warnings.iter().filter(|warning| !is_banner(warning));
        warnings.for_each(|warning| tell(format_args!("warning: {}", shown(warning))));
        let entered = tokio::select! {
            entered = enter(&cluster, &sessions, &name, &origin) => entered,
            () = interrupted.any() => {
                stop(&sessions, &name).await?;
                tell("interrupted: the request is stopped");
                return Ok(Outcome::Refused);
            }
        };
        let (session, kept) = match entered {
            Ok(Ok(entered)) => entered,
            other => {
                let stopped = stop(&sessions, &name).await;
                if let Ok(Err(why)) = other {
                    tell(format_args!("{BAD}refused:{BAD:#} {}", shown(&why)));
                    return stopped.map(|()| Outcome::Refused);
                }
                return other.map(|_| Outcome::Refused);
            }
        };
        welcome(&session, &kept);
        if self.exec {
            let ended = inside::command(&kept, &self.command, &mut interrupted).await;
            ending::end(&kept).await?;
            return ended;
        }
        if self.shell {
            return inside::shell(&kept, &mut interrupted).await;
        }
        self.hand_over(&session, &kept)?;
        Ok(Outcome::Fine)
    }

    /// What to ask for, as that user.
    fn request(&self, user: &str) -> Result<Impersonation> {
        let [tenant] = self.tenants.as_slice() else {
            bail!("one tenant at a time can be entered");
        };
        let mode = self.mode.context("the mode is missing")?;
        let mut request = request(user, tenant, mode, self.reason.as_deref().unwrap_or_default());
        let length = self.length.as_ref().map(Duration::new);
        if let Some(Err(error)) = length.as_ref().map(Duration::seconds) {
            bail!("--for {error}");
        }
        request.spec.duration = length;
        request.spec.ticket.clone_from(&self.ticket);
        Ok(request)
    }

    /// Says where the session's kubeconfig is: to a shell, or to a program.
    fn hand_over(&self, session: &Impersonation, kept: &Kept) -> Result<()> {
        let path = kept.kubeconfig();
        if self.output == Format::Table {
            let line = format!("export KUBECONFIG={}\n", quoted(&path.display().to_string()));
            return Ok(anstream::stdout().lock().write_all(line.as_bytes())?);
        }
        let noted = &kept.noted;
        let answer = json!({
            "namespace": noted.namespace,
            "name": noted.name,
            "uid": noted.uid,
            "mode": noted.mode,
            "impersonator": noted.impersonator,
            "banner": noted.banner,
            "landingPage": session.status.as_ref().and_then(|status| status.landing_page.as_ref()),
            "expirationTime": noted.expiration_time,
            "kubeconfig": path,
        });
        output::write(self.output, &answer, |_| Table::new(&[]))
    }
}

/// Waits until the session is open and keeps its credential; or why it is not opened.
async fn enter(
    cluster: &Cluster,
    sessions: &Api<Impersonation>,
    name: &str,
    origin: &Origin,
) -> Result<Result<(Impersonation, Kept), String>> {
    let session = match opening::open(sessions, name).await? {
        Ok(session) => session,
        Err(why) => return Ok(Err(why)),
    };
    let token = opening::credential(cluster, &session).await?;
    let kept = Kept::write(Noted::of(&session, origin)?, origin, &token)?;
    if let Err(error) = opening::heeded(&kept).await {
        kept.remove()?;
        return Err(error);
    }
    Ok(Ok((session, kept)))
}

/// Shows the banner (I6), where the session begins (I1) and when it ends (I8).
fn welcome(session: &Impersonation, kept: &Kept) {
    let noted = &kept.noted;
    tell(format_args!("{BAD}{}{BAD:#}", shown(&noted.banner)));
    let landing = session.status.as_ref().and_then(|status| status.landing_page.as_ref());
    if let Some(landing) = landing {
        let url = landing
            .url
            .as_deref()
            .map(|url| format!(" ({url})"))
            .unwrap_or_default();
        let page = format!("it begins at {}: {}{url}", landing.application, landing.page);
        tell(shown(&page));
    }
    let end = noted.expiration_time.0;
    let left = opening::spelled(end.duration_since(now()));
    tell(format_args!(
        "it ends by itself in {left}, at {end}; to end it now: `stop`"
    ));
}

/// A request to enter.
fn request(user: &str, tenant: &str, mode: Mode, reason: &str) -> Impersonation {
    let spec = ImpersonationSpec {
        mode,
        impersonator: user.to_owned(),
        reason: reason.to_owned(),
        ticket: None,
        duration: None,
        not_after: None,
        stop: false,
    };
    let metadata = ObjectMeta {
        name: Some(name(user)),
        namespace: Some(tenant.to_owned()),
        ..ObjectMeta::default()
    };
    Impersonation {
        metadata,
        spec,
        status: None,
    }
}

/// Whether a warning is the banner, which admission shows beforehand (I6).
fn is_banner(warning: &str) -> bool {
    warning.starts_with("You are currently impersonating")
}

/// A name that no other session is likely to have.
fn name(user: &str) -> String {
    let local = user
        .rsplit(':')
        .next()
        .unwrap_or(user)
        .split('@')
        .next()
        .unwrap_or(user);
    let plain = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let local: String = local.chars().map(plain).take(40).collect();
    let local = local.trim_matches('-');
    let local = if local.is_empty() { "session" } else { local };
    // The standard library's own seed is the only source of chance that is needed.
    let chance = RandomState::new().build_hasher().finish();
    format!("{local}-{:08x}", chance & 0xffff_ffff)
}

/// A text as one word of a shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The signals by which people and systems ask a program to end.
pub struct Interruptions([Signal; 3]);

impl Interruptions {
    /// From now on none is missed.
    fn listen() -> Result<Self> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(Self([interrupt?, terminate?, hangup?]))
    }

    /// The next one.
    async fn any(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! { _ = interrupt.recv() => (), _ = terminate.recv() => (), _ = hangup.recv() => () }
    }

    /// The next one that does not come from the keyboard.
    async fn not_typed(&mut self) {
        let [_, terminate, hangup] = &mut self.0;
        tokio::select! { _ = terminate.recv() => (), _ = hangup.recv() => () }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_label_whatever_the_user_is_called() {
        for (user, begin) in [
            ("dewhurst@lsp.example", "dewhurst-"),
            ("Percy.Blakeney@x", "percy-blakeney-"),
            ("system:serviceaccount:lsp:bot", "bot-"),
            ("@", "session-"),
            ("éé", "session-"),
        ] {
            let name = name(user);
            assert!(name.starts_with(begin), "{name}");
            let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
            assert!(
                name.chars().all(plain) && name.len() <= 63 && !name.starts_with('-'),
                "{name}"
            );
        }
        assert!(name(&"x".repeat(300)).len() <= 63);
        assert_ne!(name("a"), name("a"));
    }

    #[test]
    fn what_is_quoted_is_one_word_to_a_shell() {
        assert_eq!(quoted("/run/it's $(here)"), r"'/run/it'\''s $(here)'");
    }
}
