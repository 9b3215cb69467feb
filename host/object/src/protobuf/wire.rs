//! Protobuf's wire format: numbered fields, four ways to write a value.

use super::ProtobufError;

pub struct Reader<'b>(&'b [u8]);

/// A value as it stands on the wire; what it means the schema knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'b> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'b [u8]),
}

impl<'b> Reader<'b> {
    pub fn new(bytes: &'b [u8]) -> Self {
        Reader(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next field's number and value; `None` at the end.
    pub fn next(&mut self) -> Result<Option<(u32, Scalar<'b>)>, ProtobufError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| ProtobufError::Malformed)?;
        let value = match tag & 7 {
            0 => Scalar::Varint(self.varint()?),
            1 => Scalar::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| ProtobufError::Malformed)?;
                Scalar::Bytes(self.take(length)?)
            }
            5 => Scalar::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(ProtobufError::Malformed),
        };
        Ok(Some((number, value)))
    }

    pub fn varint(&mut self) -> Result<u64, ProtobufError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ProtobufError::Malformed)
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], ProtobufError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(ProtobufError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ProtobufError> {
        self.take(N)?.try_into().map_err(|_| ProtobufError::Malformed)
    }
}

impl<'b> Scalar<'b> {
    pub fn bytes(self) -> Result<&'b [u8], ProtobufError> {
        match self {
            Scalar::Bytes(bytes) => Ok(bytes),
            Scalar::Varint(_) | Scalar::Fixed64(_) | Scalar::Fixed32(_) => Err(ProtobufError::Malformed),
        }
    }

    pub fn text(self) -> Result<String, ProtobufError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| ProtobufError::Malformed)
    }

    pub fn number(self) -> Result<u64, ProtobufError> {
        match self {
            Scalar::Varint(number) | Scalar::Fixed64(number) => Ok(number),
            Scalar::Fixed32(number) => Ok(number.into()),
            Scalar::Bytes(_) => Err(ProtobufError::Malformed),
        }
    }

    pub fn float(self) -> Result<f64, ProtobufError> {
        match self {
            Scalar::Fixed64(bits) => Ok(f64::from_bits(bits)),
            Scalar::Fixed32(bits) => Ok(f32::from_bits(bits).into()),
            Scalar::Varint(_) | Scalar::Bytes(_) => Err(ProtobufError::Malformed),
        }
    }
}
