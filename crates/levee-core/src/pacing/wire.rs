//! The bytes of a kitchen, for snapshots and digests.

use alloc::vec::Vec;

use super::later::{Due, Later};
use super::{Kitchen, Ticket, Work};
use crate::types::{DecodeError, Reader, Wire, wire_struct};

impl Wire for Work {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Wire::get(reader).map(Self)
    }
}

wire_struct! {
    Due { slot, work }
}

impl Wire for Ticket {
    fn put(&self, out: &mut Vec<u8>) {
        self.work.put(out);
        self.ready_at_ms.put(out);
        self.delta_ms.to_le_bytes().put(out);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (work, ready_at_ms) = Wire::get(reader)?;
        Ok(Self { work, ready_at_ms, delta_ms: i32::from_le_bytes(Wire::get(reader)?) })
    }
}

impl Wire for Kitchen {
    fn put(&self, out: &mut Vec<u8>) {
        self.stations.put(out);
        put_real(self.unit_ms, out);
        put_real(self.drag, out);
        self.delta_ms.to_le_bytes().put(out);
        self.making.put(out);
        self.later.iter().copied().collect::<Vec<_>>().put(out);
        put_real(self.walk_ins, out);
        self.walk_ins_at_ms.put(out);
        self.done_at_ms.put(out);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let stations = u16::get(reader)?;
        if stations == 0 {
            return Err(reader.not("number of stations"));
        }
        let unit_ms = get_positive(reader)?;
        let drag = get_positive(reader)?;
        let delta_ms = i32::from_le_bytes(Wire::get(reader)?);
        let making = u64::get(reader)?;
        let later = Later::of(Vec::get(reader)?).ok_or_else(|| reader.not("list of slots"))?;
        let walk_ins = get_real(reader)?;
        if walk_ins < 0.0 {
            return Err(reader.not("amount of work"));
        }
        let walk_ins_at_ms = u64::get(reader)?;
        let done_at_ms = u64::get(reader)?;
        Ok(Self {
            stations,
            unit_ms,
            drag,
            delta_ms,
            making,
            later,
            walk_ins,
            walk_ins_at_ms,
            done_at_ms,
        })
    }
}

/// As its bits, so that equal values have equal bytes.
fn put_real(real: f64, out: &mut Vec<u8>) {
    real.to_bits().to_le_bytes().put(out);
}

fn get_real(reader: &mut Reader<'_>) -> Result<f64, DecodeError> {
    let real = f64::from_bits(u64::from_le_bytes(Wire::get(reader)?));
    if real.is_finite() { Ok(real) } else { Err(reader.not("real number")) }
}

fn get_positive(reader: &mut Reader<'_>) -> Result<f64, DecodeError> {
    let real = get_real(reader)?;
    if real > 0.0 { Ok(real) } else { Err(reader.not("positive number")) }
}
