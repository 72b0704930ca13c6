//! The plugin's screens on the real cluster, as a user who is bound the researcher's role and nothing else.

use std::process::Stdio;

use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding};
use kube::Api;
use kube::api::{ListParams, PostParams};
use microtome_api::{PatchCluster, PatchJob, condition};
use microtome_e2e::job::{Wish, is, job, state};
use microtome_e2e::stage::{PATIENCE, Stage, variable};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// Long enough to be looked at in the middle.
const SLOW: Wish = Wish { patches: 16_000, exit_code: 0, seconds_a_batch: 0.3, workers: 1 };

/// A researcher at the command line.
struct Researcher {
    stage: Stage,
    user: String,
    folder: TempDir,
}

/// What a command left.
#[derive(Debug)]
struct Run {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Researcher {
    /// Bound `microtome-researcher` in the stage's namespace.
    async fn new(name: &str, max: Value) -> Self {
        let stage = Stage::new(name, max).await;
        let user = format!("researcher-{name}");
        let role =
            json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "microtome-researcher"});
        let binding = json!({"metadata": {"name": "researcher"}, "roleRef": role, "subjects": [subject(&user)]});
        stage.create::<RoleBinding>(binding).await;
        let researcher = Self { stage, user, folder: tempfile::tempdir().unwrap() };
        researcher.until_allowed("patchjobs", Some(&researcher.stage.name)).await;
        researcher
    }

    /// Bound `microtome-viewer` in the whole cluster, too.
    async fn sees_teams(&self) {
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "microtome-viewer"});
        let binding = json!({"metadata": {"name": self.user}, "roleRef": role, "subjects": [subject(&self.user)]});
        let bindings: Api<ClusterRoleBinding> = Api::all(self.stage.client.clone());
        bindings.create(&PostParams::default(), &serde_json::from_value(binding).unwrap()).await.unwrap();
        self.until_allowed("teams", None).await;
    }

    /// Waits until the apiserver has heard of a binding.
    async fn until_allowed(&self, resource: &str, namespace: Option<&str>) {
        let attributes =
            json!({"group": "microtome.dev", "resource": resource, "verb": "list", "namespace": namespace});
        let review = json!({"metadata": {}, "spec": {"user": self.user, "resourceAttributes": attributes}});
        let review: SubjectAccessReview = serde_json::from_value(review).unwrap();
        let reviews: Api<SubjectAccessReview> = Api::all(self.stage.client.clone());
        let heard = async {
            while !reviews
                .create(&PostParams::default(), &review)
                .await
                .unwrap()
                .status
                .is_some_and(|status| status.allowed)
            {}
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("the binding counts");
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(variable("KUBECTL_MICROTOME"));
        command.args(["--as", &self.user, "-n", &self.stage.name]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
    }

    /// Runs a verb and shows its screen.
    async fn run(&self, arguments: &[&str]) -> Run {
        let run = finish(self.spawn(arguments)).await;
        println!("$ kubectl microtome {}\n{}{}", arguments.join(" "), run.out, run.err);
        run
    }

    /// Runs a verb that must end well.
    async fn shown(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments).await;
        assert_eq!(run.code, Some(0), "{arguments:?}: {run:?}");
        run.out
    }

    /// A file with a job.
    fn file(&self, name: &str, object: &Value) -> String {
        let path = self.folder.path().join(format!("{name}.json"));
        std::fs::write(&path, object.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn subject(user: &str) -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user})
}

