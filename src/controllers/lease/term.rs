//! For how long this process leads for sure, and that it writes nothing after that. A process that stood still, because it was
//! stopped or starved, goes on in the middle of its work, and learns only later that another one has taken over.

use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{Method, Request, Response};
use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

/// Until when this process leads. It is a [`Layer`] for [`kube::client::ClientBuilder::with_layer`]: a client built with it
/// writes nothing at any other time.
#[derive(Clone, Default)]
pub struct Term {
    until: Arc<Mutex<Option<Instant>>>,
}

/// A write was not sent.
#[derive(Debug, thiserror::Error)]
#[error("this process does not lead, and writes nothing")]
pub struct Over;

impl Term {
    /// From here on this process leads until then, if it does not renew that.
    pub(super) fn extend(&self, until: Instant) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// It leads no more.
    pub(super) fn end(&self) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether this process leads for sure.
    pub fn holds(&self) -> bool {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }
}

impl<S> Layer<S> for Term {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Fenced<S> {
        let term = self.clone();
        Fenced { inner, term }
    }
}

/// A service that lets writes through during a [`Term`] alone.
#[derive(Clone)]
pub struct Fenced<S> {
    inner: S,
    term: Term,
}

impl<S, B, R> Service<Request<B>> for Fenced<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if request.method() != Method::GET && !self.term.holds() {
            return Box::pin(ready(Err(Over.into())));
        }
        let answer = self.inner.call(request);
        Box::pin(async move { answer.await.map_err(Into::into) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use std::time::Duration;
    use tower::{ServiceExt, service_fn};

    async fn passes(term: &Term, method: Method) -> bool {
        let server = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });
        let request = Request::builder().method(method).body(()).unwrap();
        term.layer(server).oneshot(request).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_lead_for_sure_reads_and_writes_nothing() {
        let term = Term::default();
        assert!(!passes(&term, Method::PATCH).await, "before it leads");
        term.extend(Instant::now() + Duration::from_secs(10));
        assert!(passes(&term, Method::PATCH).await, "while it leads");
        tokio::time::advance(Duration::from_secs(10)).await;
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            assert!(!passes(&term, method).await, "when the Lease was not renewed in time");
        }
        assert!(passes(&term, Method::GET).await, "reading harms nobody");
        term.extend(Instant::now() + Duration::from_secs(10));
        assert!(passes(&term, Method::DELETE).await, "renewed");
        term.end();
        assert!(!passes(&term, Method::DELETE).await, "when it is known to be lost");
    }
}
