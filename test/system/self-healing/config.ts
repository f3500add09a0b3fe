import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../src/native/load.ts';
import { copyPythonClient, type WholeNodes } from '../whole-nodes.ts';

export interface Numbers {
  readonly instances: number;
  readonly afterSeconds: number;
  readonly pauseSeconds: number;
}

const example = join(packageRoot(), 'examples', 'schedulers', 'self-healing');

/** The example's numbers, with times that a test can wait for. */
export const numbersYaml = ({ instances, afterSeconds, pauseSeconds }: Numbers): string => `instances: ${instances}
max_per_node: 15
errors_per_second: 50
after_seconds: ${afterSeconds}
pause_seconds: ${pauseSeconds}
image: app
config: /config/django.yaml
`;

const notesRender = `templates:
  processes: processes.yaml.hbs
  texts: texts.hbs
commands:
  - !Lithos { sandbox: notes, src: "{{ files.processes }}" }
  - !SplitText
    section: '^\\[(\\w+)\\]$'
    validate: '^\\w+$'
    src: "{{ files.texts }}"
    dest: "{{ config_dir }}/../{{ node }}/notes/(*).txt"
`;

const sleeper = 'executable: /usr/bin/sleep\narguments: ["100000"]\nvolumes:\n  /usr: !Readonly /usr\n';

const django = `executable: /usr/bin/python3
arguments: [-B, -I, -S, -c, "import sys; sys.path.insert(0, '/app'); exec(open('/app/django.py').read())"]
environ: { CANTAL_PATH: /run/values }
restart-timeout: 2
kill-timeout: 2
normal-exit-codes: [0]
volumes:
  /usr: !Readonly /usr
  /node: !Readonly /node
  /run: !Tmpfs { size: 1Mi }
`;

/** What the test's nodes read: the shipped example, within a scheduler that has a second role and actions of the test. */
export const writeConfig = ({ configDir, dir, count }: WholeNodes, numbers: Numbers): void => {
  cpSync(example, configDir, { recursive: true });
  const scheduler = join(configDir, 'scheduler', 'v1');
  cpSync(join(scheduler, 'main.lua'), join(scheduler, 'healing.lua'));
  cpSync(join(import.meta.dirname, 'main.lua'), join(scheduler, 'main.lua'));
  writeFileSync(join(configDir, 'runtime', 'django', 'numbers.yaml'), numbersYaml(numbers));
  mkdirSync(join(configDir, 'runtime', 'notes'));
  const notes = join(configDir, 'templates', 'notes');
  mkdirSync(notes);
  cpSync(join(configDir, 'templates', 'django', 'processes.yaml.hbs'), join(notes, 'processes.yaml.hbs'));
  writeFileSync(join(notes, 'texts.hbs'), '{{#unless removed}}[motd]\n{{text}} {{node}}\n{{/unless}}');
  writeFileSync(join(notes, 'notes.render.yaml'), notesRender);
  for (let number = 1; number <= count; number++) mkdirSync(join(dir, `n${number}`, 'notes'));
};

/** What the image of the nodes has beside mount points. */
export const writeImage = (root: string): void => {
  copyPythonClient(root);
  cpSync(join(import.meta.dirname, 'django.py'), join(root, 'app', 'django.py'));
  writeFileSync(join(root, 'config', 'django.yaml'), django);
  writeFileSync(join(root, 'config', 'sleeper.yaml'), sleeper);
};
