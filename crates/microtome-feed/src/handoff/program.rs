//! One connection of a program: its lines go to the group of its dataset, the group's answers become frames.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use microtome_plan::select::Coordinate;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::Streams;
use super::frame::{Frame, Line, Request, SegmentFrame};
use super::group::{About, Answer, Handed, Member, Message};
use super::segments::Segments;
use crate::error::FeedError;
use crate::head::PatchSpec;

/// The longest line is a list of slides that are left out.
const LINE_BYTES: u64 = 64 << 20;

/// A program that has connected knows what it wants.
const PATIENCE: Duration = Duration::from_secs(10);

/// Attends to a program until it closes its end, or its stream ends with an error.
pub(super) async fn attend(stream: UnixStream, streams: Arc<Streams>) -> io::Result<()> {
    let (asks, answers) = stream.into_split();
    let mut asks = BufReader::new(asks);
    let mut frames = Frames { program: answers, segments: Segments::default(), about: None };
    let outcome = match begin(&mut asks, streams).await {
        Ok(Err(error)) => frames.write(&Frame::error(&error)).await,
        Ok(Ok(connection)) => connection.run(&mut asks, &mut frames).await,
        Err(error) => Err(error),
    };
    match outcome {
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Ok(()),
        outcome => outcome,
    }
}

/// A connection that knows its dataset.
struct Connection {
    rank: u64,
    shared: bool,
    group: mpsc::UnboundedSender<Message>,
    inbox: mpsc::UnboundedReceiver<Answer>,
}

/// Hears what the program wants, and joins the group of its dataset.
async fn begin(
    asks: &mut BufReader<OwnedReadHalf>,
    streams: Arc<Streams>,
) -> io::Result<Result<Connection, FeedError>> {
    let line = match tokio::time::timeout(PATIENCE, line(asks)).await {
        Ok(line) => line?,
        Err(_) => {
            let text = "the program has connected, but not asked for anything: it has to write a line, at least {}";
            return Ok(Err(FeedError::Request { problem: text.to_owned() }));
        }
    };
    let Some(line) = line else { return Err(io::ErrorKind::ConnectionReset.into()) };
    let wrong = |problem: String| FeedError::Request { problem };
    let request: Request = match serde_json::from_slice(&line) {
        Ok(request) => request,
        Err(error) => return Ok(Err(wrong(error.to_string()))),
    };
    let group = match streams.find(request.dataset.as_deref(), request.asks) {
        Ok(group) => group,
        Err(error) => return Ok(Err(error)),
    };
    let rank = if request.asks { streams.number() } else { request.rank };
    drop(streams);
    let (answers, inbox) = mpsc::unbounded_channel();
    let wants = if request.shared { 0 } else { 1 };
    let member = Member { rank, answers, waits_for: Some(request.start()), wants, reading: 0 };
    if group.send(Message::Joined { member, world: request.world }).is_err() {
        return Ok(Err(FeedError::Closed));
    }
    Ok(Ok(Connection { rank, shared: request.shared, group, inbox }))
}

/// The next line; `None` if the program has closed its end.
async fn line(asks: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    asks.take(LINE_BYTES).read_until(b'\n', &mut line).await?;
    Ok(line.ends_with(b"\n").then_some(line))
}

impl Connection {
    async fn run(mut self, asks: &mut BufReader<OwnedReadHalf>, frames: &mut Frames) -> io::Result<()> {
        let outcome = self.exchange(asks, frames).await;
        let _ = self.group.send(Message::Left { rank: self.rank });
        outcome
    }

    async fn exchange(&mut self, asks: &mut BufReader<OwnedReadHalf>, frames: &mut Frames) -> io::Result<()> {
        let mut said = Vec::new();
        loop {
            let mut asks = (&mut *asks).take(LINE_BYTES);
            tokio::select! {
                answer = self.inbox.recv() => match answer {
                    Some(Answer::Stream(about)) => {
                        if self.shared {
                            frames.write(&Frame::stream(&about)).await?;
                        }
                        frames.about = Some(about);
                    }
                    Some(Answer::Batch(handed)) if self.shared => frames.share(handed).await?,
                    Some(Answer::Batch(handed)) => {
                        frames.send(handed).await?;
                        self.tell(Message::Wanted { rank: self.rank, batches: 1, waited: None });
                    }
                    Some(Answer::Stats(stats)) => frames.write(&Frame::stats(&stats)).await?,
                    Some(Answer::End { reading }) => {
                        frames.write(&Frame::End { end: true, reading }).await?;
                        if !self.shared {
                            return Ok(());
                        }
                    }
                    Some(Answer::Failed(error)) => return frames.write(&Frame::error(&error)).await,
                    None => return Ok(()),
                },
                // May be dropped and called again: what was read is kept in `said`.
                read = asks.read_until(b'\n', &mut said) => {
                    read?;
                    if !said.ends_with(b"\n") || said.len() as u64 > LINE_BYTES {
                        return Ok(());
                    }
                    match self.hear(&std::mem::take(&mut said), frames) {
                        Err(error) => return frames.write(&Frame::error(&error)).await,
                        Ok(true) => frames.slides().await?,
                        Ok(false) => {}
                    }
                }
            }
        }
    }

