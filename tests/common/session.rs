//! A session as its impersonator has it: the Impersonation, the credential, and what is done with it.

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use super::cast::Stage;
use super::endings::{self, Ending};
use super::rest::{Caller, object};
use super::{PATIENCE, SESSIONS};

/// A session that was opened.
pub struct Session {
    /// Such as `Impersonation lsp-paris/case`.
    pub which: String,
    /// The Impersonation's UID.
    pub uid: String,
    /// The absolute end.
    pub end: Timestamp,
    /// The token, which must not be in any message of a test.
    pub token: String,
    /// Who acts with it.
    pub inside: Caller,
}

impl Session {
    /// Opens one as its impersonator does, waits until it is open, and takes the credential as the impersonator does.
    pub async fn open(stage: &Stage, which: &str, (mode, user): (&str, &str), rest: &str) -> Result<Self> {
        Self::ask(stage, which, (mode, user), rest).await?;
        Self::opened(stage, which, user).await
    }

    /// Asks for one as its impersonator does, and gives the Impersonation.
    pub async fn ask(stage: &Stage, which: &str, (mode, user): (&str, &str), rest: &str) -> Result<Value> {
        let why = "He cannot save his outbound skill";
        let spec = format!("{{mode: {mode}, impersonator: {user}, reason: {why}, {rest}}}");
        let created = stage.caller(user).create(&object(which, &spec)).await?;
        created.object().with_context(|| format!("{user} asks for {which}"))
    }

