//! What a pod's containers do with the binary, as processes: install, head and shell.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

mod process;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Output, Stdio};

use process::Process;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const MICROTOME: &str = env!("CARGO_BIN_EXE_microtome");
const SLIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/slides/CMU-1-Small-Region.svs");

/// A pod's file system: /opt/microtome as `tools`, /tmp as `tmp`.
struct Pod(TempDir);

impl Pod {
    fn new() -> Self {
        let pod = Self(tempfile::tempdir().unwrap());
        fs::create_dir(pod.path("tmp")).unwrap();
        let job = json!({
            "apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob", "metadata": {"name": "test"},
            "spec": {
                "activeDeadlineSeconds": 60,
                "datasets": [{
                    "name": "tiles", "slides": {"list": [{"url": SLIDE}]}, "batchSize": 16,
                    "views": [{"name": "image", "size": 128, "level": 0}], "sampling": {"random": {"perSlide": 30}},
                }],
                "output": {"url": "az://results/tiles", "format": "WebDataset"},
                "clusterSpec": {
                    "profileName": "default", "head": {"image": "i", "resources": {"limits": {}}},
                    "workers": {"minReplicas": 1, "maxReplicas": 1, "resources": {"limits": {}}},
                },
            },
        });
        fs::write(pod.path("job.json"), job.to_string()).unwrap();
        pod
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("TMPDIR", self.path("tmp")).env_remove("PYTHONPATH").env_remove("MICROTOME_CHECKPOINTS");
        command
    }

    /// Runs the installer on `tools`.
    fn install(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(Path::new(MICROTOME));
        command.arg("install").arg(self.path("tools")).args(arguments).current_dir(self.0.path()).output().unwrap()
    }

    /// The installed head, with these arguments.
    fn head(&self, arguments: &[&str]) -> Command {
        let mut head = self.command(&self.path("tools/microtome"));
        head.args(["head", "--listen", "127.0.0.1:0", "--job"]).arg(self.path("job.json")).args(arguments);
        head.stdout(Stdio::piped()).stderr(File::create(self.path("head.log")).unwrap());
        head
    }
}

fn start(command: &mut Command) -> (Process, BufReader<ChildStdout>) {
    let mut child = command.spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (Process(child), output)
}

fn rest(output: &mut impl Read) -> String {
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    text
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A tar with one file, and its digest.
fn package(name: &str, text: &str) -> (Vec<u8>, String) {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_mode(0o644);
    header.set_size(text.len() as u64);
    tar.append_data(&mut header, name, text.as_bytes()).unwrap();
    let tar = tar.into_inner().unwrap();
    let digest = Sha256::digest(&tar).iter().map(|byte| format!("{byte:02x}")).collect();
    (tar, digest)
}

#[test]
fn installing_puts_everything_where_a_head_looks_for_it() {
    let pod = Pod::new();
    pod.put("wheel/microtome/__init__.py", "x = 1\n");
    pod.put("kept/epoch-1/model.pt", "model");
    let (tar, digest) = package("mine.py", "y = 2\n");
    fs::write(pod.path("package.tar"), tar).unwrap();
    let whole = ["--python", "wheel", "--package-file", "package.tar", "--package-sha256", &digest];
    let whole = [&whole[..], &["--restore", "kept", "--checkpoints", "checkpoints"]].concat();
    // An init container may run more than once.
    for _ in 0..2 {
        let output = pod.install(&whole);
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("\"message\":\"checkpoints restored\",\"files\":1,\"bytes\":5"), "{output:?}");
    }
    for (name, text) in [
        ("tools/python/microtome/__init__.py", "x = 1\n"),
        ("tools/package/mine.py", "y = 2\n"),
        ("checkpoints/epoch-1/model.pt", "model"),
    ] {
        assert_eq!(fs::read_to_string(pod.path(name)).unwrap(), text);
    }
    assert_eq!(fs::read_dir(pod.path("tools")).unwrap().count(), 3, "nothing else is left there");
    let version = Command::new(pod.path("tools/microtome")).arg("--version").output().unwrap();
    assert!(version.status.success());
    for (arguments, code, text) in [
        (&["--python", "nowhere"][..], 1, "microtome: --python nowhere: cannot be read: No such file"),
        (&["--package-file", "package.tar"], 2, "--package-sha256 <HEX>"),
        (&["--restore", "kept"], 2, "--checkpoints <DIRECTORY>"),
        (&["--package-file", "package.tar", "--package-sha256", "6d"], 2, "64 hexadecimal digits"),
        (
            &["--package-file", "package.tar", "--package-sha256", &"0".repeat(64)],
            1,
            &format!("microtome: the package's SHA-256 is {digest}, and 0000"),
        ),
    ] {
        let output = pod.install(arguments);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(said(&output).contains(text), "{}", said(&output));
    }
    assert!(pod.path("tools/package/mine.py").exists(), "what was refused changed nothing");
    assert!(pod.install(&[]).status.success(), "our image need not hold the Python package");
}

