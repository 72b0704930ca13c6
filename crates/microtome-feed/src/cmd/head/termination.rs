//! The pod's termination message: the last word, readable as long as the pod is.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::handoff::HandedOff;

/// Where the kubelet looks; elsewhere there is no such file, and nothing is written.
const PATH: &str = "/dev/termination-log";

/// Writes the message, if this is a pod.
pub(super) fn write(message: &str) {
    if !message.is_empty() && Path::new(PATH).exists() {
        // The log says the same.
        let _ = fs::write(PATH, message);
    }
}

/// What became of the job: as JSON if the program ended well, the feed's error if there was one, and nothing otherwise, so
/// that the kubelet takes the last lines of the program's log.
pub(super) fn message(exit_code: i32, handed: Option<&HandedOff>, patches: u64) -> String {
    match handed {
        Some(HandedOff::Failed(error)) => format!("{}: {error}", error.category()),
        Some(HandedOff::Whole { digest }) if exit_code == 0 => {
            json!({"exitCode": 0, "patches": patches, "streamDigest": digest}).to_string()
        }
        _ if exit_code == 0 => json!({"exitCode": 0, "patches": patches}).to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FeedError;

    #[test]
    fn the_last_word_is_result_or_error_or_left_to_the_log() {
        let whole = HandedOff::Whole { digest: "6d".to_owned() };
        assert_eq!(message(0, Some(&whole), 88), r#"{"exitCode":0,"patches":88,"streamDigest":"6d"}"#);
        assert_eq!(message(0, None, 3), r#"{"exitCode":0,"patches":3}"#);
        assert_eq!(message(3, Some(&whole), 88), "");
        let denied = FeedError::Slide { category: "Denied".to_owned(), reason: "403 from az://slides/a".to_owned() };
        assert_eq!(message(1, Some(&HandedOff::Failed(denied)), 0), "Denied: 403 from az://slides/a");
    }
}
