import type { Survey, SurveyedProgram } from './survey.ts';

/**
 * The document of `lithos ps --json` (lithos 3), with a line end. Memory is bytes, `start_time` milliseconds since 1970,
 * the other times milliseconds. `pid` of a tree is null where its containers run without it, `config` where no file is
 * known that belongs to them. `ok`: exactly one program runs in the container.
 */
export function surveyJson({ trees }: Survey): string {
  const document = {
    trees: trees.map(({ pid, config, containers }) => ({
      pid,
      config,
      children: containers.map(({ name, knotPid, programs }) => ({
        name,
        pid: knotPid,
        ok: programs.length === 1,
        processes: programs.map(programJson),
      })),
    })),
  };
  return `${asciiControls(JSON.stringify(document, null, 2))}\n`;
}

const programJson = (program: SurveyedProgram) => ({
  pid: program.pid,
  processes: program.processes,
  threads: program.threads,
  mem_rss: program.rssBytes,
  mem_swap: program.swapBytes,
  start_time: program.startedAtMs,
  user_time: program.userMs,
  system_time: program.systemMs,
  child_user_time: program.childUserMs,
  child_system_time: program.childSystemMs,
});

/** JSON leaves these as they are, and a terminal can take them for commands. Command lines are anybody's. */
const asciiControls = (json: string): string =>
  json.replace(/[\u007f-\u009f]/g, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`);
