//! The log of one pod, copied as it comes.

use std::io::Write;
use std::pin::Pin;
use std::time::Duration;

use futures::{AsyncBufRead, AsyncBufReadExt as _};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;

use crate::refusal::Asked;

/// Between tries to read on where the connection was lost.
const PAUSE: Duration = Duration::from_secs(1);

/// What of a log is wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// What comes later, too, until the container ends.
    pub(crate) follow: bool,
    /// Only so many of the last lines.
    pub(crate) tail: Option<i64>,
    /// Only what was written from then on.
    pub(crate) since: Option<Timestamp>,
    /// The time before each line.
    pub(crate) timestamps: bool,
    /// What stands before each line.
    pub(crate) prefix: String,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copied {
    /// All of it was copied.
    Whole,
    /// The container has not begun.
    NotYet,
    /// There is no such pod.
    Gone,
}

/// Copies a pod's log. Where the connection is lost, it goes on with the first line that was not seen.
pub(crate) async fn copy(pods: &Api<Pod>, name: &str, wish: &Wish, out: &mut impl Write) -> anyhow::Result<Copied> {
    let mut rest = Rest { since: wish.since, last: None };
    loop {
        let copied = once(pods, name, wish, (&mut rest, &mut *out)).await?;
        if copied != Copied::Whole || !wish.follow || !is_alive(pods, name).await {
            return Ok(copied);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Calls for each line of a pod's log as it is now.
pub(crate) async fn lines(pods: &Api<Pod>, name: &str, mut each: impl FnMut(&str)) -> anyhow::Result<Copied> {
    let mut reader = match open(pods, name, &LogParams::default()).await? {
        Ok(reader) => reader,
        Err(copied) => return Ok(copied),
    };
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await? > 0 {
        each(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(Copied::Whole)
}

/// What is not yet copied.
struct Rest {
    since: Option<Timestamp>,
    last: Option<Timestamp>,
}

async fn once(
    pods: &Api<Pod>,
    name: &str,
    wish: &Wish,
    (rest, out): (&mut Rest, &mut impl Write),
) -> anyhow::Result<Copied> {
    let parameters = LogParams {
        follow: wish.follow,
        // A second try reads on, it does not begin at the tail anew.
        tail_lines: wish.tail.filter(|_| rest.last.is_none()),
        since_time: rest.last.or(rest.since),
        timestamps: wish.timestamps || wish.follow,
        ..LogParams::default()
    };
    let mut reader = match open(pods, name, &parameters).await? {
        Ok(reader) => reader,
        Err(copied) => return Ok(copied),
    };
    let mut line = Vec::new();
    // A lost connection is the end of this try, not of the log.
    while matches!(reader.read_until(b'\n', &mut line).await, Ok(1..)) {
        let (time, text) = if parameters.timestamps { stamped(&line) } else { (None, &line[..]) };
        let is_known = time.is_some() && time <= rest.last;
        if !is_known {
            out.write_all(wish.prefix.as_bytes())?;
            out.write_all(if wish.timestamps { &line } else { text })?;
            out.flush()?;
            rest.last = time.or(rest.last);
        }
        line.clear();
    }
    Ok(Copied::Whole)
}

type Reader = Pin<Box<dyn AsyncBufRead + Send>>;

async fn open(pods: &Api<Pod>, name: &str, parameters: &LogParams) -> anyhow::Result<Result<Reader, Copied>> {
    match pods.log_stream(name, parameters).await {
        Ok(reader) => Ok(Ok(Box::pin(reader))),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Err(Copied::Gone)),
        Err(kube::Error::Api(status)) if status.code == 400 => Ok(Err(Copied::NotYet)),
        Err(error) => Err(Asked { verb: "get", resource: "pods/log", name: Some(name), namespace: pods.namespace() }
            .refused(error)
            .into()),
    }
}

/// The time before a line, and the line.
fn stamped(line: &[u8]) -> (Option<Timestamp>, &[u8]) {
    let Some(end) = line.iter().position(|&byte| byte == b' ') else { return (None, line) };
    let time = std::str::from_utf8(&line[..end]).ok().and_then(|time| time.parse().ok());
    if time.is_some() { (time, &line[end + 1..]) } else { (None, line) }
}

/// Whether more may come: the kubelet closes a log that is followed when the container ends, and the network whenever.
async fn is_alive(pods: &Api<Pod>, name: &str) -> bool {
    match pods.get_opt(name).await {
        Ok(pod) => pod.and_then(|pod| pod.status?.phase).is_some_and(|phase| phase == "Running"),
        Err(_) => true,
    }
}

/// The time so many seconds ago.
pub(crate) fn ago(seconds: i64, now: Timestamp) -> Timestamp {
    now.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_words() {
        let (time, rest) = stamped(b"2026-03-02T14:20:00.123456789Z epoch 1\n");
        assert_eq!((time, rest), (Some("2026-03-02T14:20:00.123456789Z".parse().unwrap()), &b"epoch 1\n"[..]));
        assert_eq!(stamped(b"epoch 1\n"), (None, &b"epoch 1\n"[..]));
        assert_eq!(stamped(b"\n"), (None, &b"\n"[..]));
    }
}
