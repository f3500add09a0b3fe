import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { printOnce } from '../cantal/print.ts';
import { loadSinks } from '../cantal/sinks/config.ts';
import { ListenError } from '../http/listen-error.ts';
import { logAsAsked } from '../log.ts';
import { version } from '../version.ts';
import type { CantalAgentOptions } from './cantal-agent-command.ts';
import { startCantalPart } from './cantal-part.ts';
import { exitCodes, type Running, runDaemon, type Stops } from './daemon.ts';
import { type Identity, readIdentity } from './identity.ts';

/** Monitoring without verwalter. Returns the exit code of spec cantal 9. */
export async function runCantalAgent(options: CantalAgentOptions): Promise<number> {
  if (options.checkConfig) return checkConfig(options);
  if (options.once) return (await printOnce(true, scanOptions(options))) === 0 ? exitCodes.stopped : exitCodes.badStart;
  const { log, problem } = logAsAsked(process.env);
  if (problem !== null) log.warn(problem);
  return runDaemon({
    log,
    intervalMs: options.interval,
    farewell: 'the agent stops',
    stalledCode: exitCodes.eventLoop,
    start: (stops) => start(options, stops),
    failed: (error) => (error instanceof ListenError ? exitCodes.noHttp : exitCodes.badStart),
  });
}

async function start(options: CantalAgentOptions, ends: Stops): Promise<Running> {
  const identity = identityOf(options);
  for (const warning of [...identity.warnings, ...folderWarnings(options)]) ends.warn(warning);
  const { host, port, clusterName, storageDir = null } = options;
  const part = await startCantalPart(
    {
      ...options,
      historyDir: storageDir,
      sinksDir: options.configDir,
      cluster:
        clusterName === undefined
          ? null
          : { name: clusterName, join: options.join, storageDir, allowMinority: false, election: { neverLead: true } },
    },
    identity,
    ends,
  );
  await part.listen({ routes: [], streams: [] });
  return {
    greeting: `cantal-agent ${version}: ${identity.name} (${identity.id}) on ${host}:${port}`,
    onScan: (listener) => void part.cantal.onScan(listener),
    reload: part.reload,
  };
}

function identityOf(options: CantalAgentOptions): Identity {
  const { host, nodeName, overrideMachineId, clusterKey, httpTokenFile, clusterName } = options;
  if (clusterName === undefined && (clusterKey !== undefined || options.join.length > 0)) {
    throw new Error('--cluster-key and --join are for a cluster: give --cluster-name');
  }
  return readIdentity({
    host,
    // Whole, with its dots: Graphite's names have it so (spec cantal 8). The short one is verwalter's.
    hostname: hostname(),
    gossips: clusterName !== undefined,
    openCluster: options.openCluster,
    ...(nodeName === undefined ? {} : { name: nodeName }),
    ...(overrideMachineId === undefined ? {} : { machineId: overrideMachineId }),
    ...(clusterKey === undefined ? {} : { clusterKeyFile: clusterKey }),
    ...(httpTokenFile === undefined ? {} : { tokenFile: httpTokenFile }),
  });
}

const folderWarnings = ({ configDir }: CantalAgentOptions): readonly string[] =>
  existsSync(configDir) ? [] : [`--config-dir ${configDir} does not exist: nothing is sent to anybody`];

const scanOptions = (options: CantalAgentOptions) => ({
  ...{ maxSeries: options.maxMetrics, procRoot: options.procRoot, sysRoot: options.sysRoot },
  ...{ processMetrics: options.processMetrics, perCpu: options.perCpuMetrics },
  pressureAverages: options.pressureAverages,
});

/** All that a start would stumble over, or would warn of; what it would only warn of is no failure. */
function checkConfig(options: CantalAgentOptions): number {
  const say = (line: string): void => void process.stderr.write(`cantal-agent: ${line}\n`);
  let bad = false;
  try {
    for (const warning of identityOf(options).warnings) say(`warning: ${warning}`);
  } catch (error) {
    bad = true;
    say((error as Error).message);
  }
  for (const warning of folderWarnings(options)) say(`warning: ${warning}`);
  const { sinks, warnings, broken } = loadSinks(options.configDir);
  for (const warning of warnings) say(warning);
  if (bad || broken) return exitCodes.badStart;
  const names = [...sinks.keys()];
  process.stdout.write(`fine; receivers: ${names.length === 0 ? 'none' : names.join(', ')}\n`);
  return exitCodes.stopped;
}
