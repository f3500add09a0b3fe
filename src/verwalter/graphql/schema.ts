import { buildSchema, type GraphQLSchema } from 'graphql';

/** Spec verwalter 6.3, names spelled as there. Texts in quotes are what a client's explorer shows. */
const definition = `
"Milliseconds since 1970."
scalar Timestamp
"Any JSON."
scalar Json

type Query { status: Status! }
"Answers at once, and then whenever something has changed."
type Subscription { status: Status! }
type Mutation {
  "Does nothing: what changes something is an action, POST /v1/action."
  noop: Okay!
}
type Okay { ok: Boolean! }

type Status {
  version: String!
  "32 hex digits."
  id: String!
  name: String!
  hostname: String!
  defaultFrontend: String!
  numErrors: Int!
  "ok, fetching, waiting or unstable."
  scheduleStatus: String!
  "Of this process: pid, memory and processor time."
  selfReport: Json
  threadsReport: Json
  roles: Roles!
  peers: Peers!
  election: Election!
  "The last that is known; null: none yet."
  schedule: Schedule
  fetch: Fetch!
  leader: Leader
}
type Roles {
  number: Int!
  failed: Int!
}
type Peers {
  number: Int!
  timestamp: Timestamp
  errorneous: [ErroneousPeer!]!
}
type ErroneousPeer {
  id: String!
  name: String!
  hostname: String!
  errors: Int!
}
type Election {
  isLeader: Boolean!
  "A leader is known."
  isStable: Boolean!
  "Id of whom this node votes for, while there is no leader."
  promoting: String
  numVotesForMe: Int
  neededVotes: Int!
  epoch: Float!
  "When this node acts next, if nothing happens before."
  deadline: Timestamp
  lastStableTimestamp: Timestamp
}
type Schedule {
  timestamp: Timestamp!
  hash: String!
  data: Json!
  origin: String!
}
enum FetchState { UNSTABLE STABLE_LEADER PREFETCHING REPLICATING }
type Fetch { state: FetchState! }
type Leader {
  id: String!
  name: String!
  hostname: String!
  addr: String!
  schedule: Json
  debugForced: Boolean!
}
`;

export const schema: GraphQLSchema = buildSchema(definition);
