import { buildSchema, type GraphQLSchema } from 'graphql';

/** Spec cantal 7.3. Texts in quotes are what a client's explorer shows. */
const definition = `
"Milliseconds since 1970."
scalar Timestamp
"Any JSON."
scalar Json

type Query {
  status: Status!
  "This host."
  local: Local!
  "The other agents that this one knows."
  peers: [Peer!]!
  "A rule of the query language (docs: Queries) for this host."
  metrics(source: Source = Fine, condition: Json!, extract: Json, functions: Json): Dataset
  "The same rule for all hosts of the cluster that answer in time."
  remote(source: Source = Fine, condition: Json!, extract: Json, functions: Json, deadlineMs: Int = 2000): Remote
}

"Each answers at once, and then again: status, local and metrics after each scan, peers when one of them changed."
type Subscription {
  status: Status!
  local: Local!
  peers: [Peer!]!
  metrics(source: Source = Fine, condition: Json!, extract: Json, functions: Json): Dataset
}

type Mutation {
  "Does nothing: GraphQL wants a mutation to have a field."
  noop: Okay!
}
type Okay { ok: Boolean! }

enum Source { Fine Tip }

type Status {
  startupTime: Timestamp!
  currentTime: Timestamp!
  "Of the newest scan, ms."
  scanDuration: Float!
  bootTime: Timestamp
  selfReport: Json
  threadsReport: Json
  "How many processes the host has."
  processes: Int!
  "How many series of numbers are known."
  fineValues: Int!
  "How many states are known."
  tipValues: Int!
  "32 hex digits."
  id: String
  hostname: String
  name: String
  clusterName: String
  version: String!
  numPeers: Int!
  "Peers that are not known to be alive."
  numStale: Int!
}

type Local {
  "Sorted by name."
  cgroups(filter: CGroupFilter): [CGroup!]!
  processes(filter: ProcessFilter): [Process!]!
}
input CGroupFilter { namePrefix: String }
input ProcessFilter {
  "Only those that started less than so many ms ago."
  maximumUptime: Float
}
type CGroup {
  name: String!
  processes: [Process!]!
  numProcesses: Int!
}

"Sizes are bytes, times are clock ticks (100 per second)."
type Process {
  pid: Int!
  ppid: Int!
  numThreads: Int!
  rss: Float!
  vsize: Float!
  uid: Float!
  gid: Float!
  swap: Float!
  name: String!
  "Null: may not be read."
  readBytes: Float
  writeBytes: Float
  cpuTime: Float!
  "With the children that were waited for."
  accumCpuTime: Float!
  "First word of the command line."
  command: String!
  cgroup: String
  startTimestamp: Timestamp!
}

type Peer {
  id: String!
  name: String
  hostname: String
  primaryAddr: String
  addresses: [String!]!
  knownSince: Timestamp!
  lastReportDirect: Timestamp
}

"The answer to a rule: of series, tips and chart the one that its kind names is filled."
type Dataset {
  "SingleSeries, MultiSeries, SingleTip, MultiTip, Chart, Empty or Incompatible."
  kind: String!
  series: [Series!]!
  tips: [Tip!]!
  chart: [ChartEntry!]!
  "Why it is Incompatible."
  reason: String
}
type Series {
  key: Json!
  "Counter, Integer or Float."
  kind: String!
  "Newest first; null: missing; beyond 2^53 as text."
  values: [Json]!
  timestamps: [Timestamp!]!
}
type Tip {
  key: Json!
  "Counter, Integer, Float or State."
  kind: String!
  "A state has the time since when and its text."
  value: Json
  newest: Timestamp!
  oldest: Timestamp!
}
type ChartEntry {
  text: String!
  count: Int!
}

type Remote {
  hosts: [RemoteHost!]!
  "Ids of hosts that did not answer in time."
  missing: [String!]!
}
type RemoteHost {
  id: String!
  hostname: String
  name: String
  dataset: Dataset!
}
`;

export const schema: GraphQLSchema = buildSchema(definition);
