//! Parses the arguments and the environment of a process from the answer of `KERN_PROCARGS2` (`sysctl_procargsx` in
//! XNU's `bsd/kern/kern_sysctl.c`).

/// The arguments and the environment of a process.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::sys) struct Arguments<'a> {
    pub(in crate::sys) words: Vec<&'a [u8]>,
    /// The environment, followed by the kernel's own texts for the loader. The kernel omits the environment of a
    /// program that the system protects.
    pub(in crate::sys) environment: Vec<&'a [u8]>,
}

impl<'a> Arguments<'a> {
    /// Parses an answer. Returns `None` if the answer ends before the words begin.
    ///
    /// The answer consists of the number of words, the path of the program with zeros up to an aligned offset, and
    /// texts that each end with a zero. The words are the first of these texts.
    pub(in crate::sys) fn read(answer: &'a [u8]) -> Option<Self> {
        let (count, rest) = answer.split_first_chunk()?;
        let count = usize::try_from(i32::from_ne_bytes(*count)).ok()?;
        let end_of_path = rest.iter().position(|byte| *byte == 0)?;
        let rest = &rest[end_of_path..];
        let Some(begin) = rest.iter().position(|byte| *byte != 0) else {
            return Some(Self::default());
        };
        let mut texts = rest[begin..].split(|byte| *byte == 0);
        Some(Self {
            words: texts.by_ref().take(count).collect(),
            environment: texts.filter(|text| !text.is_empty()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(count: i32, texts: &[u8]) -> Vec<u8> {
        [&count.to_ne_bytes(), texts].concat()
    }

    #[test]
    fn words_and_environment_of_a_process_are_read() {
        let texts = b"/bin/a\0\0\0\0\0a\0--empty\0\0-n\0HOME=/\0A=\0\0\0executable_path=/bin/a\0\0";
        let answer = answer(4, texts);
        let read = Arguments::read(&answer).expect("a whole answer");
        assert_eq!(read.words, [&b"a"[..], b"--empty", b"", b"-n"]);
        let environment = [&b"HOME=/"[..], b"A=", b"executable_path=/bin/a"];
        assert_eq!(read.environment, environment);
    }

    #[test]
    fn an_answer_without_environment_or_words_is_read() {
        let protected = answer(1, b"/bin/a\0\0a\0");
        let read = Arguments::read(&protected).expect("a whole answer");
        assert_eq!((read.words, read.environment), (vec![&b"a"[..]], vec![]));
        let bare = answer(0, b"/bin/a\0\0\0");
        assert_eq!(Arguments::read(&bare), Some(Arguments::default()));
        for cut in [
            &b""[..],
            b"\x01\0",
            &answer(1, b"/bin"),
            &answer(-1, b"/\0a\0"),
        ] {
            assert_eq!(Arguments::read(cut), None);
        }
    }
}