/// The first line and the key's owner of the request that comes to a storage account of this name.
fn asked(listener: &TcpListener) -> (String, String) {
    let mut lines = BufReader::new(listener.accept().unwrap().0).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    let authorization = lines.find_map(|line| line.strip_prefix("authorization: SharedKey ").map(ToOwned::to_owned));
    (first, authorization.unwrap().split(':').next().unwrap().to_owned())
}

#[test]
fn storage_is_reached_with_the_heads_own_keys() {
    let (pod, listener) = (Pod::new(), TcpListener::bind("127.0.0.1:0").unwrap());
    pod.install(&[]);
    let endpoint = format!("http://{}/account", listener.local_addr().unwrap());
    let keyed = |command: &mut Command| {
        let process = command
            .env("MICROTOME_STORAGE_AZURE_STORAGE_ENDPOINT", &endpoint)
            .env("MICROTOME_STORAGE_AZURE_STORAGE_ACCOUNT_NAME", "heads")
            .env("MICROTOME_STORAGE_AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
            .env("AZURE_STORAGE_ENDPOINT", &endpoint)
            .env("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
            .env("AZURE_STORAGE_ACCOUNT_NAME", "programs")
            .spawn();
        Process(process.unwrap())
    };
    let url = ["install", "x", "--package-url", "az://slides/p.tar", "--package-sha256", &"0".repeat(64)];
    let _install = keyed(pod.command(Path::new(MICROTOME)).args(url).current_dir(pod.path("tmp")));
    assert_eq!(asked(&listener), ("HEAD /account/slides/p.tar HTTP/1.1".to_owned(), "heads".to_owned()));
    drop(_install);
    // A job without a program is stored by the head itself.
    let _head = keyed(&mut pod.head(&[]));
    let (request, owner) = asked(&listener);
    assert!(request.contains(" /account/results/tiles/tiles.progress.json "), "{request}");
    assert_eq!(owner, "heads");
}

#[test]
fn a_program_gets_its_packages_and_no_keys() {
    let pod = Pod::new();
    let (tar, digest) = package("mine.py", "print('mine')\n");
    fs::write(pod.path("package.tar"), tar).unwrap();
    pod.put("wheel/microtome/__init__.py", "print('ours')\n");
    let arguments = ["--python", "wheel", "--package-file", "package.tar", "--package-sha256", &digest];
    assert!(pod.install(&arguments).status.success());
    let script = "env; echo core=$(ulimit -Sc),$(ulimit -Hc); python3 -c 'import mine, microtome'";
    let mut head = pod.head(&["--checkpoints", "/checkpoints", "--job-uid", "u-1", "--attempt", "3"]);
    let (mut head, mut output) = start(
        head.args(["--", "sh", "-c", script])
            .env("MICROTOME_STORAGE_AZURE_STORAGE_ACCOUNT_KEY", "SECRET")
            .env("MICROTOME_CHECKPOINTS", "/elsewhere")
            .env("PYTHONPATH", "/before")
            .env("AZURE_STORAGE_ACCOUNT_NAME", "programs"),
    );
    let text = rest(&mut output);
    assert!(head.0.wait().unwrap().success());
    let tools = pod.path("tools").display().to_string();
    for line in [
        &format!("PYTHONPATH={tools}/package:{tools}/python:/before"),
        "MICROTOME_CHECKPOINTS=/checkpoints",
        "MICROTOME_JOB_UID=u-1",
        "MICROTOME_ATTEMPT=3",
        "AZURE_STORAGE_ACCOUNT_NAME=programs",
        "core=0,0",
        "mine",
        "ours",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    assert!(!text.contains("SECRET"), "{text}");
}

#[test]
fn a_shell_has_the_environment_of_the_program() {
    let pod = Pod::new();
    pod.install(&[]);
    let variables = |text: &str| {
        let named = ["MICROTOME_", "PYTHONPATH"];
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| named.iter().any(|name| line.starts_with(name)))
            .map(ToOwned::to_owned)
            .collect();
        lines.sort();
        lines
    };
    let shell = |arguments: &[&str]| {
        let mut shell = pod.command(&pod.path("tools/microtome"));
        shell
            .arg("shell")
            .args(arguments)
            .env("MICROTOME_STORAGE_AZURE_STORAGE_ACCOUNT_KEY", "SECRET")
            .output()
            .unwrap()
    };
    fs::create_dir(pod.path("tools/package")).unwrap();
    let without = shell(&["--", "env"]);
    assert!(said(&without).contains(": no head runs here, or not yet a program: "), "{}", said(&without));
    let mut head = pod.head(&["--checkpoints", "/checkpoints", "--", "sh", "-c", "env; echo .; read line; exit 5"]);
    let (mut head, mut output) = start(head.stdin(Stdio::piped()));
    let mut program = String::new();
    while !program.ends_with("\n.\n") {
        assert!(output.read_line(&mut program).unwrap() > 0, "{program}");
    }
    let inside = shell(&["--", "sh", "-c", "env; exit 4"]);
    assert_eq!(inside.status.code(), Some(4), "{}", said(&inside));
    let inside = String::from_utf8(inside.stdout).unwrap();
    assert!(variables(&inside).iter().any(|line| line == "MICROTOME_CHECKPOINTS=/checkpoints"), "{inside}");
    assert_eq!(variables(&inside), variables(&program));
    writeln!(head.0.stdin.take().unwrap(), "end").unwrap();
    assert_eq!(head.0.wait().unwrap().code(), Some(5));
    assert!(said(&shell(&["--", "env"])).contains("no head runs here"), "the head has taken it away");
}

#[test]
fn orphans_are_waited_for_and_the_programs_code_is_still_its_own() {
    let pod = Pod::new();
    pod.install(&[]);
    // As the first process of a container would, the head gets the orphans of those below it.
    let adopting =
        "import ctypes, os, sys; ctypes.CDLL(None).prctl(36, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])";
    let program = "
import os, subprocess, sys, time
orphan = int(subprocess.check_output(['sh', '-c', 'sleep 0.01 & echo $!']))
end = time.monotonic() + 20
while os.path.exists(f'/proc/{orphan}'):
    if time.monotonic() > end:
        sys.exit(1)
    time.sleep(0.01)
sys.exit(7)
";
    let head = pod.head(&["--", "python3", "-c", program]);
    let mut adopted = pod.command(Path::new("python3"));
    adopted.args(["-c", adopting]).arg(head.get_program()).args(head.get_args());
    let (mut head, _output) = start(adopted.stdout(Stdio::piped()));
    assert_eq!(head.0.wait().unwrap().code(), Some(7));
}

/// Folders in storage, and the head's variables for them: `tests/stores` adds a container of an Azurite.
fn folders(pod: &Pod) -> Vec<(String, Vec<(String, String)>)> {
    let mut folders = vec![(pod.path("there").display().to_string(), Vec::new())];
    if let Ok(endpoint) = std::env::var("MICROTOME_TEST_AZURITE") {
        let given = |what| std::env::var(format!("MICROTOME_TEST_AZURITE_{what}")).unwrap();
        let variables = [("ENDPOINT", endpoint), ("ACCOUNT_NAME", given("NAME")), ("ACCOUNT_KEY", given("KEY"))];
        let named = |(name, value)| (format!("MICROTOME_STORAGE_AZURE_STORAGE_{name}"), value);
        folders.push(("az://slides/checkpoints/job".to_owned(), variables.map(named).to_vec()));
    }
    println!("{:?}", folders.iter().map(|(folder, _)| folder).collect::<Vec<_>>());
    folders
}

/// The files below a directory, with their contents' lengths and first words.
fn files(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|file| format!("{name}/{file}")));
        } else {
            let text = fs::read_to_string(&path).unwrap();
            found.push(format!("{name} {} {}", text.len(), text.split_whitespace().next().unwrap_or_default()));
        }
    }
    found.sort();
    found
}

