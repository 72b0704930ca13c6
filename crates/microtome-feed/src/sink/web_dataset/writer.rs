//! The shards of one output, one after another.

use microtome_plan::checkpoint::Checkpoint;
use microtome_slide::{SlideUrl, Stores};

use super::shard::Shard;
use super::{Record, Spec, State, WebDatasetError};
use crate::digest::StreamDigest;
use crate::sink::output::Output;

/// A progress file is some kilobytes; the list of its slides may be long.
const PROGRESS_BYTES: u64 = 64 << 20;

/// An output that is being written.
#[derive(Debug)]
pub struct WebDataset {
    stores: Stores,
    output: Output,
    /// The dataset's name, with which the files' names begin.
    name: String,
    /// What whole shards hold.
    stored: State,
    /// What they and the open one hold.
    ahead: State,
    shard: Option<Shard>,
}

/// What was written, by this process and those before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The folder.
    pub folder: SlideUrl,
    /// Whole shards.
    pub shards: u64,
    /// Patches in them.
    pub patches: u64,
    /// Their sizes together.
    pub bytes: u64,
}

impl WebDataset {
    /// Begins an output, or finds how far it is.
    ///
    /// # Errors
    /// What is there is of another job, or the store cannot be read or written.
    pub async fn open(stores: Stores, output: Output, name: &str, spec: Spec) -> Result<Self, WebDatasetError> {
        let fresh = State::new(spec);
        let mut sink = Self { stores, output, name: name.to_owned(), stored: fresh.clone(), ahead: fresh, shard: None };
        let url = sink.progress()?;
        match sink.stores.read_object(&url, PROGRESS_BYTES).await {
            Ok(object) => {
                let found = State::parse(&object.bytes)
                    .map_err(|problem| WebDatasetError::Progress { url: url.clone(), problem })?;
                let differs = sink.stored.spec.differs(&found.spec);
                // Nothing was stored: whoever began it may begin again as another.
                if differs.is_some() && found.shards == 0 && !sink.stores.object_exists(&sink.file(0)?).await? {
                    return Ok(sink);
                }
                if let Some((what, is, was)) = differs {
                    return Err(WebDatasetError::Other { folder: sink.output.folder, what, was, is });
                }
                sink.ahead = found.clone();
                sink.stored = found;
            }
            Err(microtome_slide::Error::NotFound { .. }) => {
                let first = sink.file(0)?;
                if sink.stores.object_exists(&first).await? {
                    return Err(WebDatasetError::InTheWay { url: first });
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(sink)
    }

    /// Where the stream goes on.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        self.stored.checkpoint.as_ref()
    }

    /// Patches of the stream that were taken; the next one's index.
    pub fn patches(&self) -> u64 {
        self.ahead.patches
    }

    /// The digest of what is stored, to go on with.
    pub fn digest(&self) -> &StreamDigest {
        &self.stored.digest
    }

    /// Whether all of the stream was stored before.
    pub fn is_finished(&self) -> bool {
        self.stored.finished.is_some()
    }

    /// What whole shards hold.
    pub fn written(&self) -> Written {
        let State { shards, patches, bytes, .. } = self.stored;
        Written { folder: self.output.folder.clone(), shards, patches, bytes }
    }

    /// Stores a batch's patches. `after`: where the stream goes on then, and the digest so far.
    pub async fn add(
        &mut self,
        records: Vec<Record>,
        after: (Checkpoint, &StreamDigest),
    ) -> Result<(), WebDatasetError> {
        if self.shard.is_none() {
            if self.stored.checkpoint.is_none() {
                // Before the first shard: what is there from now on is this job's.
                self.keep().await?;
            }
            let object = self.stores.create(&self.file(self.stored.shards)?).await?;
            self.shard = Some(Shard::new(object));
        }
        let Some(shard) = &mut self.shard else { return Ok(()) };
        self.ahead.patches += records.len() as u64;
        self.ahead.batches += 1;
        self.ahead.checkpoint = Some(after.0);
        self.ahead.digest = after.1.clone();
        shard.add(records, self.output.encoding).await?;
        if shard.bytes() >= self.output.shard_bytes { self.close().await } else { Ok(()) }
    }

    /// The stream is at its end: closes the last shard.
    pub async fn finish(&mut self) -> Result<(), WebDatasetError> {
        self.close().await?;
        if self.stored.finished.is_none() {
            self.stored.finished = Some(self.stored.digest.hex());
            self.keep().await?;
        }
        Ok(())
    }

    /// The stream ends before its end: what no whole shard holds will be cut again.
    pub async fn abort(&mut self) -> Result<(), WebDatasetError> {
        match self.shard.take() {
            Some(shard) => shard.abort().await,
            None => Ok(()),
        }
    }

    async fn close(&mut self) -> Result<(), WebDatasetError> {
        let Some(shard) = self.shard.take() else { return Ok(()) };
        self.ahead.bytes += shard.finish().await?;
        self.ahead.shards += 1;
        self.stored = self.ahead.clone();
        self.keep().await
    }

    async fn keep(&self) -> Result<(), WebDatasetError> {
        let json = serde_json::to_vec_pretty(&self.stored).expect("a state is plain data");
        Ok(self.stores.write_object(&self.progress()?, json.into()).await?)
    }

    fn progress(&self) -> Result<SlideUrl, WebDatasetError> {
        self.named(format!("{}.progress.json", self.name))
    }

    fn file(&self, shard: u64) -> Result<SlideUrl, WebDatasetError> {
        self.named(format!("{}-{shard:06}.tar", self.name))
    }

    fn named(&self, name: String) -> Result<SlideUrl, WebDatasetError> {
        let folder = &self.output.folder;
        folder.join(&name).map_err(|source| WebDatasetError::Name { folder: folder.clone(), name, source })
    }
}
