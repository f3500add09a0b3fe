/**
 * Typed face of the `container` addon (native/container).
 *
 * Kernel documents: clone(2), pidfd_open(2), user_namespaces(7), mount_setattr(2), pivot_root(2), seccomp(2),
 * capabilities(7), cgroups(7), unix(7).
 */
import { loadAddon } from './load.ts';

export interface IdMapping {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/** Mount points are absolute paths inside the new root; sources are host paths. Applied in order. */
export type Mount =
  /** Recursive bind; the flags apply to submounts too (mount_setattr AT_RECURSIVE). nosuid and nodev always hold. */
  | {
      readonly kind: 'bind';
      readonly source: string;
      readonly target: string;
      readonly readonly: boolean;
      readonly exec: boolean;
      /** `source` lies at or below it, and no symbolic link between the two is followed (openat2 RESOLVE_BENEATH). */
      readonly base?: string;
      /** Device files work; default: nodev. */
      readonly devices?: boolean;
      /** What the disk says is id N is id N inside the user namespace (MOUNT_ATTR_IDMAP); default: ids as they are. */
      readonly idMapped?: boolean;
    }
  | {
      readonly kind: 'tmpfs';
      readonly target: string;
      readonly sizeBytes: number;
      readonly mode: number;
      /** Read-only. */
      readonly sealed?: boolean;
    }
  /** A new proc of the new pid namespace, nosuid,nodev,noexec; sensitive entries masked, unless `unmasked`. */
  | { readonly kind: 'proc'; readonly target: string; readonly unmasked?: boolean }
  /** A tmpfs with null, zero, full, random, urandom, tty bound from the host, pts, shm and the usual links. */
  | { readonly kind: 'dev'; readonly target: string }
  /** A new devpts, for a /dev that is bound from the host. */
  | { readonly kind: 'pts'; readonly target: string }
  /** The host's /sys bound read-only (recursively). */
  | { readonly kind: 'sys'; readonly target: string };

/** What is done between mounts, in their order. */
export type Filling =
  /** Makes a folder, its parent being there; one that is there gets this mode and owner. */
  | {
      readonly kind: 'folder';
      readonly target: string;
      readonly mode: number;
      readonly uid?: number;
      readonly gid?: number;
    }
  /** Makes a file with this text. Without a text one that is there stays as it is. */
  | { readonly kind: 'file'; readonly target: string; readonly mode: number; readonly text?: string }
  /**
   * Fills the folder `target` with what the folder `source` holds, and gives it its mode and owner. Sockets and
   * devices are left out. `uid` and `gid` instead of the owners that the files have.
   */
  | {
      readonly kind: 'copy';
      readonly source: string;
      readonly target: string;
      readonly uid?: number;
      readonly gid?: number;
      /** `target` is an empty file system of its own: an overlay of it does, where the kernel makes one. */
      readonly overlay?: boolean;
    };

/** Descriptors of namespaces; `user` owns the others, unless those belong to this process's own. */
export interface JoinedNamespaces {
  readonly user?: number;
  readonly net?: number;
  readonly uts?: number;
}

export interface ContainerSpec {
  /** argv[0] is an absolute path inside the root. */
  readonly argv: readonly string[];
  /** Paths inside the root, the first that is there is executed with `argv`, whose first word is then any name. */
  readonly programs?: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Host folder that becomes `/`; bound read-only unless `writableRoot`. Absent: the host's own root, no pivot. */
  readonly root?: string;
  readonly writableRoot?: boolean;
  /**
   * The root can be written to, and what is written goes to the folder `upper` (overlayfs.rst). Both are empty, of one
   * file system. Where the kernel refuses, the failure's step is "mount overlay". Needs a user namespace.
   */
  readonly overlay?: { readonly upper: string; readonly work: string };
  readonly namespaces: {
    readonly user: boolean;
    readonly mount: boolean;
    readonly pid: boolean;
    readonly ipc: boolean;
    readonly uts: boolean;
    readonly cgroup: boolean;
    readonly net: boolean;
  };
  /** Namespaces that are there already: it is started in them, and what `namespaces` says is made within them. */
  readonly join?: JoinedNamespaces;
  /** `outside`: ids of the host, or of `join.user` where that is given. */
  readonly uidMap: readonly IdMapping[];
  readonly gidMap: readonly IdMapping[];
  /** Ids inside the user namespace (or on the host without one) of the program. */
  readonly uid: number;
  readonly gid: number;
  /** Default: none. */
  readonly supplementaryGroups?: readonly number[];
  /** Of the program; default: 0o022. */
  readonly umask?: number;
  readonly hostname?: string;
  readonly mounts: readonly (Mount | Filling)[];
  /** Soft = hard. Names as in getrlimit(2) without RLIMIT_, lower case: nofile, nproc, core, memlock … */
  readonly rlimits: Readonly<Record<string, number>>;
  /** Capabilities that stay (bounding, permitted, effective, ambient), e.g. ["NET_BIND_SERVICE"]; empty = none. */
  readonly keepCapabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  /** The default filter (deny list documented in docs/seccomp.md) or none. */
  readonly seccomp: 'default' | 'off';
  /** cgroup folders to join, one per hierarchy (v1) or one (v2); they must exist. */
  readonly cgroups: readonly string[];
  /** Host fd numbers for 0, 1, 2; -1 = /dev/null. */
  readonly stdio: readonly [number, number, number];
  /** With a pid namespace: a small init is pid 1, reaps orphans, forwards signals, and dies with its starter. */
  readonly init: boolean;
  /**
   * The program leads a process group of its own, whose id (on the host) is `programPid`. The init then forwards no
   * signals: they are for the starter to send. `Started.stops` tells of stops.
   */
  readonly ownGroup?: boolean;
  /** With ownGroup: fd of the controlling terminal, whose foreground group the program's becomes. */
  readonly terminal?: number;
  /** Descriptors of the starter that the program gets, from number 3 on. */
  readonly passedFds?: readonly { readonly from: number; readonly to: number }[];
}

/** What failed, made in the child where it happened; `message` words it: "bind: openat2: /x: No such file or directory". */
export interface NativeFailure {
  readonly step: string;
  readonly call: string;
  readonly subject: string;
  readonly errno: number;
  readonly code: string;
  readonly message: string;
}

export interface Started {
  /** Host pid of the namespace's first process (the init, or the program itself without one). */
  readonly pid: number;
  /** Host pid of the program; equal to `pid` without an init. */
  readonly programPid: number;
  /** Owned by the caller, close with closeFd. */
  readonly pidfd: number;
  /** With ownGroup and an init: read end of a pipe that gets a wait status (native int) each time the program stops. */
  readonly stops?: number;
}

export interface ExitStatus {
  readonly exitCode: number | null;
  readonly signal: number | null;
}

/** A node's end of a pair of interfaces whose other end is plugged into a bridge of this process's network. */
export interface GuestNetwork {
  readonly bridge: string;
  /** The interfaces' names, at the bridge and in the node. */
  readonly outer: string;
  readonly inner: string;
  readonly address: string;
  /** Bits. */
  readonly prefix: number;
  readonly gateway: string;
}

/** In this order: addresses accepted, addresses dropped, a share of the packets that is lost, and the rest. */
export interface PacketChain {
  readonly accept: readonly string[];
  readonly drop: readonly string[];
  /** 0 to 100, whole. */
  readonly lossPercent: number;
  readonly pass: boolean;
}

/** Of IPv4, by source; `lo` is always open. */
export interface PacketFilter {
  readonly input: PacketChain;
  readonly forward: PacketChain;
}

/** A TCP socket that listens. */
export interface ListeningSocket {
  readonly host: string;
  readonly port: number;
  readonly fd: number;
}

export interface ContainerAddon {
  /** Returns only after the program's execve succeeded; otherwise what failed. Never throws for kernel errors. */
  start(spec: ContainerSpec): Started | NativeFailure;
  /**
   * Makes those of the user, net and uts namespaces that `namespaces` has, within `join`: the descriptors keep them, to be
   * joined by several containers; the caller closes them. lo is up.
   */
  makeNamespaces(
    spec: Pick<ContainerSpec, 'namespaces' | 'uidMap' | 'gidMap' | 'hostname' | 'join'>,
  ): JoinedNamespaces | NativeFailure;
  /**
   * The network that a process is in, `user` that owns it, and `uts` where `user` owns that too. Descriptors that are the
   * caller's to close.
   */
  openNamespaces(pid: number): JoinedNamespaces | NativeFailure;
  /** Resolves when the process behind the pidfd has ended; for own children with status, else both null. */
  waitPidfd(pidfd: number): Promise<ExitStatus>;
  pidfdOpen(pid: number): number | NativeFailure;
  pidfdSendSignal(pidfd: number, signal: number): true | NativeFailure;
  closeFd(fd: number): void;
  /** pipe2(2): both ends belong to the caller, and no process that it starts gets them unless it is told to. */
  makePipe(): { readonly read: number; readonly write: number } | NativeFailure;
  /** flock(2) LOCK_EX|LOCK_NB on a file made if need be (0600). fd; null where another process holds it. */
  tryLock(path: string): number | null | NativeFailure;
  /** SO_PEERCRED of a connected unix socket. */
  peerCredentials(fd: number): { readonly pid: number; readonly uid: number; readonly gid: number } | NativeFailure;
  /** A bridge that is up, in this process's network. */
  createBridge(name: string, address: string, prefix: number): true | NativeFailure;
  /**
   * Connects the network namespace `net`, which has only lo, with a bridge of this process's network. It has IPv4 alone,
   * routes nothing, and lets every user use every port and send pings. Needs CAP_SYS_ADMIN here and there.
   */
  plugGuest(net: number, guest: GuestNetwork): true | NativeFailure;
  /** The one filter of a network namespace, replaced as a whole (nf_tables). */
  filterPackets(net: number, filter: PacketFilter): true | NativeFailure;
  /** What this process's network forwards out of the interface has the interface's own address as its source (nf_tables). */
  masquerade(interfaceName: string): true | NativeFailure;
  /** Opens a listening TCP socket, close-on-exec. The host is a literal address; IPv6 sockets take IPv6 only. */
  listen(socket: {
    readonly host: string;
    readonly port: number;
    readonly backlog: number;
    readonly reuseAddr: boolean;
    readonly reusePort: boolean;
    readonly nonBlock: boolean;
  }): number | NativeFailure;
  /** This process's own listening TCP sockets, from 3 on. */
  ownSockets(): readonly ListeningSocket[];
  /** Copies of another process's (pidfd_getfd(2)). */
  takeSockets(pid: number, pidfd: number): readonly ListeningSocket[] | NativeFailure;
  /**
   * execve(2) in this process; returns only what went wrong. Descriptors of keepFd stay open. SIGHUP, SIGQUIT, SIGINT,
   * SIGTERM, SIGUSR1 and SIGUSR2 wait until the next image calls unblockSignals.
   */
  replaceImage(program: string, argv: readonly string[], env: readonly string[]): NativeFailure;
  /** The same when the process crashes (SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT), instead of its end. */
  replaceOnCrash(program: string, argv: readonly string[], env: readonly string[]): true | NativeFailure;
  unblockSignals(): void;
  /** Whether replaceImage leaves it open. The processes that this one starts never get it. */
  keepFd(fd: number, keep: boolean): void;
  /** tcgetpgrp(3): the process group in the foreground of the terminal. */
  foregroundGroup(terminal: number): number | NativeFailure;
  /** tcsetpgrp(3), allowed from the background too (SIGTTOU is held back meanwhile). */
  setForegroundGroup(terminal: number, group: number): true | NativeFailure;
  /** getpgrp(2) */
  ownGroup(): number;
  /** waitpid(2) of one child, without waiting: true where it had ended. */
  reap(pid: number): boolean;
  /** openlog(3); the facility as its plain number, 3 for daemon. */
  openSyslog(name: string, facility: number): void;
  /** syslog(3); priorities from 0 (emerg) to 7 (debug). */
  syslog(priority: number, text: string): void;
  /** Makes `path` below `base` where it is absent, following no symbolic link; a new one gets mode and owner. */
  makeFolder(base: string, path: string, mode: number, uid: number, gid: number): true | NativeFailure;
  /** lsetxattr(2): an extended attribute of the file at `path`, of a symbolic link itself. */
  setXattr(path: string, name: string, value: Buffer): true | NativeFailure;
  /**
   * Mounts the overlay of folders (`lowers`: the uppermost first, at most 150) over `target`, as root of a user
   * namespace (overlayfs.rst, userxattr). `upper` and `work` are of one file system, `work` is empty.
   */
  mountOverlay(lowers: readonly string[], upper: string, work: string, target: string): true | NativeFailure;
  unmount(target: string): true | NativeFailure;
  /** Fills the empty folder `target` with hard links to what upper folders of overlays (the uppermost first) show together. */
  mergeLayers(layers: readonly string[], target: string): true | NativeFailure;
  /** All below a folder; bytes as the disk has them. The fingerprint moves when one of the files is written to. */
  measureTree(
    folder: string,
  ): { readonly entries: number; readonly bytes: number; readonly fingerprint: string } | NativeFailure;
  /** Which kernel features are there, by probe: clone3, cloneIntoCgroup, pidfd, newMountApi, mountSetattr, userNamespaces, seccomp … with a reason where not. */
  probe(): readonly { readonly feature: string; readonly available: boolean; readonly detail: string }[];
}

let addon: ContainerAddon | undefined;

export function containerAddon(): ContainerAddon {
  addon ??= loadAddon('container') as ContainerAddon;
  return addon;
}

export function isFailure(value: unknown): value is NativeFailure {
  return typeof value === 'object' && value !== null && 'errno' in value && 'step' in value;
}
