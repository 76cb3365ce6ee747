// SPDX-License-Identifier: BSD-2-Clause
/*
 * Every row of /proc/refused answers as it says, and so do the calls that refuse by their
 * arguments. Prints what does not, and the number of rows.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include "t.h"

#define NR_mknod    133
#define NR_setuid   105
#define F_SETLEASE  1024
#define CLONE_NEWNS 0x20000

static void expect(const char *what, long result, int err)
{
    if (err ? result != -1 || errno != err : result != 0)
        say("%s: %ld, %s\n", what, result, result == -1 ? t_errname() : "no error");
}

int main(void)
{
    static char text[1 << 16];
    long n = 0, got;
    int rows = 0, fd = open("/proc/refused", O_RDONLY);
    while ((got = read(fd, text + n, sizeof text - 1 - n)) > 0)
        n += got;
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        char *name = strchr(line, ' ') + 1, *err = strchr(name, ' ') + 1;
        expect(line, syscall(atoi(line), 0, 0, 0, 0, 0, 0), atoi(err));
        rows++;
    }
    expect("mknod of a FIFO", syscall(NR_mknod, "/tmp/fifo", S_IFIFO | 0600, 0), EPERM);
    expect("mknod of a device", syscall(NR_mknod, "/tmp/null", S_IFCHR | 0600, 0x103), EPERM);
    expect("setuid", syscall(NR_setuid, 1000), EPERM);
    expect("F_SETLEASE", fcntl(fd, F_SETLEASE, 0), EINVAL);
    expect("a namespace", syscall(SYS_clone, CLONE_NEWNS | 17, 0, 0, 0, 0), EINVAL);
    expect("ITIMER_VIRTUAL", syscall(SYS_setitimer, 1, text, 0), EINVAL);
    expect("a number that Linux does not have", syscall(400), ENOSYS);
    say("%d rows\n", rows);
    return 0;
}
