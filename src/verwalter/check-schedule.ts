import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { version } from '../version.ts';
import { isObject, type Json, type JsonObject } from './canonical.ts';
import { planRoles, templateVariables } from './render/plan.ts';
import { readTemplateTree, type TemplateTree } from './render/template-tree.ts';
import { readSchedule, type Schedule } from './schedule.ts';
import { problemText } from './yaml-text.ts';

/** What rendering would stumble over: each template of each role that a schedule gives each node. */
export const scheduleProblems = (configDir: string, file: string): readonly string[] => {
  let given: Json;
  try {
    given = JSON.parse(readFileSync(file, 'utf8')) as Json;
  } catch (error) {
    return [problemText({ file, line: 0, text: (error as Error).message })];
  }
  if (!isObject(given)) return [problemText({ file, line: 0, text: 'not an object' })];
  const wrapped = readSchedule(given);
  const schedule: Schedule = 'error' in wrapped ? { timestamp: 0, hash: '', origin: '', data: dataOf(given) } : wrapped;
  const trees = new Map<string, TemplateTree | string>();
  // The same mistake of many nodes is one.
  const problems = new Map<string, string[]>();
  for (const host of Object.keys(isObject(schedule.data.nodes) ? schedule.data.nodes : {}).sort()) {
    for (const plan of planRoles(schedule.data, host, [])) {
      const found = 'error' in plan ? [`role ${plan.role}: ${plan.error}`] : [];
      if (!('error' in plan)) {
        const tree = treeOf(trees, join(configDir, 'templates', plan.template));
        if (typeof tree === 'string') found.push(`role ${plan.role}: ${tree}`);
        else {
          const context = { hostname: host, schedule, deploymentId: 'check', version, machine: {}, previous: null };
          const variables = templateVariables(plan, context);
          found.push(...renderProblems(tree, variables).map((text) => `role ${plan.role}: ${plan.template}/${text}`));
        }
      }
      for (const text of found) problems.set(text, [...(problems.get(text) ?? []), host]);
    }
  }
  return [...problems].map(([text, hosts]) => {
    const more = hosts.length > 3 ? ` and ${hosts.length - 3} more` : '';
    return problemText({ file, line: 0, text: `on ${hosts.slice(0, 3).join(', ')}${more}: ${text}` });
  });
};

/** A wrapper whose hash is not right, because somebody has edited it, is one all the same. */
const dataOf = (given: JsonObject): JsonObject =>
  isObject(given.data) && typeof given.hash === 'string' ? given.data : given;

const treeOf = (trees: Map<string, TemplateTree | string>, folder: string): TemplateTree | string => {
  const known = trees.get(folder);
  if (known !== undefined) return known;
  let tree: TemplateTree | string;
  try {
    tree = readTemplateTree(folder);
  } catch (error) {
    tree = (error as Error).message;
  }
  trees.set(folder, tree);
  return tree;
};

const renderProblems = ({ renderFiles, templates }: TemplateTree, variables: JsonObject): readonly string[] =>
  renderFiles.flatMap((file) =>
    Object.values(file.templates).flatMap((path) => {
      try {
        templates.render(path, variables);
        return [];
      } catch (error) {
        const { message } = error as Error;
        return [message.startsWith(path) ? message : `${path}: ${message}`];
      }
    }),
  );
