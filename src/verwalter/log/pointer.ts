/** Where in which file something of a deployment stands (spec/verwalter.md 6.1). Offsets are bytes. */
export type Pointer =
  | { readonly variant: 'Global' | 'Changes'; readonly fields: readonly [segment: string, offset: number] }
  | { readonly variant: 'Role'; readonly fields: readonly [role: string, segment: string, offset: number] }
  | { readonly variant: 'External'; readonly fields: readonly [name: string, offset: number] };

export type Marker =
  | 'DeploymentStart'
  | 'DeploymentChanges'
  | 'RoleStart'
  | 'RoleFinish'
  | 'ExternalLog'
  | 'DeploymentFinish'
  | 'DeploymentError'
  | { readonly variant: 'ActionStart' | 'ActionFinish'; readonly fields: readonly [renderFile: string] };

export const markerText = (marker: Marker): string =>
  typeof marker === 'string' ? marker : `${marker.variant} ${marker.fields[0]}`;
