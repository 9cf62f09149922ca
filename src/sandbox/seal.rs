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
];

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
            true => write!(f, "seccomp refuses {} calls", REFUSED.len() + 1)?,
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
    let mut rules: BTreeMap<i64, Vec<_>> = REFUSED.iter().map(|&call| (call, Vec::new())).collect();
    // abort() signals the own process with tgkill; every other process is out of reach.
    let own = u64::from(std::process::id());
    let other =
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, own).map_err(Error::other)?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![other]).map_err(Error::other)?]);
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(Error::other)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).map_err(Error::other)?;
    let program: BpfProgram = filter.try_into().map_err(Error::other)?;
    seccompiler::apply_filter_all_threads(&program).map_err(Error::other)
}