    /// Waits until one that was asked for is open, and takes the credential as the impersonator does.
    pub async fn opened(stage: &Stage, which: &str, user: &str) -> Result<Self> {
        let namespace = which.split([' ', '/']).nth(1).unwrap_or_default();
        let tenant = stage
            .admin
            .get(&format!("Tenant {namespace}/{namespace}"))
            .await?
            .object()?;
        let banner = format!(
            "You are currently impersonating Impersonated Admin on tenant [{}]",
            tenant["spec"]["displayName"].as_str().unwrap_or_default()
        );
        let session = stage.says(which, "Active", "True", "Open").await?;
        ensure!(
            session["status"]["banner"] == *banner,
            "the banner is {}",
            session["status"]["banner"]
        );
        let uid = session["metadata"]["uid"].as_str().context("a UID")?.to_owned();
        let end = session["status"]["expirationTime"]
            .as_str()
            .context("an end")?
            .parse()?;
        let name = session["status"]["credential"]["secretName"]
            .as_str()
            .context("a Secret")?;
        let began = Instant::now();
        let secret = loop {
            let answer = stage.caller(user).get(&format!("Secret {SESSIONS}/{name}")).await?;
            if answer.granted() {
                break answer.object()?;
            }
            ensure!(
                began.elapsed() < PATIENCE,
                "{user} cannot read the credential: {}",
                answer.message()
            );
            // The API server heeds a binding a moment after it is stored.
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let token: ByteString = serde_json::from_value(secret["data"]["token"].clone())?;
        let token = String::from_utf8(token.0)?;
        let inside = Caller::bearer(stage.world.plane(), &token).await?;
        let opened = Self {
            which: which.to_owned(),
            uid,
            end,
            token,
            inside,
        };
        let namespace = opened.namespace().to_owned();
        opened
            .until_inside_may("get", "tenants.pimpernel.dev", &namespace, true)
            .await?;
        Ok(opened)
    }

    /// The tenant.
    pub fn namespace(&self) -> &str {
        self.which.split([' ', '/']).nth(1).unwrap_or_default()
    }

    /// Waits until the session's credential may or may not do something; one that is not accepted may nothing.
    pub async fn until_inside_may(&self, verb: &str, resource: &str, namespace: &str, wanted: bool) -> Result<()> {
        let began = Instant::now();
        while self.inside.may(verb, resource, namespace).await.unwrap_or(false) != wanted {
            ensure!(
                began.elapsed() < PATIENCE,
                "{} may {verb} {resource} in {namespace}: not {wanted}",
                self.which
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Sets `stop` as somebody.
    pub async fn stop(&self, by: &Caller) -> Result<super::rest::Answer> {
        by.merge(&self.which, &json!({"spec": {"stop": true}})).await
    }

    /// What the token says of itself.
    pub fn claims(&self) -> Result<Value> {
        let middle = self.token.split('.').nth(1).context("not a JWT")?;
        // From the alphabet of URLs, without padding, to the usual one.
        let padding = "=".repeat((4 - middle.len() % 4) % 4);
        let usual = middle.replace('-', "+").replace('_', "/") + &padding;
        let claims: ByteString = serde_json::from_value(json!(usual))?;
        Ok(serde_json::from_slice(&claims.0)?)
    }

    /// That the token is dead at the end and at most ten seconds before, whatever the API server's leeway (I10).
    pub fn dies_in_time(&self) -> Result<()> {
        let expires = self.claims()?["exp"].as_i64().context("exp")?;
        let spare = self.end.as_second() - 70 - expires;
        ensure!(
            (0..=10).contains(&spare),
            "the token of {} expires {spare} s before the last moment at which it may",
            self.which
        );
        Ok(())
    }

    /// The names of the objects that exist for the session.
    pub async fn objects(&self, stage: &Stage) -> Result<Vec<String>> {
        let mut found = vec![];
        for which in [
            format!("rbac.RoleBinding {}/pimpernel:session:{}", self.namespace(), self.uid),
            format!(
                "rbac.RoleBinding {}/pimpernel:session:{}:self",
                self.namespace(),
                self.uid
            ),
            format!("rbac.Role {}/pimpernel:session:{}:self", self.namespace(), self.uid),
            format!("ServiceAccount {SESSIONS}/impersonated-admin-{}", self.uid),
            format!("Secret {SESSIONS}/impersonated-admin-{}", self.uid),
            format!("rbac.Role {SESSIONS}/impersonated-admin-{}", self.uid),
            format!("rbac.RoleBinding {SESSIONS}/impersonated-admin-{}", self.uid),
        ] {
            if stage.admin.get(&which).await?.granted() {
                found.push(which);
            }
        }
        Ok(found)
    }

    /// Waits until nothing of the session is left.
    pub async fn nothing_left(&self, stage: &Stage) -> Result<()> {
        let began = Instant::now();
        loop {
            let left = self.objects(stage).await?;
            if left.is_empty() {
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "these are left: {left:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the session has ended for a reason, proves that nothing of it is left and that its end is told, and gives
    /// the Impersonation.
    pub async fn ended(&self, stage: &Stage, reason: &str) -> Result<Value> {
        let over = self.ended_by_another(stage, reason).await?;
        self.ending(reason).counted(&stage.world)?;
        Ok(over)
    }

    /// The same of a session that another process than the one which runs now has ended, which alone has counted it.
    pub async fn ended_by_another(&self, stage: &Stage, reason: &str) -> Result<Value> {
        let over = self.over(stage, reason).await?;
        self.ending(reason).announced(stage).await?;
        Ok(over)
    }

    /// The same, whenever the process died that ended it.
    pub async fn over(&self, stage: &Stage, reason: &str) -> Result<Value> {
        let over = stage.says(&self.which, "Active", "False", reason).await?;
        let ready = super::rest::told(&over, "Ready").context("Ready")?;
        ensure!(
            (ready.0.as_str(), ready.1.as_str()) == ("True", reason),
            "Ready says {ready:?}"
        );
        ensure!(
            over["status"]["endReason"] == *reason,
            "endReason is {}",
            over["status"]["endReason"]
        );
        let at: Timestamp = over["status"]["endTime"].as_str().context("endTime")?.parse()?;
        ensure!(at <= self.end, "it ended at {at}, after its end {}", self.end);
        ensure!(over["status"].get("banner").is_none(), "the banner is still shown");
        self.gives_nothing(stage).await?;
        let record = self.ending(reason).recorded(stage).await?;
        ensure!(
            record["status.endTime"] == over["status"]["endTime"],
            "the record has another end: {record}"
        );
        Ok(over)
    }

    /// Waits until nothing is left of the session, whose Impersonation is deleted, and proves that its end is told.
    pub async fn deleted(&self, stage: &Stage) -> Result<()> {
        self.gives_nothing(stage).await?;
        self.ending("Deleted").told(stage).await?;
        Ok(())
    }

    async fn gives_nothing(&self, stage: &Stage) -> Result<()> {
        self.nothing_left(stage).await?;
        self.until_inside_may("get", "tenants.pimpernel.dev", self.namespace(), false)
            .await
    }

    fn ending<'a>(&'a self, reason: &'a str) -> Ending<'a> {
        Ending {
            namespace: self.namespace(),
            uid: &self.uid,
            reason,
        }
    }

    /// What is on record of its end.
    pub async fn on_record(&self, stage: &Stage) -> Result<Value> {
        endings::on_record(self.namespace(), &self.uid, stage).await
    }
}
