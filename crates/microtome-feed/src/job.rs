//! The job's file: a PatchJob as YAML or JSON, the same on a laptop and on a cluster.

use std::io;
use std::path::{Path, PathBuf};

use microtome_api::PatchJob;
use microtome_plan::dataset::{Dataset, DatasetError, Recipe};
use microtome_slide::Stores;
use serde_json::{Map, Value};

use crate::head::Origin;
use crate::source::{Source, SourceError};

/// A job that was read and checked.
#[derive(Clone, Debug)]
pub struct Job {
    /// The object as written.
    pub object: PatchJob,
    /// Its datasets, checked, in their order; at least one.
    pub recipes: Vec<Recipe>,
    /// The file.
    pub path: PathBuf,
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
    /// It holds no dataset.
    #[error("{}: spec.datasets: give at least one dataset", path.display())]
    NoDatasets {
        /// The file.
        path: PathBuf,
    },
    /// There is no dataset of that name.
    #[error("{}: spec.datasets: there is none named {name:?}; there are {known}", path.display())]
    NoDataset {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A dataset's slides cannot be known.
    #[error("{}: spec.datasets[{index}].{source}", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// Which dataset.
        index: usize,
        /// Field and problem.
        source: Box<SourceError>,
    },
    /// The dataset is wrong.
    #[error("{}: spec.datasets[{index}].{error}", path.display())]
    Dataset {
        /// The file.
        path: PathBuf,
        /// Which dataset.
        index: usize,
        /// Field and problem.
        error: DatasetError,
    },
}

impl Job {
    /// Reads and checks a job's file. What is given by relative paths is beside the file.
    pub fn read(path: &Path) -> Result<Self, JobError> {
        Self::read_changed(path, None, &Map::new())
    }

    /// As [`Job::read`], with some fields of a dataset, the first unless named, changed: `size`, `level` and `mpp` are its first
    /// view's; names may be written with underscores.
    pub fn read_changed(path: &Path, dataset: Option<&str>, changes: &Map<String, Value>) -> Result<Self, JobError> {
        let text = std::fs::read_to_string(path).map_err(|source| JobError::Read { path: path.to_owned(), source })?;
        let mut object = parse(path, &text)?;
        let named = |one: &Dataset| dataset.is_none_or(|name| one.name == name);
        if !changes.is_empty()
            && let Some((index, found)) = object.spec.datasets.iter_mut().enumerate().find(|(_, one)| named(one))
        {
            let failed = |error: serde_json::Error| JobError::Dataset {
                path: path.to_owned(),
                index,
                error: DatasetError { field: "changed".to_owned(), problem: error.to_string() },
            };
            *found = changed(found, changes).map_err(failed)?;
        }
        let base = path.parent().unwrap_or(Path::new(""));
        let beside = |url: &mut String| {
            if !url.contains("://") {
                *url = base.join(&*url).to_string_lossy().into_owned();
            }
        };
        object.spec.output.iter_mut().for_each(|output| beside(&mut output.url));
        let datasets = &mut object.spec.datasets;
        if datasets.is_empty() {
            return Err(JobError::NoDatasets { path: path.to_owned() });
        }
        let mut recipes: Vec<Recipe> = Vec::new();
        for (index, dataset) in datasets.iter_mut().enumerate() {
            dataset.urls_mut().for_each(beside);
            let failed = |error| JobError::Dataset { path: path.to_owned(), index, error };
            let recipe = dataset.recipe().map_err(failed)?;
            if recipes.iter().any(|before| before.name == recipe.name) {
                let problem = format!("{:?} is the name of another dataset", recipe.name);
                return Err(failed(DatasetError { field: "name".to_owned(), problem }));
            }
            recipes.push(recipe);
        }
        Ok(Self { object, recipes, path: path.to_owned() })
    }

