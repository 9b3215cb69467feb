// What the worlds' bindings share. Runs inside the component only.
import hostLog from "orch:host/log@0.1.0";
import * as log from "../src/log.js";

log.setSink((level, message) => hostLog.write(level, message));

/** What is thrown becomes the text of the answer; programming errors are logged with their place too. */
export function guarded(functions) {
  const entries = Object.entries(functions).map(([name, call]) => [name, (...given) => answer(call, given)]);
  return Object.fromEntries(entries);
}

function answer(call, given) {
  try {
    return call(...given);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const plain = error.constructor === Error || error.constructor === RangeError;
    if (!plain) log.error(`${error.name}: ${error.message}\n${error.stack}`);
    throw plain ? error.message : `${error.name}: ${error.message}`;
  }
}

/** For functions that have no error to answer: it is logged, and ends the instance. */
export function unanswered(call) {
  return (...given) => {
    try {
      return call(...given);
    } catch (error) {
      if (error instanceof Error) log.error(`${error.name}: ${error.message}\n${error.stack}`);
      throw error;
    }
  };
}

export function interest({ apiVersion, kind, fields = [] }) {
  return { apiVersion, kind, fields };
}

/** The class or the object that `plugin.js` exports. */
export function instanceOf(exported) {
  return typeof exported === "function" ? new exported() : exported;
}
