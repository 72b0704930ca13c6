//! A job that is being written: a file's words, over which flags go. Pure.

mod data;
mod value;

use anyhow::{anyhow, bail};
use kube::ResourceExt;
use microtome_api::PatchJob;
use serde_json::{Value, json};

use super::flags::{Flags, PodFlags, RunFlags};
pub(crate) use data::slides;
use value::{at, list, remove, set};

const GPU: &str = "nvidia.com/gpu";
const DAY_SECONDS: i64 = 86_400;

/// The job that file and flags ask for, checked as far as that can be done without a cluster.
pub(crate) fn job(file: Option<Value>, flags: &Flags) -> anyhow::Result<PatchJob> {
    let is_new = file.is_none();
    let mut draft = file.unwrap_or_else(|| json!({}));
    set(&mut draft, &["apiVersion"], Some("microtome.dev/v1alpha1"));
    set(&mut draft, &["kind"], Some("PatchJob"));
    set(&mut draft, &["metadata", "name"], flags.name.as_deref());
    at(&mut draft, "metadata");
    let spec = at(&mut draft, "spec");
    if !flags.command.is_empty() {
        spec["command"] = json!(flags.command);
    }
    pods(spec, &flags.pods, is_new);
    data::data(spec, &flags.data)?;
    run(spec, &flags.run, is_new);
    let job: PatchJob = serde_path_to_error::deserialize(&draft).map_err(|error| {
        let path = error.path().to_string();
        anyhow!("{path}: {}; `kubectl explain patchjob.spec` lists the fields", error.into_inner())
    })?;
    check(&job)?;
    Ok(job)
}

/// What would be refused on the cluster only after a while.
fn check(job: &PatchJob) -> anyhow::Result<()> {
    if job.name_any().is_empty() {
        bail!("the job has no name: give --name, or metadata.name in the file");
    }
    if job.spec.datasets.is_empty() {
        bail!("the job reads nothing: give --slides URL, or spec.datasets in a file (-f)");
    }
    if job.spec.command.is_none() && job.spec.output.is_none() {
        bail!("the job does nothing: give a command after --, or --store URL");
    }
    for (index, dataset) in job.spec.datasets.iter().enumerate() {
        dataset.recipe().map_err(|error| anyhow!("spec.datasets[{index}].{error}"))?;
    }
    Ok(())
}

fn pods(spec: &mut Value, flags: &PodFlags, is_new: bool) {
    if let Some(name) = &flags.cluster_name {
        spec["clusterName"] = json!(name);
        remove(spec, "clusterSpec");
        return;
    }
    set(spec, &["clusterSpec", "profileName"], flags.profile.as_deref().or(is_new.then_some("default")));
    set(spec, &["clusterSpec", "head", "image"], flags.image.as_deref());
    set(spec, &["clusterSpec", "priority"], flags.priority);
    let head = ["clusterSpec", "head", "resources", "limits"];
    let worker = ["clusterSpec", "workers", "resources", "limits"];
    let or = |flag: &Option<String>, default: &str| flag.clone().or_else(|| is_new.then(|| default.to_owned()));
    let limits = [
        (head, "cpu", or(&flags.cpus, "4")),
        (head, "memory", or(&flags.memory, "16Gi")),
        (head, GPU, flags.gpus.map(|gpus| gpus.to_string())),
        (worker, "cpu", or(&flags.worker_cpus, "4")),
        (worker, "memory", or(&flags.worker_memory, "4Gi")),
    ];
    for (place, resource, amount) in limits {
        set(spec, &[&place[..], &[resource]].concat(), amount);
    }
    let workers = flags.workers.or(is_new.then_some((1, 8)));
    set(spec, &["clusterSpec", "workers", "minReplicas"], workers.map(|(least, _)| least));
    set(spec, &["clusterSpec", "workers", "maxReplicas"], workers.map(|(_, most)| most));
}