    /// The place of the dataset of that name; of the first one if none is named.
    pub fn find(&self, name: Option<&str>) -> Result<usize, JobError> {
        let Some(name) = name else { return Ok(0) };
        self.recipes.iter().position(|recipe| recipe.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.recipes.iter().map(|recipe| recipe.name.as_str()).collect();
            JobError::NoDataset { path: self.path.clone(), name: name.to_owned(), known: known.join(", ") }
        })
    }

    /// Finds out which slides a dataset is made of.
    pub async fn source(&self, index: usize, stores: &Stores) -> Result<Source, JobError> {
        let (dataset, recipe) = (&self.object.spec.datasets[index], &self.recipes[index]);
        let failed = |source| JobError::Source { path: self.path.clone(), index, source: Box::new(source) };
        Source::of(dataset, recipe, stores).await.map_err(failed)
    }

    /// All datasets, for a head whose workers find out the rest.
    pub fn origins(&self) -> impl Iterator<Item = Origin> {
        self.object.spec.datasets.iter().zip(&self.recipes).map(|(dataset, recipe)| Origin::of(dataset, recipe))
    }
}

/// A dataset with some of its fields changed.
fn changed(dataset: &Dataset, changes: &Map<String, Value>) -> Result<Dataset, serde_json::Error> {
    let mut fields = serde_json::to_value(dataset)?;
    for (name, value) in changes {
        let value = value.clone();
        match name.as_str() {
            "size" => fields["views"][0]["size"] = value,
            "level" | "mpp" => {
                let view = &mut fields["views"][0];
                let other = if name == "level" { "mpp" } else { "level" };
                view.as_object_mut().map(|view| view.remove(other));
                view[name] = value;
            }
            name => fields[camel_case(name)] = value,
        }
    }
    serde_json::from_value(fields)
}

/// `batch_size` is `batchSize`.
fn camel_case(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut all, part| {
        let mut letters = part.chars();
        all.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        all + letters.as_str()
    })
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
        let url = |job: Job| job.object.spec.datasets[0].slides.list.as_ref().unwrap()[0].url.clone();
        assert!(url(read(JOB).unwrap()).ends_with("/a.svs") && url(read(JOB).unwrap()).starts_with('/'));
        assert_eq!(url(read(&JOB.replace("a.svs", "az://s/a.svs")).unwrap()), "az://s/a.svs");
    }

    #[test]
    fn fields_of_a_dataset_may_be_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("job.yaml");
        std::fs::write(&path, JOB).unwrap();
        let read = |changes: Value| Job::read_changed(&path, None, changes.as_object().unwrap());
        let job = read(serde_json::json!({"batch_size": 48, "size": 64, "mpp": 0.5, "order": "Sequential"})).unwrap();
        let Recipe { batch_size, views, .. } = &job.recipes[0];
        assert_eq!((batch_size.get(), views[0].size.get()), (48, 64));
        assert_eq!(views[0].resolution, microtome_plan::dataset::Resolution::Mpp(0.5));
        for (changes, said) in [
            (serde_json::json!({"batchsize": 3}), "unknown field `batchsize`"),
            (serde_json::json!({"batch_size": "many"}), "invalid type: string \"many\""),
            (serde_json::json!({"size": 0}), "must be at least 1"),
        ] {
            let error = read(changes).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn the_samples_are_jobs() {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/samples");
        for (name, datasets) in [("patchjob.yaml", 2), ("demo.yaml", 1)] {
            assert_eq!(Job::read(&samples.join(name)).unwrap().recipes.len(), datasets, "{name}");
        }
    }

    #[test]
    fn a_wrong_field_is_named_with_its_path() {
        let cases = [
            ("size: 256", "size: big", "spec.datasets[0].views[0].size: "),
            ("size: 256", "size: 0", "spec.datasets[0].views[0].size: must be at least 1"),
            ("stride: 256", "strid: 256", "spec.datasets[0].sampling.grid: unknown field `strid`"),
            ("command: [python3]", "command: 3", "spec.command: "),
            ("level: 0", "level: 0, mpp: 1", "spec.datasets[0].views[0]: give level or mpp, not both"),
            ("command: [python3]", "", "spec: give command, output, or both"),
        ];
        for (from, to, message) in cases {
            let error = read(&JOB.replace(from, to)).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
