//! What a head's program finds in its environment, and `microtome shell` as well.
//!
//! The program inherits the head's variables but the ones for storage, and gets some. Those are kept in a file that only its
//! user can read, at a place that needs no variable to be found, because `kubectl exec` starts with the container's.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use microtome_api::mount;
use rustix::fs::OFlags;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use serde::{Deserialize, Serialize};

/// Where Python looks for modules first.
const PYTHONPATH: &str = "PYTHONPATH";

/// What is kept is a few paths; a PYTHONPATH may be long.
const LONGEST: u64 = 1 << 20;

/// The variables that a program gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Environment {
    set: BTreeMap<String, PathBuf>,
}

/// What a head knows of its program.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    /// The socket with its patches.
    pub(super) feed: &'a Path,
    /// The socket for its results.
    pub(super) output: Option<&'a Path>,
    pub(super) job_uid: Option<&'a str>,
    pub(super) attempt: i32,
    pub(super) checkpoints: Option<&'a Path>,
}

impl Environment {
    /// The environment of a program beside whose head's binary there may be Python packages.
    pub(super) fn new(about: About<'_>) -> Self {
        let tools = env::current_exe().ok().and_then(|binary| binary.parent().map(Path::to_owned));
        Self::beside(about, tools.as_deref(), env::var_os(PYTHONPATH))
    }

    fn beside(about: About<'_>, tools: Option<&Path>, pythonpath: Option<OsString>) -> Self {
        let mut set = BTreeMap::from([
            (mount::FEED_VARIABLE.to_owned(), about.feed.to_owned()),
            (mount::ATTEMPT_VARIABLE.to_owned(), about.attempt.to_string().into()),
        ]);
        set.extend(about.output.map(|path| (mount::OUTPUT_VARIABLE.to_owned(), path.to_owned())));
        set.extend(about.job_uid.map(|uid| (mount::JOB_UID_VARIABLE.to_owned(), uid.into())));
        set.extend(about.checkpoints.map(|path| (mount::CHECKPOINTS_VARIABLE.to_owned(), path.to_owned())));
        let folders = tools.into_iter().flat_map(|tools| [mount::PACKAGE, mount::PYTHON].map(|name| tools.join(name)));
        let folders: Vec<PathBuf> = folders.filter(|folder| folder.is_dir()).collect();
        // An empty part would be the working directory.
        let before = pythonpath.filter(|path| !path.is_empty()).map(PathBuf::from);
        if !folders.is_empty()
            && let Ok(path) = env::join_paths(folders).map(|ours| match before {
                None => ours,
                Some(before) => [ours, before.into()].join(":".as_ref()),
            })
        {
            set.insert(PYTHONPATH.to_owned(), path.into());
        }
        Self { set }
    }

    /// The same with a job's own variables; the ones here win.
    pub(super) fn with(mut self, more: &BTreeMap<String, String>) -> Self {
        for (name, value) in more {
            self.set.entry(name.clone()).or_insert_with(|| value.into());
        }
        self
    }

    /// Gives a command the environment of a program.
    pub(super) fn give(&self, command: &mut std::process::Command) {
        let hidden = |name: &OsString| name.as_encoded_bytes().starts_with(mount::STORAGE_PREFIX.as_bytes());
        for name in env::vars_os().map(|(name, _)| name).filter(hidden) {
            command.env_remove(name);
        }
        command.envs(&self.set);
    }

    /// Keeps it for `microtome shell`, until what is returned is dropped.
    pub(super) fn keep(&self) -> io::Result<Kept> {
        let path = place();
        let mut file = tempfile::NamedTempFile::new_in(env::temp_dir())?;
        file.write_all(&serde_json::to_vec(self)?)?;
        let inode = file.as_file().metadata()?.ino();
        file.persist(&path)?;
        Ok(Kept { path, inode })
    }

    /// What the head that runs here has kept.
    pub(super) fn kept() -> Result<Self> {
        Self::read(&place())
    }

    fn read(path: &Path) -> Result<Self> {
        let open = fs::File::options().read(true).custom_flags(flags()).open(path);
        let file = open.with_context(|| format!("{}: no head runs here, or not yet a program", path.display()))?;
        let found = file.metadata()?;
        // Somebody else's would choose what runs here.
        let ours = found.uid() == rustix::process::geteuid().as_raw() && found.mode() & 0o077 == 0 && found.is_file();
        ensure!(ours, "{}: is not of this user alone", path.display());
        let mut text = Vec::new();
        file.take(LONGEST).read_to_end(&mut text)?;
        serde_json::from_slice(&text).with_context(|| format!("{}: was not written by this version", path.display()))
    }
}

/// An environment that was kept. Dropped, it is no longer, unless another head has kept its own there since.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    inode: u64,
}

impl Drop for Kept {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            // It holds no secret, and no program's socket any more.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Neither a link nor something that blocks.
fn flags() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

/// By user, because machines have several.
fn place() -> PathBuf {
    env::temp_dir().join(format!("microtome-head-{}.json", rustix::process::geteuid().as_raw()))
}

/// No core dumps of this process and those that it starts, for memory holds patients' pixels; and nobody else of this user
/// reads this one's memory and variables, which may hold keys.
pub(super) fn keep_memory_private() -> Result<()> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).context("core dumps cannot be turned off")?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context("this process's memory cannot be made private")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About<'static> {
        About { feed: Path::new("/run/feed"), output: None, job_uid: None, attempt: 2, checkpoints: None }
    }

    fn path(environment: &Environment, name: &str) -> Option<String> {
        environment.set.get(name).map(|value| value.display().to_string())
    }

    #[test]
    fn python_finds_the_package_first_then_ours_then_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let tools = directory.path();
        let path_of =
            |before: Option<&str>| path(&Environment::beside(about(), Some(tools), before.map(Into::into)), PYTHONPATH);
        assert_eq!(path_of(Some("/mine")), None, "what was there is inherited");
        fs::create_dir(tools.join("python")).unwrap();
        let python = tools.join("python").display().to_string();
        assert_eq!(path_of(None), Some(python.clone()));
        assert_eq!(path_of(Some("")), Some(python.clone()));
        fs::create_dir(tools.join("package")).unwrap();
        let package = tools.join("package").display().to_string();
        assert_eq!(path_of(Some("/mine:/more")), Some(format!("{package}:{python}:/mine:/more")));
    }

    #[test]
    fn what_is_kept_is_read_by_its_user_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let about = About { checkpoints: Some(Path::new("/checkpoints")), job_uid: Some("u-1"), ..about() };
        let environment = Environment::beside(about, None, None);
        assert_eq!(environment.set.len(), 4);
        let file = directory.path().join("kept");
        let refusal = |file: &Path| Environment::read(file).unwrap_err().to_string();
        assert!(refusal(&file).ends_with("kept: no head runs here, or not yet a program"));
        fs::write(&file, serde_json::to_vec(&environment).unwrap()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(refusal(&file).ends_with("kept: is not of this user alone"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(Environment::read(&file).unwrap(), environment);
        std::os::unix::fs::symlink(&file, directory.path().join("link")).unwrap();
        assert!(Environment::read(&directory.path().join("link")).is_err());
        fs::write(&file, "{}").unwrap();
        assert!(refusal(&file).ends_with("kept: was not written by this version"));
    }
}
