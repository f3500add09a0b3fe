import { json, problem, type Route } from '../http/route.ts';
import type { SnapshotStore } from './snapshot-store.ts';

/** Snapshots of the schedule on this node (spec/verwalter.md 2.4, 6.2). */
export const backupRoutes = (store: Pick<SnapshotStore, 'names' | 'open' | 'read'>): Route[] => [
  {
    method: 'GET',
    path: '/v1/backups',
    access: 'read',
    summary: 'names of the snapshots of the schedule on this node, newest of each kind first',
    handle: async () => json(await store.names()),
  },
  {
    method: 'GET',
    path: '/v1/backup/:name',
    access: 'read',
    summary: 'a snapshot of the schedule: as gzip by its name, as JSON by its name without .json.gz',
    async handle({ params }) {
      const { name = '' } = params;
      if (name.endsWith('.gz')) {
        const file = await store.open(name);
        return file === null ? noSuch(name) : { status: 200, file, contentType: 'application/gzip' };
      }
      try {
        const schedule = await store.read(`${name.replace(/\.json$/, '')}.json.gz`);
        return schedule === null ? noSuch(name) : json(schedule);
      } catch (error) {
        return problem(500, `${name}: the snapshot cannot be read: ${(error as Error).message}`);
      }
    },
  },
];

const noSuch = (name: string) => problem(404, `there is no snapshot ${name}; all there are: GET /v1/backups`);