    /// Does what a line says; whether it asks for the slides.
    fn hear(&self, line: &[u8], frames: &mut Frames) -> Result<bool, FeedError> {
        let wrong = |problem: String| FeedError::Request { problem };
        if !self.shared {
            return Err(wrong("lines after the first one are for programs that share memory".to_owned()));
        }
        let line: Line = serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?;
        let waited = line.waited();
        let Line { next, release, start, slides, stats, ask, .. } = line;
        release.into_iter().for_each(|slot| frames.segments.release(slot));
        if let Some(start) = start {
            self.tell(Message::Started { rank: self.rank, start });
        }
        if !ask.is_empty() {
            let spec = |(url, x, y)| PatchSpec { url, coordinate: Coordinate { x, y } };
            self.tell(Message::Asked { rank: self.rank, round: ask.into_iter().map(spec).collect() });
        }
        if stats {
            self.tell(Message::Stats { rank: self.rank });
        }
        if next > 0 {
            self.tell(Message::Wanted { rank: self.rank, batches: next, waited: Some(waited) });
        }
        Ok(slides)
    }

    /// A group that is gone has closed the inbox.
    fn tell(&self, message: Message) {
        let _ = self.group.send(message);
    }
}

/// The program's end.
struct Frames {
    program: OwnedWriteHalf,
    segments: Segments,
    about: Option<Arc<About>>,
}

impl Frames {
    async fn write(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        self.program.write_all(&frame.line()?).await
    }

    fn dataset(&self) -> &str {
        self.about.as_ref().map_or("", |about| &about.recipe.name)
    }

    async fn slides(&mut self) -> io::Result<()> {
        let Some(about) = self.about.clone() else { return Ok(()) };
        self.write(&Frame::slides(&about)).await
    }

    /// A frame with its pixels behind it.
    async fn send(&mut self, Handed { batch, rows, reading }: Handed) -> io::Result<()> {
        let line = Frame::batch(self.dataset(), (&batch, rows.clone()), reading, None).line()?;
        self.program.write_all(&line).await?;
        for pixels in batch.pixels(rows) {
            self.program.write_all(pixels).await?;
        }
        Ok(())
    }

    /// A frame with its pixels in shared memory.
    async fn share(&mut self, Handed { batch, rows, reading }: Handed) -> io::Result<()> {
        let Self { program, segments, about } = self;
        let Some(about) = about else { return Ok(()) };
        let patch_bytes = about.recipe.patch_bytes().get();
        let most = u64::from(about.recipe.batch_size.get()) * patch_bytes;
        let mut filling = segments.lend(rows.len() as u64 * patch_bytes, most.max(1))?;
        for pixels in batch.pixels(rows.clone()) {
            filling.write(pixels)?;
        }
        let segment = SegmentFrame { slot: filling.slot, new: filling.new };
        let line = Frame::batch(&about.recipe.name, (&batch, rows), reading, Some(segment)).line()?;
        let sent = match filling.to_send() {
            Some(memory) => send_with(program.as_ref(), &line, memory).await?,
            None => 0,
        };
        program.write_all(&line[sent..]).await
    }
}

/// Sends some bytes with a file descriptor; returns how many.
async fn send_with(stream: &UnixStream, bytes: &[u8], memory: BorrowedFd<'_>) -> io::Result<usize> {
    loop {
        stream.writable().await?;
        let sent = stream.try_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut message = SendAncillaryBuffer::new(&mut space);
            let memory = [memory];
            message.push(SendAncillaryMessage::ScmRights(&memory));
            Ok(sendmsg(stream, &[IoSlice::new(bytes)], &mut message, SendFlags::NOSIGNAL)?)
        });
        match sent {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return sent,
        }
    }
}
