//! What a child gives up: memory beyond its cap before it starts, files, network and new
//! processes before it sees the first untrusted byte.

use super::landlock;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::io::{Error, Result};

/// Between fork and exec: die with the parent, cap memory, write no files, dump no core.
pub fn before_exec(memory_mb: u64) -> Result<()> {
    limit(libc::RLIMIT_AS, memory_mb << 20)?;
    limit(libc::RLIMIT_CORE, 0)?;
    limit(libc::RLIMIT_FSIZE, 0)?;
    limit(libc::RLIMIT_NOFILE, 64)?;
    keep_no_files()?;
    // SAFETY: plain system calls with constant arguments.
    let (death, privileges) = unsafe {
        (
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL),
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        )
    };
    if death != 0 || privileges != 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// What this process was started with beyond its standard streams (a pipe of a service manager, a
/// socket) is closed by exec. Kernels before 5.11 do not know the call; there each one is marked.
fn keep_no_files() -> Result<()> {
    let all = libc::c_uint::MAX;
    // SAFETY: a plain system call with constant arguments; it marks descriptors and closes none.
    if unsafe { libc::syscall(libc::SYS_close_range, 3, all, libc::CLOSE_RANGE_CLOEXEC) } == 0 {
        return Ok(());
    }
    for descriptor in 3..4096 {
        // SAFETY: as above; a number that is no descriptor is refused and changes nothing.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

fn limit(resource: libc::__rlimit_resource_t, most: u64) -> Result<()> {
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: `limit` is a valid rlimit that outlives the call.
    match unsafe { libc::setrlimit(resource, &raw const limit) } {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}

/// System calls that a parser has no reason to make. They fail with EPERM, so that a library that
/// merely probes goes on. Opening files is among them: what a child needs is loaded before.
const REFUSED: &[i64] = &[
    libc::SYS_open,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_creat,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_symlink,
    libc::SYS_symlinkat,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_rmdir,
    libc::SYS_mknod,
    libc::SYS_mknodat,
    libc::SYS_truncate,
    libc::SYS_chmod,
    libc::SYS_fchmodat,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_fchownat,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_fspick,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_memfd_create,
    libc::SYS_setrlimit,
    libc::SYS_prlimit64,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_send_signal,
    libc::SYS_fchmodat2,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_utime,
    libc::SYS_utimes,
    libc::SYS_futimesat,
    libc::SYS_utimensat,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_semget,
    libc::SYS_msgget,
];

/// Calls that are refused with these values of an argument, which is named by its place: they have the kernel signal
/// others on one's behalf (`fcntl(2)`, `ioctl_list(2)`), or let a child outlive its parent (`prctl(2)`).
const REFUSED_WITH: &[(i64, u8, &[u64])] = &[
    (libc::SYS_fcntl, 1, &[libc::F_SETOWN as u64, F_SETSIG, F_SETOWN_EX]),
    (libc::SYS_ioctl, 1, &[FIOSETOWN, SIOCSPGRP]),
    (libc::SYS_prctl, 0, &[libc::PR_SET_PDEATHSIG as u64]),
];
const F_SETSIG: u64 = 10;
const F_SETOWN_EX: u64 = 15;
const FIOSETOWN: u64 = 0x8901;
const SIOCSPGRP: u64 = 0x8902;

/// What the kernel took from a child, beside the limits that it has from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// Whether system calls are filtered (seccomp).
    pub filter: bool,
    /// The version of Landlock that took its files, where the kernel has it.
    pub landlock: Option<i32>,
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.filter {
            true => write!(f, "seccomp refuses {} calls", REFUSED.len() + REFUSED_WITH.len() + 1)?,
            false => f.write_str("without seccomp")?,
        }
        match self.landlock {
            Some(version) => write!(f, ", Landlock {version} takes all files"),
            None => f.write_str(", without Landlock, which this kernel does not offer"),
        }
    }
}

/// Takes files, network, new processes and threads, and signals to others from this process for good: by Landlock
/// where the kernel has it, and by a filter of system calls, without which nothing goes on if it is `required`.
pub fn seal(required: bool) -> Result<Sealed> {
    // Before the filter: either is enough to keep files closed, and neither can be taken back.
    let landlock = landlock::restrict().unwrap_or_default();
    match filter() {
        Ok(()) => Ok(Sealed { filter: true, landlock }),
        Err(error) if required => Err(error),
        Err(_) => Ok(Sealed { filter: false, landlock }),
    }
}

/// Refuses system calls for good (seccomp-BPF).
fn filter() -> Result<()> {
    seccompiler::apply_filter_all_threads(&program()?).map_err(Error::other)
}

fn program() -> Result<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<_>> = REFUSED.iter().map(|&call| (call, Vec::new())).collect();
    // abort() signals the own process with tgkill; every other process is out of reach.
    let own = u64::from(std::process::id());
    let other =
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, own).map_err(Error::other)?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![other]).map_err(Error::other)?]);
    for (call, argument, values) in REFUSED_WITH {
        let rule = |value: &u64| {
            let is = SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *value);
            SeccompRule::new(vec![is.map_err(Error::other)?]).map_err(Error::other)
        };
        rules.insert(*call, values.iter().map(rule).collect::<Result<_>>()?);
    }
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(Error::other)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).map_err(Error::other)?;
    filter.try_into().map_err(Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls that change nothing where they are let through, by number and arguments.
    fn probes() -> Vec<(&'static str, [i64; 5])> {
        let nowhere = c"/nowhere/at/all".as_ptr() as i64;
        let here = i64::from(libc::AT_FDCWD);
        let parent = i64::from(std::process::id());
        vec![
            ("open", [libc::SYS_openat, here, nowhere, 0, 0]),
            ("make a socket", [libc::SYS_socket, libc::AF_INET.into(), libc::SOCK_DGRAM.into(), 0, 0]),
            ("signal the parent", [libc::SYS_kill, parent, 0, 0, 0]),
            ("change modes", [libc::SYS_fchmodat2, here, nowhere, 0, 0]),
            ("set attributes", [libc::SYS_setxattr, nowhere, nowhere, nowhere, 1]),
            ("set times", [libc::SYS_utimensat, here, nowhere, 0, 0]),
            ("open a queue", [libc::SYS_mq_open, nowhere, 0, 0, 0]),
            ("share memory", [libc::SYS_shmget, 1, 0, 0, 0]),
            ("have input signalled", [libc::SYS_fcntl, 0, libc::F_SETOWN.into(), 0, 0]),
            ("choose that signal", [libc::SYS_fcntl, 0, F_SETSIG as i64, 0, 0]),
            ("outlive the parent", [libc::SYS_prctl, libc::PR_SET_PDEATHSIG.into(), 0, 0, 0]),
        ]
    }

    /// Whether it fails as a refused one does. Allocates nothing.
    fn is_refused([number, a, b, c, d]: [i64; 5]) -> bool {
        // SAFETY: one of the calls above, or one that reads flags of a descriptor.
        let answer = unsafe { libc::syscall(number, a, b, c, d, 0i64) };
        // SAFETY: where this thread's error number is.
        answer == -1 && unsafe { *libc::__errno_location() } == libc::EPERM
    }

    #[test]
    fn what_is_refused_fails_and_the_rest_goes_on() {
        let (program, probes) = (program().unwrap(), probes());
        let allowed = [libc::SYS_fcntl, 1, libc::F_GETFL.into(), 0, 0];
        for sealed in [false, true] {
            // SAFETY: the child makes system calls alone, and ends without running anything of this process.
            let child = unsafe { libc::fork() };
            assert!(child >= 0);
            if child == 0 {
                // SAFETY: constant arguments.
                unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
                let applied = !sealed || seccompiler::apply_filter(&program).is_ok();
                let wrong = probes.iter().position(|(_, call)| is_refused(*call) != sealed);
                let code = match wrong {
                    _ if !applied || is_refused(allowed) => 100,
                    Some(index) => i32::try_from(index).unwrap_or(99) + 1,
                    None => 0,
                };
                // SAFETY: ends this process and nothing else.
                unsafe { libc::_exit(code) };
            }
            let mut status = 0;
            // SAFETY: the status is a local of this function.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            let code = libc::WEXITSTATUS(status);
            let what = probes.get(usize::try_from(code - 1).unwrap_or(usize::MAX)).map(|(name, _)| name);
            assert!(libc::WIFEXITED(status) && code == 0, "sealed: {sealed}; {code}: {what:?}");
        }
    }
}
