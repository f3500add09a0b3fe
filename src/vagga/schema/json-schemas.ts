import { type JsonSchema, jsonSchemaOf, tagsOf } from '../../config/json-schema.ts';
import { fileSchema } from '../config/file.ts';
import { userSettingsSchema } from '../settings.ts';
import { keyDescriptions, tagDescriptions } from './descriptions.ts';

const descriptions = {
  key: (what: string, key: string): string | undefined => keyDescriptions[what]?.[key] ?? keyDescriptions['']?.[key],
  tag: (tag: string): string | undefined => tagDescriptions[tag],
};

export function vaggaJsonSchema(): JsonSchema {
  return jsonSchemaOf(fileSchema, { title: 'vagga.yaml' }, descriptions);
}

/** Of a user's settings; a project's own file takes a part of them. */
export function settingsJsonSchema(): JsonSchema {
  return jsonSchemaOf(userSettingsSchema, { title: 'settings of vagga' }, descriptions);
}

/** For `yaml.customTags` of the YAML language server. */
export function customTags(): readonly string[] {
  return [...tagsOf(fileSchema), '!*Include scalar', '!*Unpack sequence', '!*Unpack scalar'];
}
