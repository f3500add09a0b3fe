// One attempt to get out of a container per word on the command line; each prints `WORD: ERRNO` or `WORD: done`.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void tell(const char* word, long result) {
  printf("%s: %s\n", word, result < 0 ? strerrorname_np(errno) : "done");
}

static long opened(const char* path, int flags) {
  int fd = open(path, flags, 0600);
  if (fd >= 0) {
    close(fd);
  }
  return fd;
}

static long readSome(const char* path) {
  char byte;
  int fd = open(path, O_RDONLY | O_NONBLOCK);
  long got = fd < 0 ? -1 : read(fd, &byte, 1);
  if (got == 0) {
    errno = ENODATA;
    got = -1;
  }
  return got;
}

static long inNewUserNamespace(void) {
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
    return -1;
  }
  return mount("none", "/tmp", "tmpfs", 0, NULL);
}

static long cloneUser(void) {
  long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
  if (child == 0) {
    _exit(0);
  }
  return child;
}

// Out of a chroot by the well-known way: a second chroot below, and up.
static long leaveChroot(void) {
  if (mkdir("/tmp/jail", 0700) != 0 && errno != EEXIST) {
    return -1;
  }
  return chroot("/tmp/jail");
}

int main(int count, char** words) {
  for (int index = 1; index < count; index++) {
    const char* word = words[index];
    const char* value = strchr(word, '=');
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(value == NULL ? strlen(word) : (size_t)(value - word)), word);
    value = value == NULL ? "" : value + 1;
    if (strcmp(name, "remount") == 0) {
      tell(word, mount(NULL, value, NULL, MS_REMOUNT | MS_BIND, NULL));
    } else if (strcmp(name, "mount") == 0) {
      tell(word, mount("none", value, "tmpfs", 0, NULL));
    } else if (strcmp(name, "umount") == 0) {
      tell(word, umount2(value, MNT_DETACH));
    } else if (strcmp(name, "mknod") == 0) {
      tell(word, mknod(value, S_IFBLK | 0666, makedev(8, 0)));
    } else if (strcmp(name, "write") == 0) {
      tell(word, opened(value, O_WRONLY | O_CREAT));
    } else if (strcmp(name, "open") == 0) {
      tell(word, opened(value, O_RDONLY | O_NONBLOCK));
    } else if (strcmp(name, "read") == 0) {
      tell(word, readSome(value));
    } else if (strcmp(name, "kill") == 0) {
      tell(word, kill(atoi(value), 0));
    } else if (strcmp(name, "ptrace") == 0) {
      tell(word, ptrace(PTRACE_SEIZE, atoi(value), NULL, NULL));
    } else if (strcmp(name, "userns") == 0) {
      tell(word, inNewUserNamespace());
    } else if (strcmp(name, "clone-user") == 0) {
      tell(word, cloneUser());
    } else if (strcmp(name, "clone3") == 0) {
      tell(word, syscall(435, NULL, 0));
    } else if (strcmp(name, "chroot") == 0) {
      tell(word, leaveChroot());
    } else if (strcmp(name, "pivot") == 0) {
      tell(word, syscall(SYS_pivot_root, "/tmp", "/tmp"));
    } else if (strcmp(name, "setns") == 0) {
      int fd = open("/proc/self/ns/mnt", O_RDONLY);
      tell(word, setns(fd, 0));
    } else if (strcmp(name, "bpf") == 0) {
      tell(word, syscall(SYS_bpf, 0, NULL, 0));
    } else if (strcmp(name, "keyctl") == 0) {
      tell(word, syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 1));
    } else if (strcmp(name, "io_uring") == 0) {
      tell(word, syscall(425, 1, NULL));
    } else if (strcmp(name, "setuid") == 0) {
      tell(word, setuid(atoi(value)));
    } else if (strcmp(name, "raw") == 0) {
      int fd = socket(AF_INET, SOCK_RAW, 1);
      tell(word, fd);
    } else if (strcmp(name, "handle") == 0) {
      tell(word, syscall(SYS_open_by_handle_at, AT_FDCWD, NULL, 0));
    } else if (strcmp(name, "ids") == 0) {
      printf("ids: %d %d\n", getuid(), geteuid());
    } else if (strcmp(name, "exec") == 0) {
      fflush(stdout);
      execl(value, value, "ids", NULL);
      tell(word, -1);
    } else {
      printf("%s: unknown\n", word);
    }
    fflush(stdout);
  }
  return 0;
}
