//! What a head's pod says of itself: pure.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod, PodStatus};
use microtome_api::condition::Reason;

use super::build;

/// How far a head's pod has come.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Head {
    /// Not yet running; the text says what it waits for, empty where nothing is wrong.
    Starting(String),
    /// The program runs.
    Running,
    /// It has ended.
    Ended(End),
}

/// How a head ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct End {
    /// The class of the end: `Complete`, `Failed`, `StorageDenied`, `HeadLost` or `DeadlineExceeded`.
    pub(crate) reason: Reason,
    /// The program's exit code; none where the pod ended for another reason.
    pub(crate) exit_code: Option<i32>,
    /// The program's last words, or why the pod ended.
    pub(crate) message: String,
}

/// A head's pod.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeadPod {
    pub(crate) head: Head,
    /// When the kubelet took the pod; its deadline counts from here.
    pub(crate) taken: Option<Timestamp>,
    /// When the program was started.
    pub(crate) started: Option<Timestamp>,
    /// The pod's deadline.
    pub(crate) deadline_seconds: Option<i64>,
    /// Somebody deleted it.
    pub(crate) is_going: bool,
    /// The node on which it is.
    pub(crate) node: Option<String>,
}

impl HeadPod {
    /// Reads a head's pod.
    pub(crate) fn read(pod: &Pod) -> Self {
        let status = pod.status.as_ref();
        let program = status.and_then(|status| program(status)).and_then(|container| container.state.as_ref());
        let running = program.and_then(|state| state.running.as_ref()).and_then(|running| running.started_at.as_ref());
        let ended = program.and_then(|state| state.terminated.as_ref()).and_then(|ended| ended.started_at.as_ref());
        let going = pod.metadata.deletion_timestamp.is_some();
        Self {
            head: read(pod),
            taken: status.and_then(|status| status.start_time.as_ref()).map(|time| time.0),
            started: running.or(ended).map(|time| time.0),
            deadline_seconds: pod.spec.as_ref().and_then(|spec| spec.active_deadline_seconds),
            is_going: going,
            node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        }
    }
}

/// What the cluster does to a pod rather than the program: it uses up no retry. Kubelets that refuse a pod say it in the
/// reason, evictions and preemptions in a condition.
fn disrupted(pod: &Pod, status: &PodStatus) -> bool {
    const REFUSED: [&str; 5] = ["UnexpectedAdmissionError", "NodeAffinity", "NodeShutdown", "Terminated", "NodeLost"];
    let reason = status.reason.as_deref().unwrap_or_default();
    let marked = status.conditions.iter().flatten().any(|c| c.type_ == "DisruptionTarget" && c.status == "True");
    marked || pod.metadata.deletion_timestamp.is_some() || REFUSED.contains(&reason) || reason.starts_with("OutOf")
}

/// How a head's last word begins where the storage said 403.
const DENIED: &str = "Denied: ";

/// Waiting that is part of every start.
const USUAL_WAITING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Reads a head's pod.
fn read(pod: &Pod) -> Head {
    let Some(status) = &pod.status else {
        return Head::Starting(String::new());
    };
    match status.phase.as_deref() {
        Some("Succeeded" | "Failed") => Head::Ended(end(pod, status)),
        Some("Running") if program_runs(status) => Head::Running,
        _ => Head::Starting(trouble(status).unwrap_or_default()),
    }
}

/// Whether a pod holds nothing any more.
pub(crate) fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// What keeps a pod from running, if anything does.
pub(crate) fn trouble(status: &PodStatus) -> Option<String> {
    let unschedulable = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && condition.reason.as_deref() == Some("Unschedulable")
    });
    if let Some(condition) = unschedulable {
        return Some(join("Unschedulable", condition.message.as_deref()));
    }
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let mut waiting = containers.filter_map(|container| container.state.as_ref()?.waiting.as_ref());
    waiting.find_map(|waiting| {
        let reason = waiting.reason.as_deref()?;
        (!USUAL_WAITING.contains(&reason)).then(|| join(reason, waiting.message.as_deref()))
    })
}

fn program(status: &PodStatus) -> Option<&ContainerStatus> {
    status.container_statuses.iter().flatten().find(|container| container.name == build::HEAD_CONTAINER)
}

fn program_runs(status: &PodStatus) -> bool {
    program(status).and_then(|container| container.state.as_ref()).is_some_and(|state| state.running.is_some())
}

fn end(pod: &Pod, status: &PodStatus) -> End {
    let end = told(status);
    // A program that ended well has done so, whatever then became of its pod.
    match end.reason {
        Reason::Failed | Reason::StorageDenied if disrupted(pod, status) => End { reason: Reason::HeadLost, ..end },
        _ => end,
    }
}

