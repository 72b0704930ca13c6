//! What a head's pod says of itself: pure.

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
    /// The class of the end: `Complete`, `Failed`, `HeadLost` or `DeadlineExceeded`.
    pub(crate) reason: Reason,
    /// The program's exit code; none where the pod ended for another reason.
    pub(crate) exit_code: Option<i32>,
    /// The program's last words, or why the pod ended.
    pub(crate) message: String,
}

/// Waiting that is part of every start.
const USUAL_WAITING: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Reads a head's pod.
pub(crate) fn read(pod: &Pod) -> Head {
    let Some(status) = &pod.status else {
        return Head::Starting(String::new());
    };
    match status.phase.as_deref() {
        Some("Succeeded" | "Failed") => Head::Ended(end(status)),
        Some("Running") if program_runs(status) => Head::Running,
        _ => Head::Starting(trouble(status).unwrap_or_default()),
    }
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

fn program_runs(status: &PodStatus) -> bool {
    let program = status.container_statuses.iter().flatten().find(|container| container.name == build::HEAD_CONTAINER);
    program.and_then(|container| container.state.as_ref()).is_some_and(|state| state.running.is_some())
}

fn end(status: &PodStatus) -> End {
    if status.reason.as_deref() == Some("DeadlineExceeded") {
        let message = status.message.clone().unwrap_or_else(|| "the head ran longer than it may".to_owned());
        return End { reason: Reason::DeadlineExceeded, exit_code: None, message };
    }
    let containers = status.container_statuses.as_deref().unwrap_or_default();
    let program = containers.iter().find(|container| container.name == build::HEAD_CONTAINER).and_then(terminated);
    // A pod that was evicted, or whose node went, says so itself; its program's exit code is then only the signal.
    if let Some(reason) = &status.reason {
        return End { reason: Reason::Failed, exit_code: None, message: join(reason, status.message.as_deref()) };
    }
    if let Some(program) = program {
        let reason = if program.exit_code == 0 { Reason::Complete } else { Reason::Failed };
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
                json!({"phase": "Failed", "initContainerStatuses": init}),
                ended(Reason::Failed, None, "init container tools ended with exit code 1: no space left"),
            ),
        ];
        for (status, wanted) in cases {
            assert_eq!(head(&status), wanted);
        }
    }
}
