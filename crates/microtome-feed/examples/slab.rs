//! The stream as a program gets it, without the program: `slab JOB WORKERS`. Run by `make bench` beside `PatchLoader`.
//!
//! Head, workers and hand-off as the Python package's engine has them; on the other end of the socket a thread that takes
//! batches in shared memory and gives them back, two asked for ahead. Prints patches_per_second, from the first batch, not
//! counted, to the last.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use microtome_feed::engine;
use microtome_feed::handoff::Handoff;
use microtome_feed::head::{self, Mode, Order, Origin};
use microtome_feed::job::Job;
use microtome_slide::Stores;
use serde_json::{Value, json};
use tokio::sync::oneshot;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, job, workers] = arguments.as_slice() else { return Err("usage: slab JOB WORKERS".into()) };
    let (job, stores) = (Job::read(Path::new(job))?, Stores::from_env());
    let origin = Origin::Known(Box::new(job.source(0, &stores).await?));
    let order = Order { origin, mode: Mode::Stream { selection: None, resume: None } };
    let (head, feeds) = head::start(vec![order], 256 << 20)?;
    let _workers = engine::embed(&head, &stores, workers.parse()?)?;
    let directory = tempfile::tempdir()?;
    let handoff = Handoff::listen(directory.path())?;
    let path = handoff.path().to_owned();
    let (_closing, closed) = oneshot::channel();
    tokio::spawn(handoff.serve((feeds, None), closed));
    let reader = std::thread::spawn(move || read(&path).map_err(|error| error.to_string()));
    let rate = tokio::task::spawn_blocking(move || reader.join()).await?.map_err(|_| "the reader has panicked")??;
    println!("{}", json!({"patches_per_second": rate}));
    Ok(())
}

/// Takes all batches; patches a second.
fn read(path: &Path) -> Result<f64, Box<dyn Error>> {
    let mut stream = UnixStream::connect(path)?;
    let mut lines = BufReader::new(stream.try_clone()?);
    stream.write_all(b"{\"shared\": true}\n{\"next\": 2}\n")?;
    let (mut line, mut began, mut patches) = (String::new(), None::<Instant>, 0);
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Err("the head has closed the connection".into());
        }
        let frame: Value = serde_json::from_str(&line)?;
        if let Some(error) = frame["error"].as_str() {
            return Err(error.into());
        }
        if let Some(slot) = frame["segment"]["slot"].as_u64() {
            let taken = frame["index"].as_array().map_or(0, Vec::len);
            patches += if began.is_some() { taken } else { 0 };
            began.get_or_insert_with(Instant::now);
            writeln!(stream, "{}", json!({"next": 1, "release": [slot]}))?;
        }
        if frame["end"] == true {
            let began = began.ok_or("no batch came")?;
            return Ok(patches as f64 / began.elapsed().as_secs_f64());
        }
    }
}
