//! No token and no key is where people look: a [`World`] or a [`Release`] fails its test when there is one in a log, in an
//! Event, in a status, in an annotation, or anywhere else but in the data of a Secret. Error texts are looked through as they
//! come.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, ensure};
use pimpernel_launcher::ControlPlane;

use super::World;
use super::chart::Release;

/// How a signed token and a private key begin, and the same in base64.
const SIGNS: [&str; 5] = [
    "eyJhbGci",
    "ZXlKaGJHY2",
    "PRIVATE KEY-----",
    "LS0tLS1CRUdJTiBQUklWQVRF",
    "LS0tLS1CRUdJTiBFQyBQUklW",
];

/// What is looked through. Of Secrets, all but the data.
const LISTS: [&str; 22] = [
    "/api/v1/secrets",
    "/api/v1/events",
    "/api/v1/namespaces",
    "/api/v1/serviceaccounts",
    "/api/v1/configmaps",
    "/api/v1/pods",
    "/apis/rbac.authorization.k8s.io/v1/roles",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/coordination.k8s.io/v1/leases",
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "/apis/pimpernel.dev/v1alpha1/tenants",
    "/apis/pimpernel.dev/v1alpha1/roles",
    "/apis/pimpernel.dev/v1alpha1/employees",
    "/apis/pimpernel.dev/v1alpha1/impersonations",
    "/apis/pimpernel.dev/v1alpha1/impersonationconsents",
    "/apis/pimpernel.dev/v1alpha1/permissioncatalogs",
    "/apis/pimpernel.dev/v1alpha1/changerecords",
];
const WITHOUT_DATA: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// That there is no token or key in a text. What is found is not quoted.
pub fn none_in(text: &str, place: &str) -> Result<()> {
    let found = SIGNS.iter().find(|sign| text.contains(**sign));
    ensure!(found.is_none(), "there is a token or a key in {place}");
    Ok(())
}

impl Drop for World {
    fn drop(&mut self) {
        search(self.plane());
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        search(self.plane());
    }
}

fn search(plane: &ControlPlane) {
    if thread::panicking() {
        return;
    }
    if let Err(error) = none_left(plane) {
        panic!("{error:#}");
    }
}

fn none_left(plane: &ControlPlane) -> Result<()> {
    for entry in fs::read_dir(plane.dir())? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with("operator-") || name == "audit.log" {
            none_in(&String::from_utf8_lossy(&fs::read(&path)?), name)?;
        }
    }
    let address = plane.server().trim_start_matches("https://");
    if TcpStream::connect(address).is_err() {
        // The test has ended it.
        return Ok(());
    }
    // A runtime of its own: the test's cannot be waited for from inside.
    let searched = thread::scope(|scope| {
        let search = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(none_in_objects(plane.admin()))
        };
        scope.spawn(search).join()
    });
    searched.ok().context("the search panicked")?
}

async fn none_in_objects(admin: &Path) -> Result<()> {
    let client = super::client(admin).await?;
    for list in LISTS {
        let mut request = http::Request::get(list);
        if list.ends_with("/secrets") {
            request = request.header(http::header::ACCEPT, WITHOUT_DATA);
        }
        match client.request_text(request.body(vec![])?).await {
            Ok(objects) => none_in(&objects, list)?,
            // Its definition is gone.
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error).with_context(|| list.to_owned()),
        }
    }
    Ok(())
}