#[test]
fn checkpoints_outlive_an_attempt() {
    let outer = Pod::new();
    for (folder, variables) in folders(&outer) {
        // More than one part of an upload.
        let first = "cd $MICROTOME_CHECKPOINTS; mkdir epoch-1; echo one >epoch-1/model.pt; echo x >gone.pt; rm gone.pt;
            yes 0123456 | head -c 11000000 >large.pt";
        let second = "cd $MICROTOME_CHECKPOINTS; cat epoch-1/model.pt; mkdir epoch-2; echo three >epoch-2/model.pt;
            rm -r epoch-1 large.pt";
        for (script, printed, restored, left) in [
            (first, "", vec![], vec!["epoch-1/model.pt 4 one", "large.pt 11000000 0123456"]),
            (
                second,
                "one\n",
                vec!["epoch-1/model.pt 4 one", "large.pt 11000000 0123456"],
                vec!["epoch-2/model.pt 6 three"],
            ),
        ] {
            let (pod, fresh) = (Pod::new(), Pod::new());
            let restore = |pod: &Pod| {
                let mut install = pod.command(Path::new(MICROTOME));
                install.arg("install").arg(pod.path("tools")).arg("--checkpoints").arg(pod.path("here"));
                let output = install.args(["--restore", &folder]).envs(variables.clone()).output().unwrap();
                assert!(output.status.success(), "{}", said(&output));
                files(&pod.path("here"))
            };
            assert_eq!(restore(&pod), restored);
            let here = pod.path("here").display().to_string();
            let mut head = pod.head(&["--checkpoints", &here, "--checkpoints-url", &folder, "--", "sh", "-ec", script]);
            let (mut head, mut output) = start(head.envs(variables.clone()));
            assert_eq!(rest(&mut output), printed);
            assert!(head.0.wait().unwrap().success(), "{}", fs::read_to_string(pod.path("head.log")).unwrap());
            assert_eq!(restore(&fresh), left);
        }
    }
}

