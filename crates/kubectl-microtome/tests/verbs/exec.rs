//! A command that runs in a pod, at the other end of a websocket.

use axum::extract::ws::{Message, WebSocket};
use serde_json::json;

/// What it writes, and what it ends with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Command {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) exit_code: u8,
    /// What it was started as, for the test to look at.
    pub(crate) started: std::sync::Arc<std::sync::Mutex<Option<String>>>,
}

const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;

impl Command {
    pub(crate) async fn run(self, query: String, mut socket: WebSocket) {
        *self.started.lock().unwrap() = Some(query);
        let status = match self.exit_code {
            0 => json!({"status": "Success"}),
            code => json!({"status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated",
                "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]}}),
        };
        for (channel, text) in [(STDOUT, self.stdout), (STDERR, self.stderr), (STATUS, status.to_string())] {
            let frame = [&[channel], text.as_bytes()].concat();
            socket.send(Message::Binary(frame.into())).await.unwrap();
        }
        // The other end may have gone as soon as it had the status.
        let _ = socket.send(Message::Close(None)).await;
    }
}
