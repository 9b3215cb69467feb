import { Json } from "./objects.js";
export interface Operation {
  op: "add" | "replace" | "remove" | "test";
  path: string;
  value?: Json;
}
export function equal(one: Json, other: Json): boolean;
/** The operations (RFC 6902) that turn one value into the other. */
export function diff(before: Json, after: Json): Operation[];
/** The target with a merge patch (RFC 7386) applied; the target is left alone. */
export function merged(target: Json, patch: Json): Json;
/** The target with operations applied; the target is left alone. */
export function applied(target: Json, operations: Operation[]): Json;
