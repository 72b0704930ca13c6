//! A commented job for slides at some place: what `init` writes. Pure.

use super::draft::slides;

/// The file. `name` is the job's.
pub(crate) fn template(url: &str, name: &str) -> anyhow::Result<String> {
    let slides = slides(&[url.to_owned()])?;
    let (slides, other) = if let Some(prefix) = slides["prefix"].as_str() {
        (format!("prefix: {}", quoted(prefix)), "manifest: {url: az://…/train.csv}, or list: [{url: az://…/a.svs}]")
    } else if slides["manifest"].is_object() {
        let columns =
            "columns: {url: url}   # and, where the table has them: labels: [grade], group: patient, mpp: mpp";
        (
            format!("manifest:\n        url: {}\n        {columns}", quoted(url)),
            "prefix: az://…/, or list: [{url: az://…/a.svs}]",
        )
    } else {
        (format!("list: [{{url: {}}}]", quoted(url)), "prefix: az://…/, or manifest: {url: az://…/train.csv}")
    };
    let text = TEMPLATE.replace("@NAME@", name).replace("@SLIDES@", &slides).replace("@OTHER@", other);
    Ok(text)
}

/// A name for the job, from what the URL ends in.
pub(crate) fn name(url: &str) -> String {
    let last = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let stem = last.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let plain = stem.replace(|character: char| !character.is_ascii_alphanumeric(), "-");
    let plain = plain.trim_matches('-').trim_start_matches(|character: char| character.is_ascii_digit());
    // A slide is often named after its patient, and a job's name is read by others.
    let is_folder = url.ends_with('/');
    match plain.trim_matches('-') {
        name if is_folder && !name.is_empty() => {
            name.chars().take(40).collect::<String>().trim_end_matches('-').to_owned()
        }
        _ => "my-job".to_owned(),
    }
}

/// A text as YAML takes it whatever is in it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

const TEMPLATE: &str = "\
# kubectl microtome submit -f FILE        `kubectl explain patchjob.spec` documents every field.
apiVersion: microtome.dev/v1alpha1
kind: PatchJob
metadata: {name: @NAME@}
spec:
  command: [python, -m, mymodule]              # your program; `submit --package ./mymodule` brings a module along
  activeDeadlineSeconds: 86400                 # ended after 24 h, whatever happens; a short one starts sooner
  backoffLimit: 3                              # started again when it fails, so often; a lost node does not count
  # env: [{name: WANDB_MODE, value: online}]
  # secretNames: [wandb]                       # this namespace's Secrets, as environment
  # checkpoints: {url: az://…/run-1/}          # $MICROTOME_CHECKPOINTS outlives attempts; or claimName: CLAIM
  # ttlSecondsAfterFinished: 604800            # tidied up a week after its end
  clusterSpec:                                 # or clusterName: a standing PatchCluster of this namespace
    profileName: default                       # the platform's
    head:                                      # your program runs here
      image: docker.io/pytorch/pytorch:2.9.0-cuda12.8-cudnn9-runtime   # nothing of Microtome's needs to be in it
      resources: {limits: {nvidia.com/gpu: 1, cpu: 8, memory: 64Gi}}
    workers:                                   # patches are cut here; as many as your program needs
      minReplicas: 1
      maxReplicas: 8
      resources: {limits: {cpu: 4, memory: 4Gi}}
  datasets:
  - name: train                                # PatchLoader(\"train\") reads it
    slides:                                    # or @OTHER@
      @SLIDES@
    views:
    - {name: image, size: 256, mpp: 0.5}       # or level: 0; a second view is cut around the same centre
    sampling: {grid: {stride: 256}}            # or random: {perSlide: 2000}, or coordinates: {url: az://…/places.parquet}
    filter: {tissue: {minPercent: 25}}
    batchSize: 256
    seed: 7
    epochs: 1
    onError: Quarantine                        # a slide that cannot be read is left out; or Fail
";

#[cfg(test)]
mod tests {
    use microtome_api::PatchJob;

    use super::*;

    #[test]
    fn what_is_written_is_a_job_that_can_be_submitted() {
        for url in ["az://slides/tcga/", "az://slides/a: b.svs", "s3://x/train.CSV"] {
            let text = template(url, &name(url)).unwrap();
            let job: PatchJob = serde_yaml::from_str(&text).unwrap();
            assert_eq!(job.spec.datasets[0].urls().collect::<Vec<_>>(), [url]);
            job.spec.datasets[0].recipe().unwrap();
        }
    }

    #[test]
    fn a_job_is_never_named_after_a_slide() {
        assert_eq!(name("az://slides/TCGA_v2/"), "tcga-v2");
        assert_eq!(name("az://slides/2024/"), "my-job");
        assert_eq!(name("az://slides/Mustermann-1970.svs"), "my-job");
        assert!(name(&format!("az://{}/", "a".repeat(90))).len() <= 40);
    }
}
