// SPDX-License-Identifier: BSD-2-Clause
//
// All system calls, by file. What each does is in Linux's manual, section 2; where this kernel
// supports less, the definition says so. Result or -errno.
#pragma once

#include "lib/types.h"

// sys_copy.c
long sys_sendfile(int out_fd, int in_fd, vaddr_t pos_va, size_t count);

// sys_dir.c
long sys_mkdirat(int dirfd, vaddr_t path_va, uint32_t mode);
long sys_mkdir(vaddr_t path_va, uint32_t mode);
long sys_mknodat(int dirfd, vaddr_t path_va, uint32_t mode, uint64_t dev);
long sys_mknod(vaddr_t path_va, uint32_t mode, uint64_t dev);
long sys_unlinkat(int dirfd, vaddr_t path_va, unsigned flags);
long sys_unlink(vaddr_t path_va);
long sys_rmdir(vaddr_t path_va);
long sys_symlinkat(vaddr_t target_va, int dirfd, vaddr_t path_va);
long sys_symlink(vaddr_t target_va, vaddr_t path_va);
long sys_linkat(int old_fd, vaddr_t old_va, int new_fd, vaddr_t new_va, unsigned flags);
long sys_link(vaddr_t old_va, vaddr_t new_va);
long sys_renameat2(int old_fd, vaddr_t old_va, int new_fd, vaddr_t new_va, unsigned flags);
long sys_renameat(int old_fd, vaddr_t old_va, int new_fd, vaddr_t new_va);
long sys_rename(vaddr_t old_va, vaddr_t new_va);
long sys_getdents64(int fd, vaddr_t buf_va, unsigned len);
long sys_chdir(vaddr_t path_va);
long sys_fchdir(int fd);
long sys_getcwd(vaddr_t buf_va, size_t size);

// sys_file.c
long sys_read(int fd, vaddr_t buf_va, size_t len);
long sys_write(int fd, vaddr_t buf_va, size_t len);
long sys_pread64(int fd, vaddr_t buf_va, size_t len, off_t pos);
long sys_pwrite64(int fd, vaddr_t buf_va, size_t len, off_t pos);
long sys_readv(int fd, vaddr_t iov_va, uint64_t n);
long sys_writev(int fd, vaddr_t iov_va, uint64_t n);
long sys_preadv(int fd, vaddr_t iov_va, uint64_t n, off_t pos);
long sys_pwritev(int fd, vaddr_t iov_va, uint64_t n, off_t pos);
long sys_lseek(int fd, off_t offset, int whence);
long sys_openat(int dirfd, vaddr_t path_va, unsigned flags, uint32_t mode);
long sys_open(vaddr_t path_va, unsigned flags, uint32_t mode);
long sys_creat(vaddr_t path_va, uint32_t mode);
long sys_close(int fd);
long sys_dup(int fd);
long sys_dup2(int fd, int to);
long sys_dup3(int fd, int to, unsigned flags);
long sys_pipe2(vaddr_t fds_va, unsigned flags);
long sys_pipe(vaddr_t fds_va);
long sys_fcntl(int fd, unsigned cmd, uint64_t arg);
long sys_ioctl(int fd, unsigned cmd, vaddr_t arg_va);
long sys_flock(int fd, int operation);
long sys_fsync(int fd);
long sys_fdatasync(int fd);
long sys_sync(void);
long sys_ftruncate(int fd, off_t size);
long sys_fallocate(int fd, int mode, off_t offset, off_t len);
long sys_fadvise64(int fd, off_t offset, off_t len, int advice);

// sys_misc.c
long sys_uname(vaddr_t va);
long sys_sysinfo(vaddr_t va);
long sys_getrandom(vaddr_t buf_va, size_t len, unsigned flags);
long sys_reboot(int magic, int magic2, int cmd);
long sys_statfs(vaddr_t path_va, vaddr_t va);
long sys_fstatfs(int fd, vaddr_t va);

// sys_mm.c
long sys_mmap(vaddr_t va, size_t len, unsigned prot, unsigned flags, int fd, uint64_t offset);
long sys_munmap(vaddr_t va, size_t len);
long sys_mprotect(vaddr_t va, size_t len, unsigned prot);
long sys_mremap(vaddr_t va, size_t old_len, size_t new_len, unsigned flags, vaddr_t new_va);
long sys_msync(vaddr_t va, size_t len, unsigned flags);
long sys_madvise(vaddr_t va, size_t len, int advice);
long sys_mincore(vaddr_t va, size_t len, vaddr_t vec_va);
long sys_mlock(vaddr_t va, size_t len);
long sys_munlock(vaddr_t va, size_t len);
long sys_brk(vaddr_t new_end);

// sys_poll.c
long sys_poll(vaddr_t fds_va, unsigned n, int timeout_ms);
long sys_ppoll(vaddr_t fds_va, unsigned n, vaddr_t ts_va, vaddr_t mask_va, size_t size);
long sys_select(int nfds, vaddr_t rd_va, vaddr_t wr_va, vaddr_t ex_va, vaddr_t tv_va);
long sys_pselect6(int nfds, vaddr_t rd_va, vaddr_t wr_va, vaddr_t ex_va, vaddr_t ts_va,
                  vaddr_t mask_arg_va);