fn told(status: &PodStatus) -> End {
    if status.reason.as_deref() == Some("DeadlineExceeded") {
        let message = status.message.clone().unwrap_or_else(|| "the head ran longer than it may".to_owned());
        return End { reason: Reason::DeadlineExceeded, exit_code: None, message };
    }
    let program = program(status).and_then(terminated);
    // A pod that was evicted, or whose node went, says so itself; its program's exit code is then only the signal.
    if let Some(reason) = &status.reason {
        return End { reason: Reason::Failed, exit_code: None, message: join(reason, status.message.as_deref()) };
    }
    if let Some(program) = program {
        let denied = program.message.as_deref().is_some_and(|message| message.starts_with(DENIED));
        let reason = match program.exit_code {
            0 => Reason::Complete,
            _ if denied => Reason::StorageDenied,
            _ => Reason::Failed,
        };
        let said = program.message.as_deref().map(str::trim_end).filter(|message| !message.is_empty());
        let message =
            said.or(program.reason.as_deref().filter(|&r| r != "Error" && r != "Completed")).unwrap_or_default();
        return End { reason, exit_code: Some(program.exit_code), message: message.to_owned() };
    }
    let mut preparation = status.init_container_statuses.iter().flatten();
    let failed =
        preparation.find_map(|container| Some((container, terminated(container).filter(|t| t.exit_code != 0)?)));
    let message = failed.map_or_else(
        || status.message.clone().unwrap_or_else(|| "the pod ended before the program started".to_owned()),
        |(container, t)| {
            let what = format!("init container {} ended with exit code {}", container.name, t.exit_code);
            join(&what, t.message.as_deref())
        },
    );
    End { reason: Reason::Failed, exit_code: None, message }
}

fn terminated(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    container.state.as_ref()?.terminated.as_ref()
}

fn join(what: &str, detail: Option<&str>) -> String {
    match detail.map(str::trim_end).filter(|detail| !detail.is_empty()) {
        Some(detail) => format!("{what}: {detail}"),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn head(status: &Value) -> Head {
        read(&serde_json::from_value(json!({"metadata": {"name": "a-head-1"}, "status": status})).unwrap())
    }

    fn program(state: &Value) -> Value {
        json!([{"name": "head", "image": "i", "imageID": "", "ready": true, "restartCount": 0, "state": state}])
    }

    fn ended(reason: Reason, exit_code: Option<i32>, message: &str) -> Head {
        Head::Ended(End { reason, exit_code, message: message.to_owned() })
    }

    #[test]
    fn a_head_that_starts_says_what_it_waits_for() {
        let unschedulable =
            json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes"}]);
        let cases = [
            (json!({"phase": "Pending"}), ""),
            (json!({"phase": "Pending", "conditions": unschedulable}), "Unschedulable: 0/2 nodes"),
            (
                json!({"phase": "Pending", "containerStatuses": program(&json!({"waiting": {"reason": "PodInitializing"}}))}),
                "",
            ),
            (
                json!({"phase": "Pending", "containerStatuses":
                    program(&json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}))}),
                "ImagePullBackOff: no such image",
            ),
        ];
        for (status, message) in cases {
            assert_eq!(head(&status), Head::Starting(message.to_owned()));
        }
        let running = json!({"phase": "Running", "containerStatuses": program(&json!({"running": {}}))});
        assert_eq!(head(&running), Head::Running);
    }

    #[test]
    fn every_end_has_its_reason() {
        let exit = |code: i32, message: &str| {
            program(&json!({"terminated": {"exitCode": code, "message": message, "reason": "Error"}}))
        };
        let init = json!([{"name": "tools", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"terminated": {"exitCode": 1, "message": "no space left"}}}]);
        let cases = [
            (json!({"phase": "Succeeded", "containerStatuses": exit(0, "")}), ended(Reason::Complete, Some(0), "")),
            (
                json!({"phase": "Failed", "containerStatuses": exit(3, "boom\n")}),
                ended(Reason::Failed, Some(3), "boom"),
            ),
            (
                json!({"phase": "Failed", "containerStatuses": program(&json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}))}),
                ended(Reason::Failed, Some(137), "OOMKilled"),
            ),
            (
                json!({"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active too long"}),
                ended(Reason::DeadlineExceeded, None, "Pod was active too long"),
            ),
            (
                json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory", "containerStatuses": exit(137, "")}),
                ended(Reason::Failed, None, "Evicted: low on memory"),
            ),
            (
                json!({"phase": "Failed", "containerStatuses": exit(137, ""),
                    "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]}),
                ended(Reason::HeadLost, Some(137), ""),
            ),
            (
                json!({"phase": "Failed", "reason": "OutOfcpu", "message": "node has no room"}),
                ended(Reason::HeadLost, None, "OutOfcpu: node has no room"),
            ),
            (
                json!({"phase": "Failed", "containerStatuses": exit(1, "Denied: 403 from az://slides/a")}),
                ended(Reason::StorageDenied, Some(1), "Denied: 403 from az://slides/a"),
            ),
            (
                json!({"phase": "Failed", "initContainerStatuses": init}),
                ended(Reason::Failed, None, "init container tools ended with exit code 1: no space left"),
            ),
        ];
        for (status, wanted) in cases {
            assert_eq!(head(&status), wanted);
        }
    }
}
