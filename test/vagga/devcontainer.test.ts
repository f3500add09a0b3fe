import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDevcontainer } from '../../src/vagga/config/devcontainer.ts';

const read = (text: string) => parseDevcontainer('d.json', text);

describe('a devcontainer.json', () => {
  it('gives its image and the variables of its container; comments and closing commas are taken', () => {
    const text = `// made by an editor
{
  "image": "ghcr.io/team/base:1", /* pinned elsewhere */
  "containerEnv": { "A": "1 // no comment", "B": "", },
}`;
    expect(read(text)).toEqual({
      kind: 'read',
      file: 'd.json',
      image: 'ghcr.io/team/base:1',
      containerEnv: new Map([
        ['A', '1 // no comment'],
        ['B', ''],
      ]),
      warnings: [],
    });
  });

  it('says what it leaves out', () => {
    const text = JSON.stringify({ image: 'a', containerEnv: { H: `$\{localEnv:HOME}` }, postCreateCommand: 'make' });
    expect(read(text)).toMatchObject({
      containerEnv: new Map(),
      warnings: [
        `d.json: containerEnv.H is left out: $\{…} is not replaced here`,
        'd.json: not done here: postCreateCommand',
      ],
    });
  });

  it.each([
    ['{"build": {"dockerfile": "Dockerfile"}}', 'd.json: build: a Dockerfile is not built here; expected an image'],
    [
      '{"dockerComposeFile": "x", "image": "a"}',
      'd.json: dockerComposeFile: a composition is not built here; expected an image',
    ],
    [
      '{"image": "a", "features": {"x": {}}}',
      'd.json: features: features are not installed here; put what they install into steps behind !Devcontainer',
    ],
    ['{}', 'd.json: image: expected the name of an image'],
    [
      '{"image": "A B"}',
      'd.json: image "A B": "library/A B" is no repository: expected lower-case letters, digits, . _ - and /',
    ],
    ['{"image": "a", "containerEnv": {"X": 1}}', 'd.json: containerEnv.X: expected a text'],
    ['[]', 'd.json: expected an object'],
  ])('%s is refused', (text, reason) => expect(read(text)).toEqual({ kind: 'refused', reason }));

  it('that is no JSON is refused with its line', () => {
    expect(read('{\n  "image": "a"\n  "b": 1\n}')).toMatchObject({ reason: expect.stringMatching(/^d\.json:3:3: /) });
  });

  it('with an empty list of features has none', () => {
    expect(read('{"image": "a", "features": {}}').kind).toBe('read');
  });

  it('of any text is read or refused with a reason', () => {
    const json = fc.json().map((text) => text.replace('{', '{"image": "a",'));
    fc.assert(
      fc.property(fc.oneof(fc.string(), json), (text) => {
        const given = read(text);
        if (given.kind !== 'read') expect(given.reason).toMatch(/^d\.json:/);
      }),
    );
  });
});
