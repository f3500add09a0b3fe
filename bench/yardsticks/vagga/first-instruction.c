// Time from a start to the first instruction of what is started in the end.
//
//   first-instruction                     prints CLOCK_MONOTONIC in ns, first of all: it is what runs inside
//   first-instruction UID GID PROGRAM …   starts PROGRAM as that user; ns until the time that it prints, or, where it
//                                         prints none, until it has ended
#define _GNU_SOURCE
#include <ctype.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (long long)time.tv_sec * 1000000000LL + time.tv_nsec;
}

// crun, and podman with it, refuses hosts that have cgroups of both versions: it is shown one that has the second alone.
static int showOneCgroup(void) {
  if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) return 0;
  return mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL) == 0;
}

static int become(const char *uid, const char *gid) {
  return setgroups(0, NULL) == 0 && setgid(atoi(gid)) == 0 && setuid(atoi(uid)) == 0;
}

int main(int count, char **words) {
  const long long begin = now();
  if (count == 1) {
    printf("%lld\n", begin);
    return 0;
  }
  int line[2];
  if (count < 4 || pipe(line) != 0) return 2;
  if (geteuid() == 0) showOneCgroup();
  if (geteuid() == 0 && !become(words[1], words[2])) return 2;
  const long long start = now();
  const pid_t child = vfork();
  if (child == 0) {
    dup2(line[1], 1);
    close(line[0]);
    close(line[1]);
    execvp(words[3], words + 3);
    _exit(127);
  }
  close(line[1]);
  char text[64] = "";
  size_t size = 0;
  for (ssize_t got = 1; got > 0 && size < sizeof text - 1; size += got) got = read(line[0], text + size, sizeof text - 1 - size);
  int status = 0;
  waitpid(child, &status, 0);
  const long long end = now();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return 1;
  printf("%lld\n", (isdigit(text[0]) ? atoll(text) : end) - start);
  return 0;
}
