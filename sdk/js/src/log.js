/** Where lines go: the component replaces it; a test may. */
let sink = (level, message) => console.error(`${level}: ${message}`);

export function setSink(next) {
  sink = next;
}

export const debug = (message) => sink("debug", String(message));
export const info = (message) => sink("info", String(message));
export const warn = (message) => sink("warn", String(message));
export const error = (message) => sink("error", String(message));
