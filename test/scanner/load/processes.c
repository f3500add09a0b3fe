// N processes that do nothing, in a pid namespace of their own that this program is the init of: they end with it.
// usage: processes N; prints "ready" when all are there.
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int crowd(void* word) {
  int count = atoi(word);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 0; i < count; ++i) {
    pid_t pid = fork();
    if (pid < 0) {
      perror("fork");
      return 1;
    }
    if (pid == 0) {
      for (;;) pause();
    }
  }
  puts("ready");
  fflush(stdout);
  for (;;) pause();
}

int main(int words, char** word) {
  if (words != 2) {
    fputs("usage: processes N\n", stderr);
    return 2;
  }
  enum { stack = 64 * 1024 };
  char* memory = mmap(NULL, stack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return 1;
  pid_t pid = clone(crowd, memory + stack, CLONE_NEWPID | SIGCHLD, word[1]);
  if (pid < 0) {
    perror("clone");
    return 1;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
