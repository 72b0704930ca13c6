//! The operator's metrics. Those of its controllers and of its requests have the names that controller-runtime gave them, so
//! that dashboards find them; labels are of fixed sets, but for the teams' names, and no job, slide or namespace is ever named.

pub(crate) mod teams;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use teams::{Stand, Teams};

/// The exposition format that the library writes.
pub(crate) const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From a pass that reads memory alone to one that waits for a slow apiserver.
const PASS_SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Which controller.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Controller {
    controller: String,
}

/// How a pass of which controller ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    controller: String,
    result: &'static str,
}

/// What was asked of the apiserver, and what it answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    method: String,
    code: String,
}

/// All metrics. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct Metrics {
    passes: Family<Outcome, Counter>,
    errors: Family<Controller, Counter>,
    seconds: Family<Controller, Histogram>,
    active: Family<Controller, Gauge>,
    requests: Family<Answer, Counter>,
    leads: Gauge,
    heads: Gauge,
    teams: Teams,
}

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pass {
    Done,
    /// It is due again after a time.
    Requeued,
    Failed,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            passes: Family::default(),
            errors: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(PASS_SECONDS)),
            active: Family::default(),
            requests: Family::default(),
            leads: Gauge::default(),
            heads: Gauge::default(),
            teams: Teams::default(),
        }
    }
}

impl Metrics {
    /// The registry from which `/metrics` is written.
    pub(crate) fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        registry.register("controller_runtime_reconcile", "Passes by controller and result", self.passes.clone());
        registry.register("controller_runtime_reconcile_errors", "Passes that failed", self.errors.clone());
        registry.register("controller_runtime_reconcile_time_seconds", "How long passes took", self.seconds.clone());
        registry.register("controller_runtime_active_workers", "Passes under way", self.active.clone());
        registry.register("rest_client_requests", "Requests to the apiserver, watches apart", self.requests.clone());
        registry.register("microtome_operator_leads", "1 while this operator leads", self.leads.clone());
        registry.register("microtome_operator_attached_heads", "Heads that report", self.heads.clone());
        registry.register_collector(Box::new(self.teams.clone()));
        registry
    }

    /// Carries a pass out, counts it and takes its time; `judge` says how it ended.
    pub(crate) async fn measured<T>(
        &self,
        controller: &str,
        pass: impl Future<Output = T>,
        judge: fn(&T) -> Pass,
    ) -> T {
        let (label, began) = (Controller { controller: controller.to_owned() }, Instant::now());
        self.active.get_or_create(&label).inc();
        let ended = pass.await;
        self.active.get_or_create(&label).dec();
        self.seconds.get_or_create(&label).observe(began.elapsed().as_secs_f64());
        let how = judge(&ended);
        let result = match how {
            Pass::Done => "success",
            Pass::Requeued => "requeue_after",
            Pass::Failed => "error",
        };
        self.passes.get_or_create(&Outcome { controller: controller.to_owned(), result }).inc();
        if how == Pass::Failed {
            self.errors.get_or_create(&label).inc();
        }
        ended
    }

    /// The apiserver has answered, or has not (`<error>`).
    pub(crate) fn answered(&self, method: &str, code: Option<u16>) {
        let code = code.map_or_else(|| "<error>".to_owned(), |code| code.to_string());
        self.requests.get_or_create(&Answer { method: method.to_owned(), code }).inc();
    }

    /// This operator leads from now on.
    pub(crate) fn leads(&self) {
        self.leads.set(1);
    }

    /// How teams stand, after a pass of admission.
    pub(crate) fn teams(&self, teams: BTreeMap<String, Stand>) {
        self.teams.stand(teams);
    }

    /// A head has attached (1) or gone (-1).
    pub(crate) fn heads(&self, change: i64) {
        self.heads.inc_by(change);
    }
}

/// What `/metrics` says.
pub(crate) fn encode(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing into memory does not fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, registry);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passes_and_requests_are_counted_under_the_names_that_dashboards_know() {
        let metrics = Metrics::default();
        metrics.measured("patchjob", async {}, |()| Pass::Failed).await;
        metrics.answered("GET", Some(200));
        metrics.answered("PATCH", None);
        let text = encode(&metrics.registry());
        for line in [
            r#"controller_runtime_reconcile_total{controller="patchjob",result="error"} 1"#,
            r#"controller_runtime_reconcile_errors_total{controller="patchjob"} 1"#,
            r#"controller_runtime_reconcile_time_seconds_bucket{le="30.0",controller="patchjob"} 1"#,
            r#"controller_runtime_active_workers{controller="patchjob"} 0"#,
            r#"rest_client_requests_total{method="GET",code="200"} 1"#,
            r#"rest_client_requests_total{method="PATCH",code="<error>"} 1"#,
            "microtome_operator_leads 0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
