//! The code that goes with a job: a tar that is the same for the same files, whoever packs it and when.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha2::{Digest, Sha256};
use tar::{Builder, Header};

/// What fits into a ConfigMap beside which etcd keeps others: data belong into storage, not into a job.
pub(crate) const LIMIT_BYTES: u64 = 256 << 10;
/// What a head unpacks.
const LIMIT_ENTRIES: usize = 10_000;
/// What no program needs, and what is often larger than the program.
const SKIPPED: [&str; 8] = [
    ".git",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".venv",
    "__pycache__",
    "node_modules",
];
/// A folder with one of these is a module itself, and is packed under its name; another one is a folder of modules.
const MODULE: [&str; 2] = ["__init__.py", "__main__.py"];
/// Files that are named when it is too much.
const NAMED: usize = 3;

/// A packed module.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Packed {
    /// The tar.
    pub(crate) tar: Vec<u8>,
    /// Its SHA-256, hexadecimal.
    pub(crate) sha256: String,
}

/// A file to pack.
struct Found {
    path: PathBuf,
    /// Its name in the tar.
    name: PathBuf,
    bytes: u64,
    is_program: bool,
}

/// Packs a folder or a file.
pub(crate) fn pack(path: &Path) -> anyhow::Result<Packed> {
    let mut files = found(path).with_context(|| format!("--package {}", path.display()))?;
    files.sort_by(|one, other| one.name.cmp(&other.name));
    check(path, &files)?;
    let mut tar = Builder::new(Vec::new());
    for file in &files {
        append(&mut tar, file).with_context(|| format!("cannot pack {}", file.path.display()))?;
    }
    let tar = tar.into_inner().context("cannot pack")?;
    if tar.len() as u64 > LIMIT_BYTES {
        return Err(too_large(path, &files, tar.len() as u64));
    }
    let sha256 = Sha256::digest(&tar).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Packed { tar, sha256 })
}

fn found(path: &Path) -> anyhow::Result<Vec<Found>> {
    let mut files = Vec::new();
    if path.is_file() {
        let name = path.file_name().context("has no name")?;
        files.push(file(path.to_owned(), PathBuf::from(name))?);
        return Ok(files);
    }
    // `.` and `..` have names, too.
    let folder = path.canonicalize().context("cannot be read")?;
    let is_module = MODULE.iter().any(|name| folder.join(name).is_file());
    let name = folder.file_name().filter(|_| is_module).map(PathBuf::from).unwrap_or_default();
    walk(&folder, &name, &mut files)?;
    Ok(files)
}

fn walk(folder: &Path, name: &Path, files: &mut Vec<Found>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let (own, path) = (entry.file_name(), entry.path());
        let is_compiled = path.extension().is_some_and(|ending| ending == "pyc");
        if is_compiled || SKIPPED.iter().any(|skipped| own == *skipped) {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            walk(&path, &name.join(own), files)?;
        } else if kind.is_file() {
            files.push(file(path, name.join(own))?);
        } else {
            bail!("{} is neither a file nor a folder: a package holds nothing else", path.display());
        }
        if files.len() > LIMIT_ENTRIES {
            bail!("has more than {LIMIT_ENTRIES} files: give the folder of your module, not what lies beside it");
        }
    }
    Ok(())
}

fn file(path: PathBuf, name: PathBuf) -> anyhow::Result<Found> {
    let metadata = fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Found { is_program: is_program(&metadata), bytes: metadata.len(), path, name })
}

#[cfg(unix)]
fn is_program(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o100 != 0
}

#[cfg(not(unix))]
fn is_program(_: &fs::Metadata) -> bool {
    false
}

/// Before anything is read into memory.
fn check(path: &Path, files: &[Found]) -> anyhow::Result<()> {
    if files.is_empty() {
        bail!("--package {} holds no files", path.display());
    }
    let bytes = files.iter().map(|file| file.bytes).sum();
    if bytes > LIMIT_BYTES { Err(too_large(path, files, bytes)) } else { Ok(()) }
}

