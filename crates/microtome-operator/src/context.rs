//! What every controller has at hand.

use std::sync::Arc;

use jiff::Timestamp;
use kube::Client;

use crate::admission::record::Recorder;
use crate::behind::Behind;
use crate::control::authority::Authority;
use crate::control::hub::Hub;
use crate::events::Events;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::world::World;

/// Shared by all controllers; nothing in it is ever locked across a wait.
pub(crate) struct Context {
    /// For requests; watches have their own.
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    /// What the watches have seen.
    pub(crate) world: World,
    /// What heads last reported.
    pub(crate) hub: Hub,
    pub(crate) events: Events,
    pub(crate) metrics: Metrics,
    /// Signs the operator's own certificate; heads are given its public half.
    pub(crate) authority: Authority,
    pub(crate) clock: Clock,
    /// What the log says of admission so far.
    pub(crate) recorder: Recorder,
    /// Whose newest version the watches do not have yet.
    pub(crate) behind: Behind,
}

/// What time it is. Tests have their own.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    pub(crate) fn by(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(clock))
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.0)()
    }
}