// sys_proc.c
long sys_getpid(void);
long sys_getppid(void);
long sys_gettid(void);
long sys_getuid(void);
long sys_getresuid(vaddr_t real_va, vaddr_t effective_va, vaddr_t saved_va);
long sys_setuid(uint32_t id);
long sys_setreuid(uint32_t real, uint32_t effective);
long sys_setresuid(uint32_t real, uint32_t effective, uint32_t saved);
long sys_getgroups(int size, vaddr_t list_va);
long sys_setgroups(int size, vaddr_t list_va);
long sys_setpgid(int pid, int pgid);
long sys_getpgid(int pid);
long sys_getpgrp(void);
long sys_getsid(int pid);
long sys_setsid(void);
long sys_fork(void);
long sys_vfork(void);
long sys_clone(uint64_t flags, vaddr_t stack_va, vaddr_t parent_tid_va, vaddr_t child_tid_va,
               vaddr_t tls);
long sys_execve(vaddr_t path_va, vaddr_t argv_va, vaddr_t envp_va);
long sys_execveat(int dirfd, vaddr_t path_va, vaddr_t argv_va, vaddr_t envp_va, unsigned flags);
long sys_exit(int code);
long sys_exit_group(int code);
long sys_wait4(int pid, vaddr_t status_va, int options, vaddr_t rusage_va);
long sys_waitid(int type, int id, vaddr_t info_va, int options, vaddr_t rusage_va);
long sys_getrusage(int who, vaddr_t rusage_va);
long sys_times(vaddr_t times_va);
long sys_set_tid_address(vaddr_t va);
long sys_set_robust_list(vaddr_t list_va, size_t len);
long sys_arch_prctl(int code, vaddr_t addr);
long sys_prctl(int option, uint64_t arg);
long sys_sched_yield(void);
long sys_sched_getaffinity(int pid, unsigned len, vaddr_t mask_va);
long sys_sched_setaffinity(int pid, unsigned len, vaddr_t mask_va);
long sys_getpriority(int which, int who);
long sys_setpriority(int which, int who, int nice);
long sys_prlimit64(int pid, unsigned resource, vaddr_t new_va, vaddr_t old_va);
long sys_getrlimit(unsigned resource, vaddr_t va);
long sys_setrlimit(unsigned resource, vaddr_t va);

// sys_signal.c
long sys_kill(int pid, int sig);
long sys_tgkill(int tgid, int tid, int sig);
long sys_tkill(int tid, int sig);
long sys_rt_sigaction(int sig, vaddr_t new_va, vaddr_t old_va, size_t size);
long sys_rt_sigprocmask(int how, vaddr_t set_va, vaddr_t old_va, size_t size);
long sys_rt_sigpending(vaddr_t set_va, size_t size);
long sys_sigaltstack(vaddr_t new_va, vaddr_t old_va);
long sys_rt_sigreturn(void);
long sys_pause(void);
long sys_rt_sigsuspend(vaddr_t set_va, size_t size);
long sys_rt_sigtimedwait(vaddr_t set_va, vaddr_t info_va, vaddr_t timeout_va, size_t size);
long sys_rt_sigqueueinfo(int pid, int sig, vaddr_t info_va);

// sys_stat.c
long sys_newfstatat(int dirfd, vaddr_t path_va, vaddr_t stat_va, unsigned flags);
long sys_stat(vaddr_t path_va, vaddr_t stat_va);
long sys_lstat(vaddr_t path_va, vaddr_t stat_va);
long sys_fstat(int fd, vaddr_t stat_va);
long sys_statx(int dirfd, vaddr_t path_va, unsigned flags, unsigned mask, vaddr_t statx_va);
long sys_faccessat2(int dirfd, vaddr_t path_va, unsigned mode, unsigned flags);
long sys_faccessat(int dirfd, vaddr_t path_va, unsigned mode);
long sys_access(vaddr_t path_va, unsigned mode);
long sys_fchmodat(int dirfd, vaddr_t path_va, uint32_t mode);
long sys_chmod(vaddr_t path_va, uint32_t mode);
long sys_fchmod(int fd, uint32_t mode);
long sys_fchownat(int dirfd, vaddr_t path_va, uint32_t uid, uint32_t gid, unsigned flags);
long sys_chown(vaddr_t path_va, uint32_t uid, uint32_t gid);
long sys_lchown(vaddr_t path_va, uint32_t uid, uint32_t gid);
long sys_fchown(int fd, uint32_t uid, uint32_t gid);
long sys_utimensat(int dirfd, vaddr_t path_va, vaddr_t times_va, unsigned flags);
long sys_truncate(vaddr_t path_va, off_t size);
long sys_readlinkat(int dirfd, vaddr_t path_va, vaddr_t buf_va, int size);
long sys_readlink(vaddr_t path_va, vaddr_t buf_va, int size);
long sys_umask(uint32_t mask);

// sys_time.c
long sys_clock_gettime(int id, vaddr_t ts_va);
long sys_clock_getres(int id, vaddr_t ts_va);
long sys_clock_settime(int id, vaddr_t ts_va);
long sys_gettimeofday(vaddr_t tv_va, vaddr_t tz_va);
long sys_time(vaddr_t va);
long sys_nanosleep(vaddr_t ts_va, vaddr_t rest_va);
long sys_clock_nanosleep(int id, int flags, vaddr_t ts_va, vaddr_t rest_va);
long sys_alarm(unsigned seconds);
long sys_setitimer(int which, vaddr_t new_va, vaddr_t old_va);
long sys_getitimer(int which, vaddr_t va);
long sys_futex(vaddr_t va, int op, uint32_t value, uint64_t timeout, vaddr_t va2, uint32_t value3);
