//! The job's file: a PatchJob as YAML or JSON, the same on a laptop and on a cluster.

use std::io;
use std::path::{Path, PathBuf};

use microtome_api::PatchJob;
use microtome_plan::dataset::{DatasetError, Recipe};

/// A job that was read and checked.
#[derive(Clone, Debug)]
pub struct Job {
    /// The object as written.
    pub object: PatchJob,
    /// Its dataset, checked.
    pub recipe: Recipe,
}

/// The job's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// It cannot be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no PatchJob.
    #[error("{}: {problem}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// The field's path, what is wrong, and where in the text.
        problem: String,
    },
    /// It holds no or more than one dataset.
    #[error("{}: spec.datasets: give exactly one dataset, not {count}", path.display())]
    Datasets {
        /// The file.
        path: PathBuf,
        /// How many there are.
        count: usize,
    },
    /// The dataset is wrong.
    #[error("{}: spec.datasets[0].{error}", path.display())]
    Dataset {
        /// The file.
        path: PathBuf,
        /// Field and problem.
        error: DatasetError,
    },
}

impl Job {
    /// Reads and checks a job's file. Slides given by relative paths are beside the file.
    pub fn read(path: &Path) -> Result<Self, JobError> {
        let text = std::fs::read_to_string(path).map_err(|source| JobError::Read { path: path.to_owned(), source })?;
        let mut object = parse(path, &text)?;
        let base = path.parent().unwrap_or(Path::new(""));
        let [dataset] = object.spec.datasets.as_mut_slice() else {
            return Err(JobError::Datasets { path: path.to_owned(), count: object.spec.datasets.len() });
        };
        for slide in &mut dataset.slides.list {
            if !slide.url.contains("://") {
                slide.url = base.join(&slide.url).to_string_lossy().into_owned();
            }
        }
        let recipe = dataset.recipe().map_err(|error| JobError::Dataset { path: path.to_owned(), error })?;
        Ok(Self { object, recipe })
    }

    /// The dataset as JSON, which workers get.
    pub fn dataset_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.object.spec.datasets.first()).expect("a dataset is plain data")
    }
}

fn parse(path: &Path, text: &str) -> Result<PatchJob, JobError> {
    let failed = |problem| JobError::Parse { path: path.to_owned(), problem };
    // The error's text begins with the field's path and ends with line and column.
    let job: PatchJob = serde_yaml::from_str(text).map_err(|error| failed(error.to_string()))?;
    if job.spec.command.is_none() && job.spec.output.is_none() {
        return Err(failed("spec: give command, output, or both".to_owned()));
    }
    Ok(job)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "
apiVersion: microtome.dev/v1alpha1
kind: PatchJob
metadata: {name: demo}
spec:
  command: [python3]
  activeDeadlineSeconds: 600
  datasets:
  - {name: train, slides: {list: [{url: a.svs}]}, views: [{name: image, size: 256, level: 0}], sampling: {grid: {stride: 256}}}
  clusterSpec:
    profileName: default
    head: {image: i, resources: {limits: {cpu: 1}}}
    workers: {minReplicas: 1, maxReplicas: 1, resources: {limits: {cpu: 1}}}
";

    fn read(text: &str) -> Result<Job, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("job.yaml");
        std::fs::write(&path, text).unwrap();
        let prefix = format!("{}: ", path.display());
        Job::read(&path).map_err(|error| error.to_string().replace(&prefix, ""))
    }

    #[test]
    fn relative_slides_are_beside_the_file() {
        let job = read(JOB).unwrap();
        assert!(job.recipe.slides[0].starts_with('/') && job.recipe.slides[0].ends_with("/a.svs"));
    }

    #[test]
    fn a_wrong_field_is_named_with_its_path() {
        let cases = [
            ("size: 256", "size: big", "spec.datasets[0].views[0].size: "),
            ("size: 256", "size: 0", "spec.datasets[0].views[0].size: must be at least 1"),
            ("stride: 256", "strid: 256", "spec.datasets[0].sampling.grid: unknown field `strid`"),
            ("command: [python3]", "command: 3", "spec.command: "),
            ("command: [python3]", "", "spec: give command, output, or both"),
        ];
        for (from, to, message) in cases {
            let error = read(&JOB.replace(from, to)).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
