import { atDigest, isRemote, parseReference } from '../../oci/reference.ts';
import type { Step } from '../config/steps.ts';
import { gitKey, imageKey, type Lock, lockName } from './lock-file.ts';

// A lock says what vagga.yaml leaves open: a step that it has an entry for is the step with that digest written in it.

/** Something that is fetched, and that may be something else tomorrow. */
export type Lockable =
  | { readonly kind: 'download'; readonly url: string }
  | { readonly kind: 'git'; readonly url: string; readonly reference: string }
  | { readonly kind: 'image'; readonly image: string; readonly platform: string | null };

/** For people, and to look entries up by. */
export function lockableName(lockable: Lockable): string {
  switch (lockable.kind) {
    case 'download':
      return lockable.url;
    case 'git':
      return gitKey(lockable.url, lockable.reference);
    case 'image':
      return imageKey(lockable.image, lockable.platform);
    default:
      return lockable satisfies never;
  }
}

/** What a step fetches without saying exactly what; null: nothing. `imageOf`: of a devcontainer.json. */
export function lockableOf(step: Step, imageOf: (path: string | null) => string | null): Lockable | null {
  switch (step.tag) {
    case 'Download':
    case 'Tar':
    case 'TarInstall':
    case 'Unzip': {
      const { url, sha256 } = step.value;
      return sha256 === null && /^https?:\/\//.test(url) ? { kind: 'download', url } : null;
    }
    case 'Git':
    case 'GitInstall': {
      const { url, revision, branch } = step.value;
      if (revision !== null && isCommit(revision)) return null;
      return { kind: 'git', url, reference: revision ?? (branch === null ? 'HEAD' : `refs/heads/${branch}`) };
    }
    case 'OciImage':
      return imageLockable(step.value.image, step.value.platform);
    case 'Devcontainer': {
      const image = imageOf(step.value);
      return image === null ? null : imageLockable(image, null);
    }
    default:
      return null;
  }
}

const isCommit = (revision: string): boolean => /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(revision);

function imageLockable(image: string, platform: string | null): Lockable | null {
  const reference = parseReference(image);
  const open = !('problem' in reference) && reference.digest === null && isRemote(reference);
  return open ? { kind: 'image', image, platform } : null;
}

export interface Pinned {
  readonly step: Step;
  /** What the lock has an entry for; null: nothing of this step. */
  readonly by: Lockable | null;
}

/** The step with what the lock has for it. Not of !Devcontainer, whose image is not in the step: see pinnedImage. */
export function pinnedStep(lock: Lock, step: Step): Pinned {
  const by = lockableOf(step, () => null);
  const open: Pinned = { step, by: null };
  switch (by?.kind) {
    case undefined:
      return open;
    case 'download': {
      const entry = lock.downloads.get(by.url);
      if (entry === undefined) return open;
      return { step: { ...step, value: { ...(step.value as object), sha256: entry.sha256 } } as Step, by };
    }
    case 'git': {
      const entry = lock.git.get(lockableName(by));
      if (entry === undefined) return open;
      return { step: { ...step, value: { ...(step.value as object), revision: entry.commit } } as Step, by };
    }
    case 'image': {
      const image = pinnedImage(lock, by.image, by.platform);
      if (image === by.image) return open;
      return { step: { tag: 'OciImage', value: { image, platform: by.platform } }, by };
    }
    default:
      return by satisfies never;
  }
}

export function pinnedImage(lock: Lock, image: string, platform: string | null): string {
  const entry = lock.images.get(imageKey(image, platform));
  return entry === undefined ? image : atDigest(image, entry.digest);
}

/** Where a value of a version comes from. */
export const lockSource = (by: Lockable): string => `${lockName}, ${lockableName(by)}`;

/** Behind an error about something that did not fit. */
export const updateHint = `; ${lockName} pins it: "vagga _lock --update" takes what is there now`;
