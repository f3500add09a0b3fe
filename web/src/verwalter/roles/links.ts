/** Where the pages about a role are. */
export const roleHref = (role: string): string => `/role?name=${encodeURIComponent(role)}`;
export const logsHref = (role: string): string => `/logs?role=${encodeURIComponent(role)}`;
export const whyHref = (role: string): string => `/why?role=${encodeURIComponent(role)}`;
/** The same page there. */
export const sameOn = (addr: string): string => `http://${addr}${location.pathname}${location.search}`;
