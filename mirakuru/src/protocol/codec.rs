//! Defines the bytes of a message: one trait for every type, and one macro that derives it from a definition.
//!
//! Integers are little-endian. A text or a list follows its length. The variant of an enum is its index in the
//! definition. Both ends are the same binary, so the protocol has no versions.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use crate::limits::Resource;
use crate::sys;

/// A type that travels between the test process and a supervisor.
pub(crate) trait Wire: Sized {
    /// Appends the bytes of this value.
    fn encode(&self, to: &mut Vec<u8>);

    /// Takes a value from the front. Returns `None` if the bytes are not a valid value.
    fn decode(from: &mut &[u8]) -> Option<Self>;

    /// Returns the bytes of this value.
    fn to_bytes(&self) -> Vec<u8> {
        let mut to = Vec::new();
        self.encode(&mut to);
        to
    }

    /// Returns the value that has exactly these bytes.
    fn from_bytes(mut from: &[u8]) -> Option<Self> {
        Self::decode(&mut from).filter(|_| from.is_empty())
    }
}

/// Defines structs and enums, and implements [`Wire`] for each of them: first the index of the variant, then the fields
/// in the order of the definition. An item of a tuple variant has a name, which the implementation uses.
macro_rules! wire {
    ($($(#[$meta:meta])* pub(crate) $kind:tt $name:ident { $($body:tt)* })*) => {
        $(wire!(@$kind $name [$(#[$meta])*] $($body)*);)*
    };
    (@struct $name:ident [$($meta:tt)*] $($(#[$about:meta])* pub(crate) $field:ident: $type:ty,)*) => {
        $($meta)*
        pub(crate) struct $name {
            $($(#[$about])* pub(crate) $field: $type,)*
        }

        impl Wire for $name {
            fn encode(&self, to: &mut Vec<u8>) {
                $(self.$field.encode(to);)*
            }

            fn decode(from: &mut &[u8]) -> Option<Self> {
                Some(Self { $($field: Wire::decode(from)?,)* })
            }
        }
    };
    (@enum $name:ident [$($meta:tt)*] $(
        $(#[$about:meta])*
        $variant:ident
        $(($($item:ident: $item_type:ty),*))?
        $({$($(#[$field_about:meta])* $field:ident: $field_type:ty,)*})?,
    )*) => {
        $($meta)*
        pub(crate) enum $name {
            $(
                $(#[$about])*
                $variant
                $(($($item_type),*))?
                $({$($(#[$field_about])* $field: $field_type,)*})?,
            )*
        }

        const _: () = {
            enum Tag { $($variant,)* }

            impl Wire for $name {
                fn encode(&self, to: &mut Vec<u8>) {
                    match self {
                        $(Self::$variant $(($($item),*))? $({$($field),*})? => {
                            to.push(Tag::$variant as u8);
                            $($($item.encode(to);)*)?
                            $($($field.encode(to);)*)?
                        })*
                    }
                }

                fn decode(from: &mut &[u8]) -> Option<Self> {
                    match u8::decode(from)? {
                        $(tag if tag == Tag::$variant as u8 => Some(
                            Self::$variant
                            $(($(<$item_type as Wire>::decode(from)?),*))?
                            $({$($field: Wire::decode(from)?,)*})?
                        ),)*
                        _ => None,
                    }
                }
            }
        };

        #[cfg(test)]
        impl $name {
            /// The names of all variants.
            pub(crate) const VARIANTS: &[&str] = &[$(stringify!($variant)),*];
        }
    };
}
pub(super) use wire;

fn take<'a>(from: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (head, tail) = from.split_at_checked(len)?;
    *from = tail;
    Some(head)
}

fn encode_len(len: usize, to: &mut Vec<u8>) {
    // No text is that long: the limit on frames is far lower.
    u32::try_from(len).unwrap_or(u32::MAX).encode(to);
}

macro_rules! integers {
    ($($type:ty)*) => {
        $(impl Wire for $type {
            fn encode(&self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_le_bytes());
            }

            fn decode(from: &mut &[u8]) -> Option<Self> {
                let bytes = take(from, size_of::<Self>())?;
                bytes.try_into().ok().map(Self::from_le_bytes)
            }
        })*
    };
}
integers!(u8 u16 u32 u64 i32);

macro_rules! tuples {
    ($(($($type:ident $item:tt),*))*) => {
        $(impl<$($type: Wire),*> Wire for ($($type,)*) {
            #[allow(unused_variables, reason = "an empty tuple has no bytes")]
            fn encode(&self, to: &mut Vec<u8>) {
                $(self.$item.encode(to);)*
            }

            #[allow(unused_variables, clippy::unused_unit, reason = "an empty tuple has no bytes")]
            fn decode(from: &mut &[u8]) -> Option<Self> {
                Some(($($type::decode(from)?,)*))
            }
        })*
    };
}
tuples!(() (A 0, B 1) (A 0, B 1, C 2));

impl Wire for bool {
    fn encode(&self, to: &mut Vec<u8>) {
        to.push(u8::from(*self));
    }

    fn decode(from: &mut &[u8]) -> Option<Self> {
        let byte = u8::decode(from)?;
        (byte < 2).then_some(byte == 1)
    }
}

macro_rules! texts {
    ($($type:ty: $from:expr;)*) => {
        $(impl Wire for $type {
            fn encode(&self, to: &mut Vec<u8>) {
                let bytes = AsRef::<OsStr>::as_ref(self).as_encoded_bytes();
                encode_len(bytes.len(), to);
                to.extend_from_slice(bytes);
            }

            fn decode(from: &mut &[u8]) -> Option<Self> {
                let len = u32::decode(from)? as usize;
                let text = sys::text_of(take(from, len)?.to_vec())?;
                $from(text)
            }
        })*
    };
}
texts! {
    String: |text: OsString| text.into_string().ok();
    OsString: Some;
    PathBuf: |path| Some(PathBuf::from(path));
}

/// The time in nanoseconds. A time longer than 584 years, the most that these can count, arrives as the maximum: the
/// sum of `Duration::MAX` and an `Instant` would overflow.
impl Wire for Duration {
    fn encode(&self, to: &mut Vec<u8>) {
        let nanos = u64::try_from(self.as_nanos()).unwrap_or(u64::MAX);
        nanos.encode(to);
    }

    fn decode(from: &mut &[u8]) -> Option<Self> {
        u64::decode(from).map(Self::from_nanos)
    }
}

impl Wire for Resource {
    fn encode(&self, to: &mut Vec<u8>) {
        to.push(*self as u8);
    }

    fn decode(from: &mut &[u8]) -> Option<Self> {
        Self::from_number(u8::decode(from)?)
    }
}

impl<T: Wire> Wire for Box<T> {
    fn encode(&self, to: &mut Vec<u8>) {
        T::encode(self, to);
    }

    fn decode(from: &mut &[u8]) -> Option<Self> {
        T::decode(from).map(Self::new)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn encode(&self, to: &mut Vec<u8>) {
        self.is_some().encode(to);
        if let Some(value) = self {
            value.encode(to);
        }
    }

    fn decode(from: &mut &[u8]) -> Option<Self> {
        if bool::decode(from)? {
            T::decode(from).map(Some)
        } else {
            Some(None)
        }
    }
}

impl<T: Wire, E: Wire> Wire for Result<T, E> {
    fn encode(&self, to: &mut Vec<u8>) {
        self.is_ok().encode(to);
        match self {
            Ok(value) => value.encode(to),
            Err(error) => error.encode(to),
        }
    }

    fn decode(from: &mut &[u8]) -> Option<Self> {
        if bool::decode(from)? {
            T::decode(from).map(Ok)
        } else {
            E::decode(from).map(Err)
        }
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn encode(&self, to: &mut Vec<u8>) {
        encode_len(self.len(), to);
        for item in self {
            item.encode(to);
        }
    }

    fn decode(from: &mut &[u8]) -> Option<Self> {
        // The list grows with the items that are really there, and not by a made-up length.
        (0..u32::decode(from)?).map(|_| T::decode(from)).collect()
    }
}

impl<T: Wire, const N: usize> Wire for [T; N] {
    fn encode(&self, to: &mut Vec<u8>) {
        for item in self {
            item.encode(to);
        }
    }

    fn decode(from: &mut &[u8]) -> Option<Self> {
        let items: Option<Vec<_>> = (0..N).map(|_| T::decode(from)).collect();
        items?.try_into().ok()
    }
}
