import type * as agent from '../../src/agent/api.ts';

/** What the agent serves to this page: the shapes are the agent's own, only their names are this page's. */
export type Overview = agent.Overview;
export type NodeOverview = agent.OverviewNode;
export type Liveness = NodeOverview['liveness'];
export type Container = agent.ContainerReport;
export type ContainerEnd = agent.LastEnd;
export type PlotAnswer = agent.Plots;