async fn finish(child: Child) -> Run {
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("the plugin ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// As Ctrl-C does.
async fn interrupt(child: &Child) {
    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().await.unwrap().success());
}

#[tokio::test]
async fn a_submitted_job_is_waited_for_and_its_code_is_ours() {
    let user = Researcher::new("submits", json!({})).await;
    let file = user.file("train", &job(&user.stage, "train", Wish { exit_code: 3, ..Wish::default() }));
    let dry = user.shown(&["submit", "-f", &file, "--dry-run", "server"]).await;
    assert_eq!(dry, "patchjob/train created (server dry run)\n");
    let run = user.run(&["submit", "-f", &file, "--wait"]).await;
    assert_eq!(run.code, Some(3), "{run:?}");
    assert!(run.out.contains("first batch at ") && run.out.contains("\"patches\": 64"), "{run:?}");
    assert!(run.err.contains("patchjob/train created · team e2e-submits"), "{run:?}");
    let status = user.shown(&["status", "train"]).await;
    assert!(status.starts_with("train   Failed, exit code 3, attempt 1, after "), "{status}");
    assert!(status.contains("why        exit code 3: "), "{status}");
    assert!(user.shown(&["explain", "train"]).await.contains("kubectl microtome logs train"));
    assert!(user.shown(&["logs", "train"]).await.contains("first batch at "));
    let again = user.run(&["submit", "-f", &file]).await;
    assert!(again.code == Some(1) && again.err.contains("patchjob \"train\" is already there"), "{again:?}");
    assert_eq!(user.shown(&["delete", "train", "--wait"]).await, "patchjob/train deleted\n");
}

#[tokio::test]
async fn a_local_module_is_brought_along_and_goes_with_the_job() {
    let user = Researcher::new("brings", json!({})).await;
    let module = user.folder.path().join("mymodule");
    std::fs::create_dir(&module).unwrap();
    std::fs::write(module.join("__init__.py"), "").unwrap();
    std::fs::write(module.join("__main__.py"), "import sys; print('from the module', sys.argv[1:])").unwrap();
    let file = user.file("train", &job(&user.stage, "train", Wish::default()));
    let line = [
        "submit",
        "-f",
        &file,
        "--package",
        module.to_str().unwrap(),
        "--wait",
        "--",
        "python3",
        "-m",
        "mymodule",
        "x",
    ];
    let run = user.run(&line).await;
    // The head's own lines are in its log, too.
    assert!(run.code == Some(0) && run.out.lines().any(|line| line == "from the module ['x']"), "{run:?}");
    let maps = user.stage.api::<ConfigMap>();
    let names = |maps: Vec<ConfigMap>| maps.into_iter().filter_map(|map| map.metadata.name).collect::<Vec<_>>();
    let map = names(maps.list(&ListParams::default()).await.unwrap().items);
    let map = map.iter().find(|name| name.starts_with("train-package-")).unwrap();
    user.shown(&["delete", "train"]).await;
    user.stage.until::<ConfigMap>(map, "gone", |map: Option<&ConfigMap>| map.is_none()).await;
}

#[tokio::test]
async fn a_job_that_runs_is_looked_at_from_all_sides() {
    let user = Researcher::new("looks", json!({})).await;
    let file = user.file("train", &job(&user.stage, "train", SLOW));
    user.shown(&["submit", "-f", &file]).await;
    let moves = |job: &PatchJob| job.status.as_ref().and_then(|s| s.progress.as_ref()).is_some_and(|p| p.patches > 0);
    user.stage.job("train", "reading patches", moves).await;
    let status = user.shown(&["status", "train"]).await;
    assert!(status.starts_with("train   Running, attempt 1, since "), "{status}");
    for line in ["  progress   ", "train: epoch 1/1, batch ", "  feed       ", "  workers    1 of 1–1"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    let table = user.shown(&["list"]).await;
    assert!(table.starts_with("NAME ") && table.contains("e2e-looks   Running"), "{table}");
    let object: Value = serde_json::from_str(&user.shown(&["status", "train", "-o", "json"]).await).unwrap();
    assert_eq!(object["status"]["attempt"], 1);
    assert_eq!(user.shown(&["list", "-o", "name"]).await, "patchjob.microtome.dev/train\n");
    assert!(user.shown(&["explain", "train"]).await.starts_with("train runs: "));
    assert!(user.shown(&["logs", "train", "--tail", "1"]).await.lines().count() == 1);
    assert!(!user.shown(&["logs", "train", "--worker"]).await.is_empty());
    assert_eq!(user.shown(&["__complete", "status", "tr"]).await, "train\n:4\n");
    let shell =
        user.run(&["attach", "train", "--", "sh", "-c", "echo attempt $MICROTOME_ATTEMPT; echo oh >&2; exit 7"]).await;
    assert_eq!((shell.code, shell.out.as_str(), shell.err.as_str()), (Some(7), "attempt 1\n", "oh\n"));
    for line in [&["logs", "train", "-f"][..], &["status", "train", "--watch"]] {
        left(&user, line).await;
    }
    user.stage.delete_to_nothing("train").await;
}

/// Ctrl-C leaves the job running, and says so.
async fn left(user: &Researcher, line: &[&str]) {
    use tokio::io::{AsyncBufReadExt as _, BufReader};
    let mut child = user.spawn(line);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("something is said").unwrap();
    assert!(first.is_some(), "{line:?}");
    interrupt(&child).await;
    let run = finish(child).await;
    assert!(run.code == Some(130) && run.err.contains("patchjob/train goes on"), "{line:?}: {run:?}");
    let job = user.stage.api::<PatchJob>().get("train").await.unwrap();
    assert_eq!((state(&job).0, job.spec.suspend), ("Running", false));
}

#[tokio::test]
async fn a_job_that_waits_is_explained_stopped_and_resumed() {
    let user = Researcher::new("waits", json!({"cpu": "250m"})).await;
    let first = user.file("first", &job(&user.stage, "first", SLOW));
    user.shown(&["submit", "-f", &first]).await;
    user.stage.job("first", "running", |job| is(job, condition::READY)).await;
    let second = user.file("second", &job(&user.stage, "second", Wish { workers: 1, ..Wish::default() }));
    let created = user.shown(&["submit", "-f", &second]).await;
    // What is said at once is what the operator has said by then.
    assert!(created.starts_with("patchjob/second created"), "{created}");
    let waits = |job: &PatchJob| state(job).1.contains("position 1 in the team's queue");
    user.stage.job("second", "first in the queue", waits).await;
    let queue = user.shown(&["queue"]).await;
    assert!(queue.contains("e2e-waits/second") && queue.contains("200m cpu"), "{queue}");
    assert!(queue.contains("team e2e-waits uses 200m of its max 250m cpu, and this wants 200m"), "{queue}");
    let explained = user.shown(&["explain", "second"]).await;
    assert!(
        explained.contains("with 150m cpu fewer in use, or at the latest at ") && explained.contains("when first ends"),
        "{explained}"
    );
    assert_eq!(user.shown(&["stop", "first"]).await, "patchjob/first stopped\n");
    user.stage.job("second", "complete", |job| is(job, condition::COMPLETE)).await;
    assert_eq!(user.shown(&["resume", "first"]).await, "patchjob/first resumed\n");
    let again =
        |job: &PatchJob| state(job).0 == "Running" && job.status.as_ref().is_some_and(|status| status.attempt == 2);
    user.stage.job("first", "running again", again).await;
    assert_eq!(user.shown(&["suspend", "first"]).await, "patchjob/first suspended\n");
    assert_eq!(
        user.shown(&["delete", "first", "second", "--wait"]).await,
        "patchjob/first deleted\npatchjob/second deleted\n"
    );
    user.stage.until::<PatchCluster>("first", "gone", |cluster: Option<&PatchCluster>| cluster.is_none()).await;
}

#[tokio::test]
async fn slides_that_were_left_out_are_shown_with_their_reasons() {
    let user = Researcher::new("left-out", json!({})).await;
    let mut object = job(&user.stage, "train", Wish::default());
    // A text is no slide.
    let list = &mut object["spec"]["datasets"][0]["slides"]["list"];
    list.as_array_mut().unwrap().push(json!({"url": "az://results/LICENSES.md"}));
    let run = user.run(&["submit", "-f", &user.file("train", &object), "--wait"]).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    let slides = user.shown(&["slides", "train"]).await;
    assert!(slides.starts_with("CATEGORY ") && slides.lines().count() == 2, "{slides}");
    let row = slides.lines().nth(1).unwrap();
    assert!(row.starts_with("NotASlide ") && row.contains("az://results/LICENSES.md: no TIFF header"), "{slides}");
    assert!(user.shown(&["status", "train"]).await.contains("1 quarantined (kubectl microtome slides train)"));
    user.stage.delete_to_nothing("train").await;
}

#[tokio::test]
async fn a_missing_right_is_named_and_teams_are_the_viewers() {
    let user = Researcher::new("rights", json!({"nvidia.com/gpu": 8})).await;
    let refused = user.run(&["top"]).await;
    assert_eq!(refused.code, Some(1));
    let said =
        "no right to list teams in the whole cluster: ask a platform admin to bind you the role microtome-viewer there";
    assert!(refused.err.contains(said), "{refused:?}");
    let everywhere = user.run(&["list", "-A"]).await;
    assert!(everywhere.code == Some(1) && everywhere.err.contains("microtome-platform"), "{everywhere:?}");
    user.sees_teams().await;
    let top = user.shown(&["top"]).await;
    assert!(
        top.starts_with("TEAM ") && top.lines().any(|line| line.starts_with("e2e-rights ") && line.contains("0/–/8")),
        "{top}"
    );
}

#[tokio::test]
async fn a_first_job_is_written_rendered_and_checked() {
    let user = Researcher::new("begins", json!({})).await;
    let path = user.folder.path().join("patchjob.yaml");
    let path = path.to_str().unwrap();
    user.shown(&["init", "az://slides/", "--name", "train", "--file", path]).await;
    assert!(user.shown(&["render", "-f", path]).await.contains("#   Pod train-head-1: "));
    let flags = ["--image", "localhost/user:1", "--profile", &user.stage.name, "--dry-run", "server"];
    let checked = user.shown(&[&["submit", "-f", path][..], &flags].concat()).await;
    assert_eq!(checked, "patchjob/train created (server dry run)\n");
    assert!(user.shown(&["version"]).await.starts_with("kubectl-microtome "));
}