fn run(spec: &mut Value, flags: &RunFlags, is_new: bool) {
    let deadline = flags.deadline.or(is_new.then_some(DAY_SECONDS));
    set(spec, &["activeDeadlineSeconds"], deadline);
    set(spec, &["backoffLimit"], flags.backoff_limit);
    set(spec, &["ttlSecondsAfterFinished"], flags.ttl);
    set(spec, &["suspend"], flags.suspended.then_some(true));
    for (name, value) in &flags.env {
        let variables = list(spec, "env");
        variables.retain(|variable| variable["name"] != json!(name));
        variables.push(json!({"name": name, "value": value}));
    }
    for name in &flags.secret {
        let names = list(spec, "secretNames");
        names.retain(|there| *there != json!(name));
        names.push(json!(name));
    }
    if let Some(place) = &flags.checkpoints {
        let field = if place.contains("://") { "url" } else { "claimName" };
        spec["checkpoints"] = json!({field: place});
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        flags: Flags,
    }

    fn drafted(file: Option<Value>, line: &[&str]) -> anyhow::Result<PatchJob> {
        let Line { flags } = Line::try_parse_from([&["submit"], line].concat())?;
        job(file, &flags)
    }

    fn refusal(line: &[&str]) -> String {
        drafted(None, line).unwrap_err().to_string()
    }

    fn sample() -> Value {
        let text = include_str!("../../../../config/samples/patchjob.yaml");
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn flags_alone_are_a_whole_job() {
        let line =
            ["--name", "a", "--image", "i", "--gpus", "1", "--slides", "az://slides/x/", "--", "python", "-m", "m"];
        let job = serde_json::to_value(drafted(None, &line).unwrap()).unwrap();
        let spec = &job["spec"];
        assert_eq!(spec["command"], json!(["python", "-m", "m"]));
        assert_eq!(
            spec["clusterSpec"]["head"],
            json!({"image": "i",
            "resources": {"limits": {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}}})
        );
        assert_eq!(spec["clusterSpec"]["workers"]["maxReplicas"], 8);
        assert_eq!(spec["activeDeadlineSeconds"], 86_400);
        let dataset = &spec["datasets"][0];
        assert_eq!((&dataset["name"], &dataset["slides"]), (&json!("train"), &json!({"prefix": "az://slides/x/"})));
        assert_eq!(dataset["views"], json!([{"name": "image", "size": 256, "mpp": 0.5}]));
        assert_eq!(dataset["sampling"]["grid"]["stride"], 256);
    }

    #[test]
    fn flags_go_over_a_file_and_leave_the_rest() {
        let line = [
            "-f",
            "-",
            "--name",
            "b",
            "--deadline",
            "1h",
            "--env",
            "WANDB_MODE=offline",
            "--env",
            "A=1",
            "--per-slide",
            "9",
            "--level",
            "1",
            "--workers",
            "3",
            "--dataset",
            "val",
            "--suspended",
            "--",
            "true",
        ];
        let job = drafted(Some(sample()), &line).unwrap();
        let env: Vec<_> =
            job.spec.env.iter().map(|variable| (variable.name.as_str(), variable.value.as_str())).collect();
        assert_eq!(env, [("WANDB_MODE", "offline"), ("A", "1")]);
        assert_eq!((job.name_any().as_str(), job.spec.active_deadline_seconds, job.spec.suspend), ("b", 3600, true));
        let cluster = job.spec.cluster_spec.as_ref().unwrap();
        assert_eq!((cluster.workers.min_replicas, cluster.workers.max_replicas), (3, 3));
        assert_eq!(cluster.head.resources.limits["nvidia.com/gpu"].0, "1", "as the file has it");
        let [train, val] = job.spec.datasets.as_slice() else { panic!() };
        assert_eq!(train.views[0].mpp, Some(0.5));
        assert_eq!((val.views[0].level, val.views[0].mpp, val.views[0].size), (Some(1), None, 256));
        assert_eq!(val.sampling.random.as_ref().unwrap().per_slide, 9);
    }

    #[test]
    fn a_file_alone_is_as_it_was_written() {
        let read: PatchJob = serde_json::from_value(sample()).unwrap();
        assert_eq!(drafted(Some(sample()), &["-f", "-"]).unwrap(), read);
    }

    #[test]
    fn what_is_missing_is_said_with_the_flag_that_gives_it() {
        let slides = ["--slides", "az://slides/a.svs"];
        assert_eq!(refusal(&slides), "the job has no name: give --name, or metadata.name in the file");
        assert_eq!(
            refusal(&["--name", "a", "--", "x"]),
            "the job reads nothing: give --slides URL, or spec.datasets in a file (-f)"
        );
        let nothing = refusal(&[&slides[..], &["--name", "a"]].concat());
        assert_eq!(nothing, "the job does nothing: give a command after --, or --store URL");
        let wrong = refusal(&[&slides[..], &["--name", "a", "--size", "0", "--", "x"]].concat());
        assert_eq!(wrong, "spec.datasets[0].views[0].size: must be at least 1");
        let mixed = refusal(&["--name", "a", "--slides", "az://a/", "--slides", "az://b.svs"]);
        assert_eq!(mixed, "give several slides, or one folder, or one table in --slides");
        let mut typo = sample();
        typo["spec"]["datasets"][0]["batchsize"] = json!(3);
        let typo = drafted(Some(typo), &["-f", "-"]).unwrap_err().to_string();
        assert!(typo.starts_with("spec.datasets[0].batchsize: unknown field `batchsize`"), "{typo}");
    }
}
