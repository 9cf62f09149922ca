//! Landlock (Linux 5.13 and later): takes every file, TCP and signals to others from this process for good, beside
//! the filter of system calls. Nothing is allowed, so a rule set without rules is all it takes. `landlock(7)`.

use std::io::{Error, Result};
use std::mem::size_of;

/// Asks for the version instead of making a rule set.
const VERSION: u32 = 1;

/// `struct landlock_ruleset_attr`: kernels take as much of it as they know.
#[repr(C)]
struct Handled {
    files: u64,
    net: u64,
    scoped: u64,
}

impl Handled {
    /// Everything that a version can take.
    fn by(version: i32) -> Self {
        // Version 1 has 13 rights on files; 2 adds links between folders, 3 truncating, 5 device calls.
        let rights = match version {
            ..=1 => 13,
            2 => 14,
            3 | 4 => 15,
            _ => 16,
        };
        // From 4 on binding and connecting by TCP, from 6 on abstract sockets and signals.
        let (net, scoped) = (if version >= 4 { 0b11 } else { 0 }, if version >= 6 { 0b11 } else { 0 });
        Self { files: (1 << rights) - 1, net, scoped }
    }

    fn size(version: i32) -> usize {
        match version {
            ..=3 => size_of::<u64>(),
            4 | 5 => 2 * size_of::<u64>(),
            _ => size_of::<Self>(),
        }
    }
}

/// The version that this kernel has; `None` where it has none, or does not let it be used.
pub fn version() -> Option<i32> {
    // SAFETY: with this flag the call takes no memory and makes nothing.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, VERSION) };
    i32::try_from(version).ok().filter(|version| *version > 0)
}

/// Gives up everything that the kernel's version knows of, and says which version; `None` where there is none. The
/// process must have given up new privileges, and has one thread.
pub fn restrict() -> Result<Option<i32>> {
    let Some(version) = version() else { return Ok(None) };
    let handled = Handled::by(version);
    // SAFETY: `handled` lives through the call, which reads so many of its bytes.
    let rules = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, &raw const handled, Handled::size(version), 0)
    };
    let rules = i32::try_from(rules).ok().filter(|rules| *rules >= 0).ok_or_else(Error::last_os_error)?;
    // SAFETY: a plain system call with the descriptor that was just made.
    let restricted = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules, 0) };
    let error = Error::last_os_error();
    // SAFETY: the descriptor is this function's own.
    unsafe { libc::close(rules) };
    if restricted == 0 { Ok(Some(version)) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_version_is_asked_for_what_it_does_not_know() {
        for (version, files, net, scoped, size) in [
            (1, 0x1fff, 0, 0, 8),
            (2, 0x3fff, 0, 0, 8),
            (3, 0x7fff, 0, 0, 8),
            (4, 0x7fff, 3, 0, 16),
            (5, 0xffff, 3, 0, 16),
            (6, 0xffff, 3, 3, 24),
            (99, 0xffff, 3, 3, 24),
        ] {
            let handled = Handled::by(version);
            let found = (handled.files, handled.net, handled.scoped, Handled::size(version));
            assert_eq!(found, (files, net, scoped, size), "version {version}");
        }
    }
}