fn too_large(path: &Path, files: &[Found], bytes: u64) -> anyhow::Error {
    let mut largest: Vec<_> = files.iter().collect();
    largest.sort_by_key(|file| std::cmp::Reverse(file.bytes));
    let named: Vec<_> =
        largest.iter().take(NAMED).map(|file| format!("{} ({})", file.name.display(), kib(file.bytes))).collect();
    anyhow::anyhow!(
        "--package {} is {}, and at most {} go with a job; the largest: {}. Leave data out (they belong into storage), put \
         the module into the image, or store its tar and give --package-url",
        path.display(),
        kib(bytes),
        kib(LIMIT_BYTES),
        named.join(", ")
    )
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

/// One entry: nothing of who packs it, or when.
fn append(tar: &mut Builder<Vec<u8>>, file: &Found) -> io::Result<()> {
    let bytes = fs::read(&file.path)?;
    let mut header = Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(if file.is_program { 0o755 } else { 0o644 });
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    tar.append_data(&mut header, &file.name, bytes.as_slice())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn names(packed: &Packed) -> Vec<String> {
        let mut tar = tar::Archive::new(packed.tar.as_slice());
        let entries = tar.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().to_string_lossy().into_owned());
        entries.collect()
    }

    #[test]
    fn a_module_is_packed_under_its_name_and_without_what_nobody_needs() {
        let files = [
            ("m/b.py", "2"),
            ("m/__init__.py", ""),
            ("m/sub/a.py", "1"),
            ("m/__pycache__/a.pyc", "x"),
            ("m/.git/HEAD", "x"),
            ("m/c.pyc", ""),
        ];
        let there = folder(&files);
        let packed = pack(&there.path().join("m")).unwrap();
        assert_eq!(names(&packed), ["m/__init__.py", "m/b.py", "m/sub/a.py"]);
        let beside = pack(there.path()).unwrap();
        assert_eq!(beside, packed, "a folder of modules: the same paths");
        assert_eq!(names(&pack(&there.path().join("m/b.py")).unwrap()), ["b.py"]);
    }

    #[test]
    fn the_same_files_are_the_same_tar() {
        let (one, other) = (folder(&[("b.py", "2"), ("a.py", "1")]), folder(&[("a.py", "1"), ("b.py", "2")]));
        let early = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        fs::File::options().write(true).open(other.path().join("a.py")).unwrap().set_modified(early).unwrap();
        let (one, other) = (pack(one.path()).unwrap(), pack(other.path()).unwrap());
        assert_eq!(one, other);
        assert_eq!(one.sha256, "94e6ef1fc7c73830c02d328427ae15a3d2a968702701a0379da3d4db9e33c1b6");
        assert_ne!(one.sha256, pack(folder(&[("a.py", "1"), ("b.py", "3")]).path()).unwrap().sha256);
    }

    #[test]
    fn what_is_too_large_is_named() {
        let data = "x".repeat(300 << 10);
        let there = folder(&[("m.py", "1"), ("weights.bin", &data)]);
        let error = pack(there.path()).unwrap_err().to_string();
        assert!(
            error.contains(
                "is 301 KiB, and at most 256 KiB go with a job; the largest: weights.bin (300 KiB), m.py (1 KiB)"
            ),
            "{error}"
        );
        let error = pack(folder(&[]).path()).unwrap_err().to_string();
        assert!(error.ends_with("holds no files"), "{error}");
        assert!(pack(Path::new("/nonexistent")).is_err());
    }

    #[test]
    fn long_names_arrive_whole() {
        let long = format!("{}/{}.py", "d".repeat(120), "f".repeat(120));
        assert_eq!(names(&pack(folder(&[(&long, "1")]).path()).unwrap()), [long]);
    }
}
