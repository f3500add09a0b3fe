import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isObject, type JsonObject } from './canonical.ts';
import { type AgentClient, errorOf } from './client.ts';
import { readMetadata } from './metadata.ts';

export interface Pulled {
  /** Paths that were written. */
  readonly written: readonly string[];
  readonly warnings: readonly string[];
}

const timeoutMs = 60_000;

/**
 * The state of a live cluster for work at a desk: DIR/schedule.json as /v1/schedule has it, DIR/input.json of the leader's
 * last round, and DIR/runtime with one file for each of its keys. `askLeader` asks another agent, at "ip:port". Throws
 * where there is nothing to get or something in the way.
 */
export const pull = async (
  dir: string,
  client: AgentClient,
  askLeader: (addr: string) => Promise<AgentClient>,
  force: boolean,
): Promise<Pulled> => {
  const places = ['schedule.json', 'input.json', 'runtime'].map((name) => join(dir, name));
  const inTheWay = places.filter((place) => existsSync(place));
  if (inTheWay.length > 0 && !force) {
    throw new Error(`${inTheWay.join(', ')}: there already; --force replaces what is there`);
  }
  const schedule = await client.get('/v1/schedule', timeoutMs);
  if (schedule.status !== 200) throw new Error(`/v1/schedule: ${errorOf(schedule)}`);
  const input = await inputOf(client, askLeader);

  mkdirSync(dir, { recursive: true });
  for (const place of inTheWay) rmSync(place, { recursive: true });
  const [scheduleFile = '', inputFile = '', runtimeDir = ''] = places;
  writeFileSync(scheduleFile, `${JSON.stringify(schedule.value, null, 2)}\n`);
  writeFileSync(inputFile, `${JSON.stringify(input, null, 2)}\n`);
  mkdirSync(runtimeDir);
  const runtime = isObject(input.runtime) ? input.runtime : {};
  const warnings: string[] = [];
  for (const [key, value] of Object.entries(runtime)) {
    if (/[/\0]/.test(key)) warnings.push(`runtime key ${JSON.stringify(key)} cannot be the name of a file`);
    else writeFileSync(join(runtimeDir, `${key}.json`), `${JSON.stringify(value, null, 2)}\n`);
  }
  const read = readMetadata(runtimeDir).data;
  for (const [key, value] of Object.entries(runtime)) {
    if (JSON.stringify(read[key]) !== JSON.stringify(value)) {
      warnings.push(`runtime key ${JSON.stringify(key)} is not read back as it was: input.json has it`);
    }
  }
  return { written: places, warnings };
};

const inputOf = async (client: AgentClient, askLeader: (addr: string) => Promise<AgentClient>): Promise<JsonObject> => {
  const path = '/v1/scheduler_input';
  let reply = await client.get(path, timeoutMs);
  if (reply.status === 404) {
    const status = await client.get('/v1/status');
    const { leader } = isObject(status.value) ? status.value : {};
    const addr = isObject(leader) ? leader.addr : null;
    if (typeof addr !== 'string') throw new Error('no leader is known there, and only a leader has an input');
    reply = await (await askLeader(addr)).get(path, timeoutMs);
  }
  if (reply.status !== 200) throw new Error(`${path} of the leader: ${errorOf(reply)}`);
  if (!isObject(reply.value)) throw new Error(`${path} of the leader: no object`);
  return reply.value;
};
