//! Packages that are taken, and those that are not, word by word.

use std::fs::{self, File};
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use microtome_slide::{SlideUrl, Stores};
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use super::*;

/// An entry: what it is, its name as it lies in the header, its mode and its bytes.
type Given<'a> = (EntryType, &'a str, u32, &'a [u8]);

fn entry((kind, name, mode, bytes): Given<'_>) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(bytes.len() as u64);
    if matches!(kind, EntryType::Symlink | EntryType::Link) {
        header.set_link_name("/etc/passwd").unwrap();
    }
    header.set_cksum();
    let padding = vec![0; bytes.len().next_multiple_of(512) - bytes.len()];
    [header.as_bytes(), bytes, &padding].concat()
}

fn tar(entries: &[Given<'_>]) -> Vec<u8> {
    let entries = entries.iter().map(|given| entry(*given)).collect::<Vec<_>>().concat();
    [&entries[..], &[0; 1024]].concat()
}

/// A record of an extended header: its own length comes first.
fn pax(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let length = (1..).find(|length: &usize| length.to_string().len() + rest.len() == *length).unwrap();
    format!("{length}{rest}").into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn unpacked(tar: &[u8], limits: Limits, into: &Path) -> Result<Unpacked, String> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(tar).unwrap();
    file.rewind().unwrap();
    unpack::unpack(&file, limits, into).map_err(|error| error.to_string())
}

fn refusal(tar: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    unpacked(tar, Limits::default(), directory.path()).unwrap_err()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

const FILE: EntryType = EntryType::Regular;

#[test]
fn files_and_directories_are_unpacked_with_plain_modes() {
    let (named, timed) = ([pax("path", "long/été/name.py"), pax("mtime", "1.5")].concat(), pax("mtime", "2.5"));
    let comment = pax("comment", "0123456");
    let given = tar(&[
        (EntryType::XGlobalHeader, "pax_global_header", 0, &comment),
        (EntryType::Directory, "./", 0o700, b""),
        (EntryType::Directory, "mine/", 0o000, b""),
        (FILE, "mine/__init__.py", 0o600, b"x = 1\n"),
        (FILE, "mine/tool", 0o6777, b"#!"),
        (EntryType::XHeader, "PaxHeaders/name.py", 0, &named),
        (FILE, "long/name.py", 0o644, b"pax"),
        (EntryType::GNULongName, "././@LongLink", 0, b"gnu/name.py\0"),
        (EntryType::XHeader, "PaxHeaders/name.py", 0, &timed),
        (FILE, "gnu", 0o644, b"gnu"),
        (FILE, "old/", 0o644, b""),
    ]);
    for tar in [given.clone(), gzip(&given)] {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        assert_eq!(unpacked(&tar, Limits::default(), root), Ok(Unpacked { files: 4, bytes: 14 }));
        for (name, mode, text) in [
            ("mine/__init__.py", 0o644, "x = 1\n"),
            ("mine/tool", 0o755, "#!"),
            ("long/été/name.py", 0o644, "pax"),
            ("gnu/name.py", 0o644, "gnu"),
        ] {
            assert_eq!(fs::read_to_string(root.join(name)).unwrap(), text);
            assert_eq!(fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o7777, mode, "{name}");
        }
        for name in ["mine", "old", "long/été"] {
            assert_eq!(fs::metadata(root.join(name)).unwrap().permissions().mode() & 0o7777, 0o755, "{name}");
        }
    }
}

#[test]
fn whatever_is_neither_file_nor_directory_or_leads_elsewhere_is_refused() {
    let (elsewhere, size) = (pax("path", "../hidden"), pax("size", "1"));
    let first: Given<'_> = (FILE, "a.py", 0o644, b"x");
    for (kind, name, bytes, problem) in [
        (FILE, "/etc/x", &b"x"[..], "its path is absolute"),
        (FILE, "a/../../x", b"x", "its path holds `..`"),
        (FILE, "a.py", b"x", "stands there twice"),
        (FILE, "a.py/b", b"x", "File exists (os error 17)"),
        (EntryType::Symlink, "b", b"", "is a symbolic link; a package holds files and directories only"),
        (EntryType::Link, "b", b"", "is a hard link; a package holds files and directories only"),
        (EntryType::Char, "b", b"", "is a device; a package holds files and directories only"),
        (EntryType::Block, "b", b"", "is a device; a package holds files and directories only"),
        (EntryType::Fifo, "b", b"", "is a pipe; a package holds files and directories only"),
        (EntryType::GNUSparse, "b", b"", "is of type 'S'; a package holds files and directories only"),
        (EntryType::Directory, "b", b"x", "a directory with content"),
        (EntryType::XHeader, "b", &size, "its extended header says \"size\""),
    ] {
        let given = tar(&[first, (kind, name, 0o644, bytes)]);
        assert_eq!(refusal(&given), format!("the package's entry {name:?} at byte 1024: {problem}"));
    }
    let hidden = tar(&[(EntryType::XHeader, "x", 0, &elsewhere), first]);
    assert_eq!(refusal(&hidden), "the package's entry \"../hidden\" at byte 1024: its path holds `..`");
    let long = vec![b'a'; (64 << 10) + 1];
    let said = refusal(&tar(&[(EntryType::GNULongName, "l", 0, &long)]));
    assert_eq!(said, "the package's entry \"l\" at byte 0: an extended header of 65537 bytes, at most 65536 are taken");
}

#[test]
fn tars_that_end_early_or_are_none_are_refused() {
    let whole = tar(&[(FILE, "a.py", 0o644, &[1; 1000])]);
    assert_eq!(refusal(&whole[..1000]), "the package's entry \"a.py\" at byte 0: ends after 488 of 1000 bytes");
    assert_eq!(refusal(&[7; 1024]), "the package's tar cannot be read from byte 0 on");
    let broken = [&whole[..1536], &[7; 1024]].concat();
    assert_eq!(refusal(&broken), "the package's tar cannot be read from byte 1536 on");
    assert_eq!(refusal(&gzip(&whole)[..20]), "the package's tar cannot be read from byte 0 on");
}

#[test]
fn entries_and_inflated_bytes_are_bounded() {
    let directory = tempfile::tempdir().unwrap();
    let limits = Limits { entries: 2, bytes: 64 << 10 };
    let three = tar(&[(FILE, "a", 0o644, b""), (FILE, "b", 0o644, b""), (FILE, "c", 0o644, b"")]);
    let said = unpacked(&three, limits, directory.path()).unwrap_err();
    assert_eq!(said, "the package's entry \"c\" at byte 1024: a package has at most 2 entries");
    let zeros = gzip(&tar(&[(FILE, "z", 0o644, &vec![0; 1 << 20])]));
    assert!(zeros.len() < 32 << 10, "as it lies it is small enough");
    let said = unpacked(&zeros, limits, directory.path()).unwrap_err();
    assert_eq!(said, "the package's entry \"z\" at byte 0: the tar is larger than a package may be");
}

#[tokio::test]
async fn a_package_is_placed_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let (source, target) = (directory.path().join("p.tar"), directory.path().join("tools/package"));
    let (stores, url) = (Stores::from_env(), SlideUrl::parse(source.to_str().unwrap()).unwrap());
    let put = |tar: &[u8]| File::create(&source).unwrap().write_all(tar).unwrap();
    let names = || {
        let found = fs::read_dir(directory.path().join("tools")).unwrap();
        let mut names: Vec<_> = found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    fs::create_dir(directory.path().join("tools")).unwrap();
    let good = tar(&[(FILE, "mine.py", 0o644, b"x")]);
    put(&good);
    let said = install((&stores, &url), &hex(b"another"), &target, Limits::default()).await.unwrap_err().to_string();
    assert_eq!(
        said,
        format!("the package's SHA-256 is {}, and {} is asked for: nothing was unpacked", hex(&good), hex(b"another"))
    );
    assert_eq!(names(), [""; 0]);
    let bad = tar(&[(FILE, "mine.py", 0o644, b"x"), (EntryType::Symlink, "b", 0o644, b"")]);
    put(&bad);
    let refused = install((&stores, &url), &hex(&bad), &target, Limits::default()).await.unwrap_err();
    assert_eq!((refused.category(), names()), ("Malformed", vec![]));
    for text in ["one", "two"] {
        let tar = tar(&[(FILE, text, 0o644, text.as_bytes())]);
        put(&tar);
        let done = install((&stores, &url), &hex(&tar), &target, Limits::default()).await.unwrap();
        assert_eq!((done, names()), (Unpacked { files: 1, bytes: 3 }, vec!["package".to_owned()]));
        assert_eq!(fs::read_dir(&target).unwrap().count(), 1, "the one before is gone");
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o755);
    }
    let limits = Limits { bytes: 100, ..Limits::default() };
    let large = install((&stores, &url), &hex(&good), &target, limits).await.unwrap_err();
    assert_eq!(large.to_string(), "the package's tar is 2048 bytes, at most 100 are taken");
}
