//! `impersonate`: enter a tenant. The Impersonation is written, waited for, and handed over as a kubeconfig of its own, a
//! shell or one command. Whatever goes wrong on the way stops the request.

mod inside;
mod interruptions;
mod may;
mod opening;
mod request;

pub use opening::{Standing, closed, spelled, standing, stop, watched};
pub use request::unlikely;

use super::cluster::{Access, Cluster, Origin};
use super::completion::Named;
use super::output::{self, BAD, Format, Table, shown};
use super::session::{Kept, Noted};
use super::{Outcome, now, stop as ending, tell};
use crate::api::{Duration, Impersonation, Mode};
use anyhow::{Context as _, Result, bail};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use interruptions::Interruptions;
use kube::ResourceExt as _;
use kube::api::Api;
use request::{is_banner, request};
use serde_json::json;
use std::ffi::OsString;
use std::io::Write as _;

/// Enter a tenant for a limited time, if you have the right.
///
/// Waits until the session is open, shows the banner, and prints a line for your shell:
/// `eval "$(kubectl pimpernel impersonate TENANT --mode Support --reason '...')"`. The session has a kubeconfig of its own;
/// yours is not changed. Ctrl-C while it waits stops the request.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags")]
pub struct Impersonate {
    /// The tenant to enter: its namespace. With `--list` there may be several, or none for all.
    #[arg(value_name = "TENANT", required_unless_present = "list", add = Named::Tenant)]
    tenants: Vec<String>,
    /// Tell which tenants you may enter, and why not the others. Nobody enters.
    #[arg(long, conflicts_with_all = ["mode", "reason", "ticket", "length", "shell", "exec", "no_wait", "resume"])]
    list: bool,
    /// Configure (set the tenant up) or Support (act as an administrator inside it).
    #[arg(long, value_name = "MODE", value_parser = modes(), ignore_case = true, required_unless_present_any = ["list", "resume"])]
    mode: Option<Mode>,
    /// Why, in 10 to 500 characters. It stays on record.
    #[arg(long, value_name = "TEXT", required_unless_present_any = ["list", "resume"])]
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
    /// Run one command in the session: `--exec -- COMMAND...`. The session is stopped when the command ends, and the exit code is
    /// that of the command.
    #[arg(long, requires = "command", conflicts_with = "output")]
    exec: bool,
    /// The command for `--exec`.
    #[arg(last = true, requires = "exec", value_name = "COMMAND")]
    command: Vec<OsString>,
    /// Ask only, and print the name of the session, to enter it later by `--resume`: the tenant may have to consent.
    #[arg(long, conflicts_with_all = ["shell", "exec", "resume"])]
    no_wait: bool,
    /// Enter a session that was asked for before, instead of asking for another one.
    #[arg(long, value_name = "NAME", add = Named::Session, conflicts_with_all = ["mode", "reason", "ticket", "length"])]
    resume: Option<String>,
    #[command(flatten)]
    access: Access,
    /// The form of the answer; as a table it is a line for your shell.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// The modes by their names, in whatever case.
fn modes() -> impl TypedValueParser<Value = Mode> {
    let names = PossibleValuesParser::new([
        PossibleValue::new("Configure").help("Set the tenant up"),
        PossibleValue::new("Support").help("Act as an administrator inside it"),
    ]);
    names.map(|name| {
        if name.eq_ignore_ascii_case("configure") {
            Mode::Configure
        } else {
            Mode::Support
        }
    })
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
        let [tenant] = self.tenants.as_slice() else {
            bail!("one tenant at a time can be entered");
        };
        let origin = self.access.origin()?;
        let cluster = self.access.connect().await?;
        let mut interrupted = Interruptions::listen()?;
        let sessions: Api<Impersonation> = Api::namespaced(cluster.client.clone(), tenant);
        let asked = match &self.resume {
            Some(name) => sessions.get(name).await?,
            None => self.ask(&cluster, tenant).await?,
        };
        if self.no_wait {
            return self.leave(&asked);
        }
        let name = asked.name_any();
        let entered = tokio::select! {
            entered = enter(&cluster, &sessions, &name, &origin) => entered,
            () = interrupted.any() => Ok(Err("interrupted".to_owned())),
        };
        let (session, kept) = match entered {
            Ok(Ok(entered)) => entered,
            missed => {
                let withdrawn = self.withdraw(&sessions, &asked).await;
                if let Ok(Err(why)) = &missed {
                    tell(format_args!("{BAD}not entered:{BAD:#} {}", shown(why)));
                }
                return missed.and(withdrawn).map(|()| Outcome::Refused);
            }
        };
        welcome(&session, &kept);
        if self.exec {
            let ended = inside::command(&kept, &self.command, &mut interrupted).await;
            ending::end(&kept).await?;
            return ended;
        }
        if self.shell {
            let left = inside::shell(&kept, &mut interrupted).await;
            if left.is_err() {
                ending::end(&kept).await?;
            }
            return left;
        }
        let path = quoted(&kept.kubeconfig().display().to_string());
        self.hand_over(&session, Some(&kept), &format!("export KUBECONFIG={path}"))?;
        Ok(Outcome::Fine)
    }

