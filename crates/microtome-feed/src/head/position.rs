//! How far the program is in a dataset's stream: pure.

/// Where the program is in a dataset's stream. Batches that it got before its checkpoint count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The dataset's name.
    pub dataset: String,
    /// The epoch of the next batch; counts from 1, and stays the last one at the end.
    pub epoch: u64,
    /// Batches that the program got, over all epochs.
    pub batch: u64,
    /// Batches of all epochs.
    pub of: u64,
}

/// How long a stream is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    /// Patches of all epochs.
    pub(super) patches: u64,
    pub(super) epochs: u64,
    pub(super) batch_size: u64,
}

/// The position after so many patches; none before the stream's length is known. An epoch's last batch may be a smaller one.
pub(super) fn position(dataset: &str, passed: u64, length: Length) -> Option<Position> {
    let Length { patches, epochs, batch_size } = length;
    let an_epoch = patches.checked_div(epochs).filter(|&patches| patches > 0)?;
    let steps = an_epoch.div_ceil(batch_size.max(1));
    let (whole, rest) = (passed / an_epoch, passed % an_epoch);
    let of = steps * epochs;
    let batch = (whole * steps + rest.div_ceil(batch_size.max(1))).min(of);
    Some(Position { dataset: dataset.to_owned(), epoch: (whole + 1).min(epochs), batch, of })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_counted_over_all_epochs_with_their_smaller_last_ones() {
        let length = Length { patches: 300, epochs: 3, batch_size: 32 };
        let at = |passed| {
            let Position { epoch, batch, of, .. } = position("train", passed, length).unwrap();
            (epoch, batch, of)
        };
        assert_eq!([at(0), at(32), at(96)], [(1, 0, 12), (1, 1, 12), (1, 3, 12)]);
        assert_eq!([at(100), at(132)], [(2, 4, 12), (2, 5, 12)], "the fourth batch has four patches");
        assert_eq!([at(299), at(300), at(999)], [(3, 12, 12), (3, 12, 12), (3, 12, 12)]);
    }

    #[test]
    fn of_a_stream_whose_length_is_not_known_nothing_is_said() {
        assert_eq!(position("train", 0, Length { patches: 0, epochs: 3, batch_size: 32 }), None);
        assert_eq!(position("train", 0, Length { patches: 9, epochs: 0, batch_size: 32 }), None);
        assert!(position("train", 9, Length { patches: 9, epochs: 1, batch_size: 0 }).is_some());
    }
}
