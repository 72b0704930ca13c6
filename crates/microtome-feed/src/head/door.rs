//! Where workers come in: to the head that is there now. While there is none they wait, connected and idle.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::watch;

use super::{Head, Service};
use crate::wire::MESSAGE_BYTES;
use crate::wire::feed::feed_server::FeedServer;

/// A place for one head at a time.
#[derive(Clone, Debug, Default)]
pub struct Door {
    head: watch::Sender<Option<Head>>,
    workers: Arc<AtomicU64>,
}

impl Door {
    /// A door that leads to this head.
    pub fn to(head: &Head) -> Self {
        let door = Self::default();
        door.open(head);
        door
    }

    /// Lets workers in to this head.
    pub fn open(&self, head: &Head) {
        self.head.send_replace(Some(head.clone()));
    }

    /// The head that is there now.
    pub fn head(&self) -> Option<Head> {
        self.head.borrow().clone()
    }

    /// Ends the streams to the head that was there: its workers come again, for the next one.
    pub async fn close(&self) {
        let head = self.head.send_replace(None);
        if let Some(head) = head {
            head.dismiss().await;
        }
    }

    /// The gRPC service to which workers attach. It outlives the door's heads, not the door.
    pub fn service(&self) -> FeedServer<Service> {
        let service = Service::new(self.head.subscribe(), Arc::clone(&self.workers));
        FeedServer::new(service).max_decoding_message_size(MESSAGE_BYTES)
    }
}
