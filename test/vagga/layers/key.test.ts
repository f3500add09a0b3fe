import { describe, expect, it } from 'vitest';
import { fieldsOfStep, finishKey, type LayerWorld, layerKey } from '../../../src/vagga/layers/key.ts';
import type { Field } from '../../../src/vagga/version/field.ts';

const world: LayerWorld = {
  ...{ uidMap: '0 1000 1\n', gidMap: '0 1000 1\n' },
  ...{ resolvConf: '/etc/resolv.conf', hostsFile: '/etc/hosts', architecture: 'x64' },
};
const command = (step: string, name = 'Sh'): Field => ({ kind: 'command', at: { step, command: name } });
const script = (step: string, value: string): Field => ({
  ...{ kind: 'value', at: { step, command: 'Sh' }, key: 'script', value },
  file: null,
});
const sh = (step: string, value: string): readonly Field[] => [command(step), script(step, value)];

describe('a layer is found by', () => {
  const key = layerKey(world, 'below', [sh('1', 'make')], []);

  it('what goes into its step, wherever that stands', () => {
    expect(layerKey(world, 'below', [sh('7', 'make')], [])).toBe(key);
    expect(layerKey(world, 'below', [sh('1', 'make all')], [])).not.toBe(key);
  });

  it('the very layer that it stands on', () => {
    expect(layerKey(world, 'other', [sh('1', 'make')], [])).not.toBe(key);
    expect(layerKey(world, null, [sh('1', 'make')], [])).not.toBe(key);
  });

  it('the steps before it that have none', () => {
    const depends: readonly Field[] = [command('0', 'Depends')];
    expect(layerKey(world, 'below', [depends, sh('1', 'make')], [])).not.toBe(key);
  });

  it('the content that the version does not count', () => {
    expect(layerKey(world, 'below', [sh('1', 'make')], ['sum of an archive'])).not.toBe(key);
  });

  it.each([
    ['uidMap', '0 1001 1\n'],
    ['gidMap', '0 1001 1\n'],
    ['resolvConf', null],
    ['hostsFile', '/other'],
    ['architecture', 'arm64'],
  ])('%s', (name, value) => {
    expect(layerKey({ ...world, [name]: value }, 'below', [sh('1', 'make')], [])).not.toBe(key);
  });

  it('each file that it takes, not by how many there are', () => {
    const files = (digest: string): readonly Field[] => [
      command('0', 'Copy'),
      {
        ...{ kind: 'file', at: { step: '0', command: 'Copy' }, name: '/work/a', size: 1, digest },
        attributes: { mode: '420' },
      },
    ];
    expect(layerKey(world, null, [files('a')], [])).not.toBe(layerKey(world, null, [files('b')], []));
    const counted: Field = {
      ...{ kind: 'files', at: { step: '0', command: 'Copy' } },
      name: 'a',
      entries: 1,
      bytes: 1,
    };
    expect(() => layerKey(world, null, [[counted]], [])).toThrow('digest of each file');
  });

  it('what is done at the end, for the root as it is at last', () => {
    expect(finishKey(world, 'below', ['/data'])).not.toBe(finishKey(world, 'below', []));
    expect(finishKey(world, 'below', [])).not.toBe(layerKey(world, 'below', [], []));
  });
});

it('a step has its own fields and those of what it brings', () => {
  const fields = [...sh('1', 'a'), ...sh('1.0', 'b'), ...sh('10', 'c'), ...sh('11.1', 'd')];
  expect(fieldsOfStep(fields, 1)).toEqual([...sh('1', 'a'), ...sh('1.0', 'b')]);
});
