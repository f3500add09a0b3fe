import { dirname, resolve } from 'node:path';
import { readConfig } from '../../config/load.ts';
import type { ConfigProblem } from '../../config/problem.ts';
import type { SecretEnvironment } from '../desired.ts';
import { readPrivateKeys } from '../secrets/openssh-key.ts';
import { openSecret } from '../secrets/secret.ts';
import { type LoadedContainer, secretsSchema } from './container.ts';
import { readInImage } from './image.ts';
import type { ProcessConfig } from './process.ts';
import type { SandboxConfig } from './sandbox.ts';

interface SecretContext {
  readonly container: LoadedContainer;
  readonly sandbox: SandboxConfig;
  readonly process: ProcessConfig;
  readonly imageRoot: string;
}

/** The sealed environment of a container (lithos 2.8), once it was seen to open; null where it has none. */
export function planSecrets(
  context: SecretContext,
): { readonly secrets: SecretEnvironment | null } | { readonly problems: readonly ConfigProblem[] } {
  const { container, sandbox, process } = context;
  const sealed = sealedOf(context);
  if ('problems' in sealed) return sealed;
  if (sealed.values.size === 0) return { secrets: null };
  const refuse = (key: string, message: string) => ({ problems: [container.problemAt(key, message)] });
  if (sandbox.secretsPrivateKey === null) {
    return refuse(sealed.key, 'secrets, but the sandbox has no secrets-private-key');
  }
  const secrets: SecretEnvironment = {
    keyFile: sandbox.secretsPrivateKey,
    namespaces: [...sandbox.secretsNamespaces, ...process.extraSecretsNamespaces],
    values: sealed.values,
  };
  for (const name of sealed.values.keys()) {
    if (container.value.environ.has(name)) return refuse(`${sealed.key}.${name}`, 'environ has this name too');
  }
  const opened = openSecrets(secrets);
  if ('opened' in opened) return { secrets };
  return {
    problems: opened.problems.map(({ name, message }) =>
      container.problemAt(name === null ? sealed.key : `${sealed.key}.${name}`, message),
    ),
  };
}

function sealedOf({
  container,
  imageRoot,
  process,
}: SecretContext):
  | { readonly key: string; readonly values: ReadonlyMap<string, readonly string[]> }
  | { readonly problems: readonly ConfigProblem[] } {
  const { secretEnviron, secretEnvironFile } = container.value;
  if (secretEnvironFile === null) return { key: 'secret-environ', values: secretEnviron };
  const key = 'secret-environ-file';
  const found = readInImage(imageRoot, resolve(dirname(process.config), secretEnvironFile));
  if ('problem' in found) return { problems: [container.problemAt(key, found.problem)] };
  const loaded = readConfig(found.file, found.bytes, secretsSchema);
  return loaded.kind === 'refused' ? { problems: loaded.problems } : { key, values: loaded.value };
}

export type OpenedSecrets =
  | { readonly opened: readonly (readonly [name: string, value: string])[] }
  | { readonly problems: readonly { readonly name: string | null; readonly message: string }[] };

/** Decrypts; every secret that cannot be opened is told with the reason of each attempt. */
export function openSecrets({ keyFile, namespaces, values }: SecretEnvironment): OpenedSecrets {
  const read = readPrivateKeys(keyFile);
  if ('problem' in read) return { problems: [{ name: null, message: read.problem }] };
  const opened: [string, string][] = [];
  const problems: { name: string; message: string }[] = [];
  for (const [name, wires] of values) {
    const result = openSecret(wires, read.keys, namespaces);
    if ('secret' in result) opened.push([name, result.secret]);
    else problems.push({ name, message: result.reasons.join('; ') });
  }
  return problems.length === 0 ? { opened } : { problems };
}
