//! Records: written once and never changed.

use super::context::Context;
use super::error::{Error, answer, is_gone, is_terminating};
use super::reconcile::MANAGER;
use crate::api::ChangeRecord;
use crate::policy::Key;
use crate::policy::ledger::Record;
use kube::api::{Api, ListParams, PostParams};

/// What is on record of the objects of that name, by the API server itself: the watch may not have shown it yet.
pub async fn of(key: &Key, context: &Context) -> kube::Result<Vec<ChangeRecord>> {
    let api: Api<ChangeRecord> = Api::namespaced(context.client.clone(), &key.name.namespace);
    let (kind, name) = (key.kind.as_str(), &key.name.name);
    let fields = format!("spec.subject.kind={kind},spec.subject.name={name}");
    Ok(api.list(&ListParams::default().fields(&fields)).await?.items)
}

/// Stores what is not on record yet, and gives what was stored only now. In a namespace that is being deleted nothing can be
/// created: its records go with it.
pub async fn store<'a>(records: &'a [Record], context: &Context) -> Result<Vec<&'a Record>, Error> {
    let mut stored = vec![];
    for record in records {
        if context.observed.has_recorded(&record.name) {
            continue;
        }
        let object = ChangeRecord::new(&record.name.name, record.spec.clone());
        let api: Api<ChangeRecord> = Api::namespaced(context.client.clone(), &record.name.namespace);
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        match api.create(&params, &object).await {
            Ok(_) => stored.push(record),
            Err(error) if answer(&error).is_some_and(|status| status.reason == "AlreadyExists") => {}
            Err(error) if is_terminating(&error) || is_gone(&error) => continue,
            Err(source) => {
                return Err(Error::Record {
                    record: Box::new(record.name.clone()),
                    source,
                });
            }
        }
        context.observed.recorded(record.name.clone());
        if let Some(generation) = record.spec.generation {
            context.observed.explained(&record.spec.subject.uid, generation);
        }
    }
    Ok(stored)
}
