// N established TCP sockets over loopback, in a network namespace of their own.
// usage: sockets N; prints "ready N PID" (whose /proc/PID/ns/net it is) when they are there, and keeps them until standard
// input ends.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static void fail(const char* what) {
  perror(what);
  exit(1);
}

static void loopbackUp(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0) fail("lo up");
  close(fd);
}

// Each holds as many as a process may have open.
static int hold(int number, int pairs) {
  const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)(2000 + number)),
                                 .sin_addr = {htonl(INADDR_LOOPBACK)}};
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (server < 0 || bind(server, (const struct sockaddr*)&to, sizeof to) != 0 || listen(server, 128) != 0) fail("listen");
  for (int made = 0; made < pairs; ++made) {
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client < 0 || connect(client, (const struct sockaddr*)&to, sizeof to) != 0) fail("connect");
    if (accept4(server, NULL, NULL, SOCK_CLOEXEC) < 0) fail("accept");
  }
  return 0;
}

int main(int words, char** word) {
  if (words != 2) {
    fputs("usage: sockets N\n", stderr);
    return 2;
  }
  const int pairs = atoi(word[1]) / 2;
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) fail("getrlimit");
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) != 0) fail("setrlimit");
  const int each = files.rlim_max > 42000 ? 20000 : (int)(files.rlim_max / 2) - 100;
  if (unshare(CLONE_NEWNET) != 0) fail("unshare");
  loopbackUp();
  int done[2];
  if (pipe(done) != 0) fail("pipe");
  int left = pairs;
  int holders = 0;
  for (; left > 0; ++holders) {
    const int own = left < each ? left : each;
    left -= own;
    const pid_t pid = fork();
    if (pid < 0) fail("fork");
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      hold(holders, own);
      if (write(done[1], "", 1) != 1) fail("write");
      for (;;) pause();
    }
  }
  char byte;
  for (int i = 0; i < holders; ++i) {
    if (read(done[0], &byte, 1) != 1) fail("read");
  }
  printf("ready %d %d\n", pairs * 2, (int)getpid());
  fflush(stdout);
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return 0;
}
