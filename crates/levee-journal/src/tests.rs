//! Tests that need the inside of the crate: forged records.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use crate::format::{
    Head, SECTOR, SEGMENT_BYTES_MIN, SegmentHeader, encode_record, encode_segment_header,
    set_version,
};
use crate::{FileJournal, Kind, OpenError, Options};

const OPTIONS: Options =
    Options { segment_bytes: SEGMENT_BYTES_MIN, reserve_bytes: 0, quota_bytes: None };

/// Writes a segment that holds these records, each with a sound checksum and chain.
fn forge(dir: &Path, heads: &[(Kind, u64, u32, u64)]) {
    let bytes = SEGMENT_BYTES_MIN;
    let mut segment = vec![0; usize::try_from(bytes).unwrap()];
    let header = SegmentHeader { ordinal: 1, segment_bytes: bytes, installation: [7; 16] };
    segment[..SECTOR].copy_from_slice(&encode_segment_header(&header));
    let mut previous_crc = 0;
    for (record, (kind, first_seq, count, time_ms)) in segment.chunks_mut(SECTOR).skip(1).zip(heads)
    {
        let (kind, first_seq, count, time_ms) = (*kind, *first_seq, *count, *time_ms);
        let head = Head { kind, first_seq, count, time_ms, previous_crc };
        previous_crc = encode_record(record, &head, 0);
    }
    fs::create_dir_all(dir.join("journal")).unwrap();
    fs::write(dir.join("journal/0000000001.seg"), segment).unwrap();
}

/// Records that no writer of this crate writes, with checksums that match: refused where they
/// stand, by what is wrong with them.
#[test]
fn records_that_cannot_follow() {
    use Kind::{Batch, Closed, Genesis};
    let genesis = (Genesis, 1, 0, 50);
    let cases: [(&[_], Option<(u64, &str)>); 12] = [
        (&[genesis, (Batch, 1, 3, 50), (Closed, 4, 0, 50), (Batch, 4, 1, 51)], None),
        (&[genesis, (Batch, 1, 3, 50), (Batch, 3, 1, 50)], Some((1_536, "3 stands where 4"))),
        (&[genesis, (Batch, 1, 3, 50), (Batch, 5, 1, 50)], Some((1_536, "5 stands where 4"))),
        (&[genesis, (Batch, 2, 1, 50)], Some((1_024, "2 stands where 1"))),
        (&[genesis, (Closed, 2, 0, 50)], Some((1_024, "2 stands where 1"))),
        (&[genesis, (Batch, 1, 1, 49)], Some((1_024, "time goes back from 50 to 49"))),
        (&[genesis, (Genesis, 1, 0, 50)], Some((1_024, "a second genesis"))),
        (&[genesis, (Batch, 0, 1, 50)], Some((1_024, "0 with 1 commands is impossible"))),
        (&[genesis, (Batch, u64::MAX, 1, 50)], Some((1_024, "is impossible"))),
        (&[(Batch, 1, 1, 50)], Some((512, "does not begin with a genesis"))),
        (&[(Genesis, 2, 0, 50)], Some((512, "does not begin with a genesis"))),
        (&[(Genesis, 1, 1, 50)], Some((512, "does not begin with a genesis"))),
    ];
    for (heads, expected) in cases {
        let dir = tempdir().unwrap();
        forge(dir.path(), heads);
        match (FileJournal::open(dir.path(), OPTIONS), expected) {
            (Ok((_, recovered)), None) => assert_eq!(recovered.last_seq, 4),
            (Err(OpenError::Corrupt { offset, reason, .. }), Some((at, what))) => {
                assert!(offset == at && reason.contains(what), "{heads:?}: {offset}: {reason}");
            }
            (result, _) => panic!("{heads:?}: {result:?}"),
        }
    }
}

/// A newer format is not damage, least of all a torn tail.
#[test]
fn a_record_of_a_newer_version_is_not_dropped() {
    let dir = tempdir().unwrap();
    forge(dir.path(), &[(Kind::Genesis, 1, 0, 50), (Kind::Batch, 1, 1, 50)]);
    let path = dir.path().join("journal/0000000001.seg");
    let mut segment = fs::read(&path).unwrap();
    set_version(&mut segment[2 * SECTOR..3 * SECTOR], 2);
    fs::write(&path, segment).unwrap();
    let error = FileJournal::open(dir.path(), OPTIONS).unwrap_err();
    assert!(
        matches!(error, OpenError::UnknownVersion { offset: 1_024, version: 2, .. }),
        "{error}"
    );
}
