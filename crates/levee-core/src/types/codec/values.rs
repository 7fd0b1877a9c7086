//! The binary form of what every command is made of: integers, keys, texts, lists; and how bytes are
//! read.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {what} at byte {offset}")]
pub struct DecodeError {
    /// What was expected.
    pub what: &'static str,
    /// Where in the input.
    pub offset: usize,
}

/// Reads values from bytes, front to back.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// From the first byte on.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Bytes not yet read.
    #[must_use]
    #[inline]
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// Bytes read so far.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    #[inline]
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let Some(taken) = self.bytes[self.offset..].get(..len) else {
            return Err(self.not("length"));
        };
        self.offset += len;
        Ok(taken)
    }

    #[cold]
    pub(crate) fn not(&self, what: &'static str) -> DecodeError {
        DecodeError { what, offset: self.offset }
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }
}

/// A value with a binary form.
pub trait Wire: Sized {
    /// Appends the value's bytes.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads a value.
    ///
    /// # Errors
    /// The bytes are no such value.
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

impl Wire for u8 {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.byte()
    }
}

/// The lowest seven bits.
fn low_bits(value: u64) -> u8 {
    u8::try_from(value & 0x7f).expect("seven bits")
}

impl Wire for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.push(0x80 | low_bits(rest));
            rest >>= 7;
        }
        out.push(low_bits(rest));
    }
    #[inline]
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // Most integers are small.
        match reader.byte()? {
            byte @ 0..0x80 => Ok(byte.into()),
            byte => long_integer(reader, byte),
        }
    }
}

/// An integer of several bytes, behind its first one.
fn long_integer(reader: &mut Reader<'_>, first: u8) -> Result<u64, DecodeError> {
    let mut value = u64::from(first & 0x7f);
    for shift in (7..64).step_by(7) {
        let byte = reader.byte()?;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return Err(reader.not("integer"));
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            // One value, one form: no trailing zero groups.
            return if byte == 0 { Err(reader.not("integer")) } else { Ok(value) };
        }
    }
    Err(reader.not("integer"))
}

macro_rules! narrow {
    ($($int:ty),*) => {$(
        impl Wire for $int {
            fn put(&self, out: &mut Vec<u8>) {
                u64::from(*self).put(out);
            }
            #[inline]
            fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Self::try_from(u64::get(reader)?).map_err(|_| reader.not("integer"))
            }
        }
    )*};
}
narrow!(u16, u32);

impl Wire for i16 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        <[u8; 2]>::get(reader).map(Self::from_le_bytes)
    }
}

impl Wire for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(reader.not("truth value")),
        }
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok((A::get(reader)?, B::get(reader)?))
    }
}

impl<const N: usize> Wire for [u8; N] {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(reader.take(N)?.try_into().expect("taken with this length"))
    }
}

impl Wire for String {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        out.extend_from_slice(self.as_bytes());
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = usize::get(reader)?;
        let bytes = reader.take(len)?;
        core::str::from_utf8(bytes).map(Self::from).map_err(|_| reader.not("text"))
    }
}

impl Wire for usize {
    fn put(&self, out: &mut Vec<u8>) {
        (*self as u64).put(out);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::try_from(u64::get(reader)?).map_err(|_| reader.not("length"))
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        self.iter().for_each(|item| item.put(out));
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = usize::get(reader)?;
        // Every item takes a byte at least; the vector itself grows only with what is read.
        if len > reader.remaining() {
            return Err(reader.not("length"));
        }
        (0..len).map(|_| T::get(reader)).collect()
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        if let Some(value) = self {
            value.put(out);
        }
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.byte()? {
            0 => Ok(None),
            1 => T::get(reader).map(Some),
            _ => Err(reader.not("option")),
        }
    }
}

impl<T: Wire> Wire for Box<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (**self).put(out);
    }
    fn get(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::get(reader).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_form() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            value.put(&mut bytes);
            assert_eq!(u64::get(&mut Reader::new(&bytes)), Ok(value));
        }
        for wrong in [&[0x80, 0x00][..], &[0xff; 10], &[0x80; 11], &[]] {
            assert!(u64::get(&mut Reader::new(wrong)).is_err(), "{wrong:02x?}");
        }
    }
}
