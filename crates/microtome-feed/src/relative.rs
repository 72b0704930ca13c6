//! Names that were written elsewhere, in a tar or a store, as paths below a directory of ours.

use std::path::{Component, Path, PathBuf};

/// Folders within folders; Python's packages have five, and each level of each name costs a directory.
const DEEPEST: usize = 64;

/// The path that a name means; an empty one for the directory itself.
///
/// # Errors
/// What is wrong with it, where it could lead anywhere else.
pub(crate) fn path(name: &[u8]) -> Result<PathBuf, &'static str> {
    let name = std::str::from_utf8(name).map_err(|_| "its name is not UTF-8")?;
    if name.is_empty() {
        return Err("it has no name");
    }
    if name.contains('\0') {
        return Err("its name holds a zero byte");
    }
    let mut path = PathBuf::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err("its path holds `..`"),
            Component::RootDir | Component::Prefix(_) => return Err("its path is absolute"),
        }
    }
    if path.components().count() > DEEPEST {
        return Err("it lies more than 64 folders deep");
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_below_their_directory() {
        for (name, expected) in [
            (&b"a/b.py"[..], Ok("a/b.py")),
            (b"./a//b/", Ok("a/b")),
            (b"./", Ok("")),
            (b"", Err("it has no name")),
            (b"/a", Err("its path is absolute")),
            (b"a/../../b", Err("its path holds `..`")),
            (b"a\0b", Err("its name holds a zero byte")),
            (b"a\xff", Err("its name is not UTF-8")),
        ] {
            assert_eq!(path(name), expected.map(PathBuf::from), "{name:?}");
        }
        assert_eq!(path("a/".repeat(64).as_bytes()).map(|_| ()), Ok(()));
        assert_eq!(path("a/".repeat(65).as_bytes()), Err("it lies more than 64 folders deep"));
    }
}
