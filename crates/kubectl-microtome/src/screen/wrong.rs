//! What its user sees when something goes wrong, with the words that the operator and the head have for it: tests alone.

use serde_json::{Value, json};

use super::fixtures::{condition, job, now, running};
use super::{created, explain, slides, status};

/// `status` and `explain` of a job with this status.
fn shown(of: &Value) -> String {
    let job = job(of);
    format!("{}{}", status::screen(&job, &now()), explain::explain(&job, &[], &now()))
}

#[test]
fn a_namespace_that_no_team_holds() {
    let message = "namespace \"x\" belongs to no Team; a platform admin adds it to one's spec.namespaces";
    let of = json!({"conditions": [condition("NoTeam", "False", message)]});
    let wanted = "\
tumour-detector   NoTeam, for 2 h 20 m
  why        namespace \"x\" belongs to no Team; a platform admin adds it to one's spec.namespaces
tumour-detector cannot run (NoTeam): namespace \"x\" belongs to no Team; a platform admin adds it to one's spec.namespaces
Ask a platform admin to add the namespace to a Team.
";
    assert_eq!(shown(&of), wanted);
    let wanted = format!("patchjob/tumour-detector created · NoTeam · {message}\n");
    assert_eq!(created::created(&job(&of), &now()), wanted);
}

#[test]
fn a_url_outside_the_profiles_locations() {
    let message = "az://other/a.svs lies outside the locations of profile \"default\": az://slides/";
    let wanted = "\
tumour-detector   LocationNotAllowed, for 2 h 20 m
  why        az://other/a.svs lies outside the locations of profile \"default\": az://slides/
tumour-detector cannot run (LocationNotAllowed): az://other/a.svs lies outside the locations of profile \"default\": az://slides/
Read and write inside the profile's locations, or ask a platform admin to add one.
";
    assert_eq!(shown(&json!({"conditions": [condition("LocationNotAllowed", "False", message)]})), wanted);
}

#[test]
fn a_slide_that_is_not_one() {
    let mut job = running();
    let progress = job.status.as_mut().unwrap().progress.as_mut().unwrap();
    progress.slides_quarantined = 2;
    progress.quarantined = vec![
        "NotASlide: az://slides/a.svs: no TIFF at byte 0".to_owned(),
        "NoMpp: az://slides/b.svs: it does not say its resolution; the manifest may give the mpp".to_owned(),
    ];
    let wanted = "\
CATEGORY    REASON
NotASlide   az://slides/a.svs: no TIFF at byte 0
NoMpp       az://slides/b.svs: it does not say its resolution; the manifest may give the mpp
";
    assert_eq!(slides::slides(&slides::told(progress)), wanted);
    let line = "  slides     1 204 ok, 2 quarantined (kubectl microtome slides tumour-detector)\n";
    assert!(status::screen(&job, &now()).ends_with(line));
}

/// The status of a job that ran for 40 s.
fn ended(reason: &str, message: &str, code: i32) -> Value {
    json!({"conditions": [condition(reason, "False", message)], "attempt": 1, "exitCode": code,
        "startTime": "2026-03-02T12:06:00Z", "completionTime": "2026-03-02T12:06:40Z"})
}

#[test]
fn the_storage_says_403() {
    let wanted = "\
tumour-detector   StorageDenied, exit code 1, attempt 1, after 40 s
  why        exit code 1: Denied: 403 from az://slides/a
tumour-detector cannot run (StorageDenied): exit code 1: Denied: 403 from az://slides/a
Its log: kubectl microtome logs tumour-detector
";
    assert_eq!(shown(&ended("StorageDenied", "exit code 1: Denied: 403 from az://slides/a", 1)), wanted);
}

#[test]
fn the_budget_cannot_hold_the_shuffle() {
    let message = "exit code 1: Budget: memory: batches of 256 patches of 196608 bytes need 1536 MiB, the budget is 512 MiB; \
        raise --memory (in a cluster: the head's memory limit, of which the feed takes a quarter), or lower batchSize or the view's size";
    let wanted = format!("tumour-detector   Failed, exit code 1, attempt 1, after 40 s\n  why        {message}\n");
    assert!(shown(&ended("Failed", message, 1)).starts_with(&wanted));
}

#[test]
fn the_program_exits_3() {
    let wanted = "\
tumour-detector   Failed, exit code 3, attempt 1, after 40 s
  why        exit code 3: Traceback (most recent call last):
             ValueError: boom
tumour-detector failed: exit code 3: Traceback (most recent call last):
ValueError: boom
Its log: kubectl microtome logs tumour-detector
";
    let last_lines = "exit code 3: Traceback (most recent call last):\nValueError: boom\n";
    assert_eq!(shown(&ended("Failed", last_lines, 3)), wanted);
}

#[test]
fn the_heads_node_dies() {
    let message = "attempt 1 ended: its node was unreachable for 60 s; attempt 2 is made at 14:20:10 UTC";
    let wanted = "\
tumour-detector   Retrying, attempt 1, since 12:06 (2 h 14 m of 12 h)
  why        attempt 1 ended: its node was unreachable for 60 s; attempt 2 is made at 14:20:10 UTC
tumour-detector is started again: attempt 1 ended: its node was unreachable for 60 s; attempt 2 is made at 14:20:10 UTC
The log of its last attempt: kubectl microtome logs tumour-detector
";
    let conditions = [condition("Retrying", "False", message)];
    assert_eq!(shown(&json!({"conditions": conditions, "attempt": 1, "startTime": "2026-03-02T12:06:00Z"})), wanted);
}
