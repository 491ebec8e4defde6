//! Fields to bytes and back: numbers little-endian, bytes behind their length.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use super::messages::{Failure, Lead, StopPlan, Stream};

#[derive(Default)]
pub(super) struct Encoder(pub(super) Vec<u8>);

impl Encoder {
    pub(super) fn tag(&mut self, tag: u8) -> &mut Self {
        self.0.push(tag);
        self
    }

    pub(super) fn flag(&mut self, flag: bool) -> &mut Self {
        self.tag(u8::from(flag))
    }

    pub(super) fn u32(&mut self, number: u32) -> &mut Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    pub(super) fn i32(&mut self, number: i32) -> &mut Self {
        self.u32(number.cast_unsigned())
    }

    pub(super) fn u64(&mut self, number: u64) -> &mut Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.len(bytes.len());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn len(&mut self, len: usize) {
        self.u32(u32::try_from(len).expect("no message is as long as 4 GiB"));
    }

    pub(super) fn list<T>(
        &mut self,
        items: &[T],
        mut each: impl FnMut(&mut Self, &T),
    ) -> &mut Self {
        self.len(items.len());
        for item in items {
            each(self, item);
        }
        self
    }

    pub(super) fn option<T>(&mut self, item: Option<&T>, some: impl FnOnce(&mut Self, &T)) {
        self.flag(item.is_some());
        if let Some(item) = item {
            some(self, item);
        }
    }

    pub(super) fn plan(&mut self, plan: StopPlan) -> &mut Self {
        let StopPlan {
            signal,
            whole_tree,
            kill_signal,
            patience,
        } = plan;
        let nanos = u64::try_from(patience.as_nanos()).unwrap_or(u64::MAX);
        self.i32(signal)
            .flag(whole_tree)
            .i32(kill_signal)
            .u64(nanos)
    }

    pub(super) fn failure(&mut self, failure: &Failure) -> &mut Self {
        self.bytes(failure.step.as_bytes()).i32(failure.errno)
    }
}

/// Takes fields off the front of a frame; `None` where it is too short or holds nonsense.
pub(super) struct Decoder<'a>(pub(super) &'a [u8]);

impl Decoder<'_> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.0.split_first_chunk()?;
        self.0 = tail;
        Some(*head)
    }

    pub(super) fn tag(&mut self) -> Option<u8> {
        self.array::<1>().map(|[tag]| tag)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        self.tag().map(|tag| tag != 0)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(super) fn port(&mut self) -> Option<u16> {
        self.u32()?.try_into().ok()
    }

    pub(super) fn bytes(&mut self) -> Option<Vec<u8>> {
        let len = self.u32()? as usize;
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head.to_vec())
    }

    pub(super) fn os_string(&mut self) -> Option<OsString> {
        self.bytes().map(OsString::from_vec)
    }

    pub(super) fn path(&mut self) -> Option<PathBuf> {
        self.bytes().map(|bytes| OsStr::from_bytes(&bytes).into())
    }

    pub(super) fn text(&mut self) -> Option<String> {
        self.bytes()
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(super) fn list<T>(
        &mut self,
        mut each: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        (0..self.u32()?).map(|_| each(self)).collect()
    }

    #[expect(
        clippy::option_option,
        reason = "the outer one says whether it could be read"
    )]
    pub(super) fn option<T>(
        &mut self,
        some: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.flag()? {
            some(self).map(Some)
        } else {
            Some(None)
        }
    }

    pub(super) fn lead(&mut self) -> Option<Lead> {
        Some(match self.tag()? {
            0 => Lead::Null,
            1 => Lead::Given,
            2 => Lead::Captured,
            _ => return None,
        })
    }

    pub(super) fn stream(&mut self) -> Option<Stream> {
        self.flag().map(|stderr| {
            if stderr {
                Stream::Stderr
            } else {
                Stream::Stdout
            }
        })
    }

    pub(super) fn plan(&mut self) -> Option<StopPlan> {
        Some(StopPlan {
            signal: self.i32()?,
            whole_tree: self.flag()?,
            kill_signal: self.i32()?,
            patience: Duration::from_nanos(self.u64()?),
        })
    }

    pub(super) fn failure(&mut self) -> Option<Failure> {
        Some(Failure {
            step: self.text()?,
            errno: self.i32()?,
        })
    }
}
