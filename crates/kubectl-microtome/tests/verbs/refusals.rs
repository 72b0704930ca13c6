//! What is said when something is not allowed, not there, or wrong; and completion, which says nothing then.

use crate::objects::job;
use crate::stage::Stage;

#[tokio::test]
async fn a_missing_right_is_named_with_the_role_that_has_it() {
    let stage = Stage::new(&[]).await;
    let cases: [(&[&str], &str); 8] = [
        (
            &["list"],
            "no right to list patchjobs in namespace \"pathology\": ask a platform admin to bind you the role microtome-researcher there",
        ),
        (
            &["list", "-A"],
            "no right to list patchjobs in the whole cluster: ask a platform admin to bind you the role microtome-platform there",
        ),
        (&["status", "a"], "no right to get patchjobs"),
        (&["suspend", "a"], "no right to patch patchjobs"),
        (&["delete", "a"], "no right to delete patchjobs"),
        (&["attach", "a"], "no right to get patchclusters"),
        (
            &["top"],
            "no right to list teams in the whole cluster: ask a platform admin to bind you the role microtome-viewer there",
        ),
        (&["queue"], "no right to list patchjobs"),
    ];
    for (line, said) in cases {
        let run = stage.run(line).await;
        assert_eq!(run.code, Some(1), "{line:?}");
        assert!(run.err.contains(said), "{line:?}: {}", run.err);
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_with_what_to_do() {
    let stage = Stage::researcher().await;
    let run = stage.run(&["status", "nothing"]).await;
    let wanted = "error: patchjob \"nothing\" not found in namespace \"pathology\"; `kubectl microtome list` shows the jobs there\n";
    assert_eq!((run.code, run.err.as_str()), (Some(1), wanted));
    let kubeconfig = stage.run(&["list", "--kubeconfig", "/nonexistent"]).await;
    assert!(kubeconfig.code == Some(1) && kubeconfig.err.contains("kubeconfig"), "{kubeconfig:?}");
    let context = stage.run(&["list", "--context", "other"]).await;
    assert!(context.code == Some(1) && context.err.contains("other"), "{context:?}");
}

#[tokio::test]
async fn an_apiserver_that_is_away_is_said_to_be() {
    let stage = Stage::researcher().await;
    let config = std::fs::read_to_string(stage.folder.path().join("config")).unwrap();
    // Nothing listens on port 1.
    let away = stage.file("away", &config.replace(&stage.server.address, "http://127.0.0.1:1"));
    let run = stage.run(&["list", "--kubeconfig", &away]).await;
    assert!(run.code == Some(1) && run.err.contains("no answer from the apiserver to list patchjobs"), "{run:?}");
}

#[tokio::test]
async fn a_wrong_command_line_ends_with_2() {
    let stage = Stage::researcher().await;
    for line in [
        &["list", "-o", "xml"][..],
        &["status", "--watch"],
        &["delete"],
        &["submit", "--workers", "x"],
        &["frobnicate"],
        &["list", "--as-group", "g"],
        &[],
    ] {
        assert_eq!(stage.run(line).await.code, Some(2), "{line:?}");
    }
    assert!(stage.server.lock().requests.is_empty());
}

#[tokio::test]
async fn completion_offers_jobs_and_never_complains() {
    let stage = Stage::researcher().await;
    stage.server.put(job("train", 1));
    stage.server.put(job("other", 1));
    assert_eq!(stage.done(&["__complete", "status", "tr"]).await.out, "train\n:4\n");
    assert_eq!(stage.done(&["__complete", "status", "-n", "elsewhere-is-forbidden", "--", ""]).await.out, ":0\n");
    stage.done(&["--as", "eve", "__complete", "logs", ""]).await;
    assert_eq!(stage.server.lock().acted_as[0].0, "eve");
    let other = Stage::new(&[]).await.run(&["__complete", "logs", ""]).await;
    assert_eq!((other.code, other.out.as_str(), other.err.as_str()), (Some(0), ":4\n", ""));
}
