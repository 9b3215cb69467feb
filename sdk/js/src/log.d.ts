/** Lines in the host's log, under the plugin's name; cut at 4 KiB, limited in rate. */
export function debug(message: unknown): void;
export function info(message: unknown): void;
export function warn(message: unknown): void;
export function error(message: unknown): void;
export type Level = "debug" | "info" | "warn" | "error";
export function setSink(sink: (level: Level, message: string) => void): void;