    /// Writes the request, as whoever asks.
    async fn ask(&self, cluster: &Cluster, tenant: &str) -> Result<Impersonation> {
        let mode = self.mode.context("the mode is missing")?;
        let reason = self.reason.as_deref().unwrap_or_default();
        let length = self.length.as_ref().map(Duration::new);
        if let Some(Err(error)) = length.as_ref().map(Duration::seconds) {
            bail!("--for {error}");
        }
        let mut request = request(&cluster.user().await?, tenant, mode, reason);
        request.spec.duration = length;
        request.spec.ticket.clone_from(&self.ticket);
        let (asked, warnings) = cluster.create(&request, false).await?;
        tell(format_args!("asked for session {tenant}/{}", asked.name_any()));
        // The banner is shown when it is true.
        let warnings = warnings.iter().filter(|warning| !is_banner(warning));
        warnings.for_each(|warning| tell(format_args!("warning: {}", shown(warning))));
        Ok(asked)
    }

    /// Leaves a request that was not entered as it was before: stopped, if it was written by this command.
    async fn withdraw(&self, sessions: &Api<Impersonation>, asked: &Impersonation) -> Result<()> {
        for kept in Kept::all(now())? {
            if Some(&kept.noted.uid) == asked.metadata.uid.as_ref() {
                kept.remove()?;
            }
        }
        if self.resume.is_none() {
            stop(sessions, &asked.name_any()).await?;
            tell("the request is stopped");
        }
        Ok(())
    }

    /// Says what was asked for, without waiting for it.
    fn leave(&self, asked: &Impersonation) -> Result<Outcome> {
        let name = asked.name_any();
        let tenant = asked.namespace().unwrap_or_default();
        tell(format_args!("to enter it: `impersonate {tenant} --resume {name}`"));
        self.hand_over(asked, None, &name)?;
        Ok(Outcome::Fine)
    }

    /// Says of the session, and where its kubeconfig is if it was entered, to a program; and to a shell that one line.
    fn hand_over(&self, session: &Impersonation, kept: Option<&Kept>, line: &str) -> Result<()> {
        if self.output == Format::Table {
            return Ok(writeln!(anstream::stdout().lock(), "{line}")?);
        }
        let status = session.status.clone().unwrap_or_default();
        let answer = json!({
            "namespace": session.namespace(),
            "name": session.name_any(),
            "uid": session.uid(),
            "mode": session.spec.mode,
            "impersonator": session.spec.impersonator,
            "banner": status.banner,
            "landingPage": status.landing_page,
            "expirationTime": status.expiration_time,
            "kubeconfig": kept.map(Kept::kubeconfig),
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
        "it ends by itself in {left}, at {end}; to end it now: `kubectl pimpernel stop`"
    ));
}

/// A text as one word of a shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_quoted_is_one_word_to_a_shell() {
        assert_eq!(quoted("/run/it's $(here)"), r"'/run/it'\''s $(here)'");
    }
}
