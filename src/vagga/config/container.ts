import { idRanges } from '../../config/ids.ts';
import { plainAbsolutePath } from '../../config/paths.ts';
import { list, optional, record } from '../../config/record.ts';
import { boolean, nullable, path, type ValueOf } from '../../config/schema.ts';
import { allIds, environment, noEnvironment, texts } from './common.ts';
import { type Step, stepSchema } from './steps.ts';
import { noVolumes, volumes } from './volumes.ts';

const noSteps: readonly Step[] = [];
const noPaths: readonly string[] = [];

/** Keys and defaults: vagga 2.3. */
export const containerSchema = record('a container', {
  setup: optional(list(stepSchema), noSteps),
  environ: optional(environment, noEnvironment),
  'environ-file': optional(nullable(plainAbsolutePath), null),
  uids: optional(idRanges, allIds),
  gids: optional(idRanges, allIds),
  volumes: optional(volumes, noVolumes),
  'resolv-conf-path': optional(nullable(plainAbsolutePath), '/etc/resolv.conf'),
  'hosts-file-path': optional(nullable(plainAbsolutePath), '/etc/hosts'),
  'auto-clean': optional(boolean, false),
  'image-cache-url': optional(nullable(path), null),
  'data-dirs': optional(list(plainAbsolutePath), noPaths),
  'default-shell': optional(texts, ['/bin/sh', '-c', '$cmdline', '--']),
});

export type Container = ValueOf<typeof containerSchema>;
