/* The least that a container start can cost: clone3, mounts, pivot_root, exec and wait, in plain C.
   bare ROOT ROUNDS net|nonet [MIB]: prints the median in microseconds. ROOT holds /bin/true (static) and /proc. MIB of
   memory are touched before: what a process of that size pays for its fork. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) {
  perror(what);
  _exit(126);
}

static void child(const char *root) {
  char *argv[] = {"/bin/true", NULL};
  char *env[] = {NULL};
  if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) die("private");
  if (mount(root, root, NULL, MS_BIND | MS_REC, NULL) != 0) die("bind");
  if (mount(NULL, root, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) != 0) die("remount");
  if (chdir(root) != 0) die("chdir");
  if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) die("proc");
  if (mount("tmpfs", "tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") != 0) die("tmpfs");
  if (syscall(SYS_pivot_root, ".", ".") != 0) die("pivot_root");
  if (umount2(".", MNT_DETACH) != 0) die("umount");
  execve(argv[0], argv, env);
  die("execve");
}

static int compare(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int count, char **words) {
  if (count != 4 && count != 5) {
    fputs("usage: bare ROOT ROUNDS net|nonet [MIB]\n", stderr);
    return 2;
  }
  if (count == 5) {
    size_t bytes = (size_t)atoi(words[4]) << 20;
    char *ballast = malloc(bytes);
    if (ballast == NULL) die("malloc");
    for (size_t at = 0; at < bytes; at += 4096) ballast[at] = 1;
  }
  int rounds = atoi(words[2]);
  double *times = calloc((size_t)rounds, sizeof *times);
  uint64_t arguments[8] = {CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS, 0, 0, 0, SIGCHLD, 0, 0, 0};
  if (strcmp(words[3], "net") == 0) arguments[0] |= CLONE_NEWNET;
  for (int round = 0; round < rounds; round++) {
    struct timespec begin, end;
    int status;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    long pid = syscall(SYS_clone3, arguments, sizeof arguments);
    if (pid < 0) die("clone3");
    if (pid == 0) child(words[1]);
    if (waitpid((pid_t)pid, &status, 0) < 0 || status != 0) return 1;
    clock_gettime(CLOCK_MONOTONIC, &end);
    times[round] = (double)(end.tv_sec - begin.tv_sec) * 1e6 + (double)(end.tv_nsec - begin.tv_nsec) / 1e3;
  }
  qsort(times, (size_t)rounds, sizeof *times, compare);
  printf("%.1f\n", times[rounds / 2]);
  return 0;
}