#[test]
fn checkpoints_are_stored_while_the_program_runs_and_when_it_is_told_to_end() {
    let pod = Pod::new();
    pod.install(&[]);
    let (here, there) = (pod.path("here").display().to_string(), pod.path("there").display().to_string());
    let script = format!(
        "cd $MICROTOME_CHECKPOINTS; trap 'echo last >last.pt; exit 3' TERM; echo a >a.pt
         for i in $(seq 400); do [ -e {there}/a.pt ] && break; sleep 0.05; done
         echo ready; while :; do sleep 0.05; done"
    );
    let mut head = pod.head(&["--checkpoints", &here, "--checkpoints-url", &there, "--", "sh", "-c", &script]);
    let (mut head, mut output) = start(&mut head);
    output.read_line(&mut String::new()).unwrap();
    assert_eq!(files(&pod.path("there")), ["a.pt 2 a"]);
    kill_process(Pid::from_child(&head.0), Signal::TERM).unwrap();
    assert_eq!(head.0.wait().unwrap().code(), Some(3));
    assert_eq!(files(&pod.path("there")), ["a.pt 2 a", "last.pt 5 last"]);
}

#[test]
fn storage_that_takes_no_checkpoints_fails_nothing_and_is_the_last_word() {
    let pod = Pod::new();
    pod.install(&[]);
    pod.put("there", "in the way");
    let (here, there) = (pod.path("here").display().to_string(), pod.path("there").display().to_string());
    let script = "echo a >$MICROTOME_CHECKPOINTS/a.pt; exit 6";
    let arguments =
        ["--checkpoints", &here, "--checkpoints-url", &there, "--checkpoints-patience", "1", "--", "sh", "-c"];
    let (mut head, _output) = start(pod.head(&arguments).arg(script));
    assert_eq!(head.0.wait().unwrap().code(), Some(6));
    let log = fs::read_to_string(pod.path("head.log")).unwrap();
    let last: serde_json::Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((last["message"].as_str(), last["names"].as_str()), (Some("checkpoints were not stored"), Some("a.pt")));
    assert_eq!(log.matches("checkpoints are not stored yet").count(), 1, "{log}");
    let arguments =
        ["head", "--job", "x", "--checkpoints", "x", "--checkpoints-url", "az://slides/x?sig=SECRET", "--", "x"];
    let output = Command::new(MICROTOME).args(arguments).output().unwrap();
    assert!(!output.status.success() && !said(&output).contains("SECRET"), "{}", said(&output));
}
