//! One file into storage, in the one state that it had.

use std::io;

use bytes::BytesMut;
use microtome_slide::{ObjectWriter, SlideUrl, Stores};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::saver::SaveError;
use super::tree::{Stamp, Tree};

/// A piece: what storage is sent at a time, nearly.
const PIECE_BYTES: usize = 4 << 20;

/// What fits into the 10,000 parts of an upload, with some room.
const MOST_BYTES: u64 = 48 << 30;

/// Stores a file. `None` if it was written to meanwhile: then nothing was stored.
pub(super) async fn store(
    (stores, url): (&Stores, &SlideUrl),
    (tree, name): (&Tree, &str),
) -> Result<Option<Stamp>, SaveError> {
    let failed = |source: io::Error| SaveError::File { name: name.to_owned(), source };
    let file = tree.file(name).map_err(failed)?;
    let stamp = Stamp::of(&file.metadata().map_err(failed)?);
    if stamp.size > MOST_BYTES {
        return Err(SaveError::Large { name: name.to_owned(), bytes: stamp.size });
    }
    let mut object = stores.create(url).await?;
    let sent = send(File::from_std(file), &mut object).await;
    let unchanged = tree.stamp(name).is_ok_and(|found| found == Some(stamp));
    match sent {
        Ok(sent) if unchanged && sent == stamp.size => {
            object.finish().await?;
            Ok(Some(stamp))
        }
        Ok(_) => {
            object.abort().await?;
            Ok(None)
        }
        Err(error) => {
            // The first error is the one to tell.
            let _ = object.abort().await;
            Err(match error {
                Failure::Storage(error) => error.into(),
                Failure::File(source) => failed(source),
            })
        }
    }
}

enum Failure {
    Storage(microtome_slide::Error),
    File(io::Error),
}

async fn send(mut file: File, object: &mut ObjectWriter) -> Result<u64, Failure> {
    let mut sent = 0;
    loop {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        while piece.len() < PIECE_BYTES && file.read_buf(&mut piece).await.map_err(Failure::File)? > 0 {}
        if piece.is_empty() {
            return Ok(sent);
        }
        sent += piece.len() as u64;
        object.write(piece.freeze()).await.map_err(Failure::Storage)?;
    }
}
